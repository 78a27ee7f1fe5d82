// Which clips are shown to whom, in which order, and what they are called.
//
// Labelled blind, clips come in an order of the annotator's own and are called by their place in it:
// a name or the neighbours may give the answer away.

export function arrange(items, { blind, assigned }, annotator) {
  const mine = assigned ? new Set(assigned[annotator] ?? []) : null;
  const kept = items.filter(({ item_id }) => !mine || mine.has(item_id));
  if (!blind) return kept.map((item) => ({ ...item, shown: item.item_id }));
  const rank = new Map(kept.map(({ item_id }) => [item_id, hash(`${annotator}\n${item_id}`)]));
  kept.sort((one, other) => rank.get(one.item_id) - rank.get(other.item_id) || (one.item_id < other.item_id ? -1 : 1));
  return kept.map((item, place) => ({ ...item, shown: `clip ${place + 1}` }));
}

// FNV-1a, then mixed once more: names that differ in one letter land far apart.
function hash(text) {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  value = Math.imul(value ^ (value >>> 16), 0x45d9f3b) >>> 0;
  return (value ^ (value >>> 16)) >>> 0;
}
