"""Versions of a clip set made of people's labels: v1, v2 … in one folder, and what changed.

The unit is one version, a clip set of its own with a parent. A session keeps its split from version
to version, so that what once tested a model never trains one, and a model of v1 may be judged on
v2's test clips beside v2's own. Labels are those people have settled on (`labels.settled`); clips
that show several classes at once are left out and counted, unless the set is one of such clips.
Leaves frames to `clipset`.
"""

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.actions.clipset import Clipset, build_clipset, load_clipset
from workbench.actions.items import PREDICT, classes_in, several_classes
from workbench.errors import DatasetError
from workbench.footage.clips import Clip, Origin
from workbench.labels.settled import Settled
from workbench.saving import writing
from workbench.training.versions import version_names

_NEXT = ".next"  # a version that is being built


def with_labels(clips: Sequence[Clip], settled: Settled, *, several: bool = False) -> list[Clip]:
    """Return clips with the class that people have settled on, and no split of their own.

    A clip that nobody has labelled keeps the class that its cut was given, if it was given one;
    what people differ on has none, nor has a clip that shows several at once, unless `several`.
    """
    found = []
    for clip in clips:
        classes = settled.item_to_classes.get(clip.clip_id)
        label = clip.sport
        if classes is not None:
            label = several_classes(classes) if several or len(classes) == 1 else None
        elif clip.clip_id in settled.item_to_reason:
            label = None
        found.append(replace(clip, sport=label, split=None))
    return found


def add_version(
    folder: Path,
    clips: Sequence[Clip],
    footage_dir: Path,
    settled: Settled,
    *,
    origin: Origin,
    **settings: Any,
) -> Clipset:
    """Build the next version from the clips that have a label; unchanged, the newest one stays.

    Args:
        folder: Of all versions.
        clips: From `with_labels`; those without a label are left out.
        footage_dir: What `Clip.file` is relative to.
        settled: Where the labels come from: its counts go to `dataset_meta.json`.
        origin: Source, licence and domain note (`caveat`) of the footage.
        settings: Others of `build_clipset`.

    Raises:
        DatasetError: As `build_clipset`; then no version was added.
    """
    labelled = [clip for clip in clips if clip.sport is not None]
    if not labelled:
        raise DatasetError("no clip has a label", "label some clips in the rater, or import labels")
    names = version_names(folder)
    parent = load_clipset(folder / names[-1]) if names else None
    left_out = 0
    if not settings.get("several"):
        left_out = sum(len(one) > 1 for one in settled.item_to_classes.values())
    facts: dict[str, Any] = {
        "name": f"v{len(names) + 1}" if not names else f"v{int(names[-1][1:]) + 1}",
        "parent": names[-1] if names else None,
        "parent_version": parent.version if parent else None,
        "labels": settled.counts | ({"left out: several classes": left_out} if left_out else {}),
    }
    part = folder / _NEXT
    with writing(part):
        shutil.rmtree(part, ignore_errors=True)
    settings = {"cache_dir": folder / "frame_cache", **settings}
    kept = parent.session_to_split if parent else {}
    made = build_clipset(
        labelled, footage_dir, part, origin=origin, kept=kept, facts=facts, **settings
    )
    if parent is not None and parent.version == made.version:
        shutil.rmtree(part)
        return parent
    target = folder / str(facts["name"])
    with writing(target):
        part.rename(target)
    return load_clipset(target)


def load_version(folder: Path, name: str | None = None) -> Clipset:
    """Open a version, the newest where none is named.

    Raises:
        DatasetError: If it is not there.
    """
    names = version_names(folder)
    chosen = name or (names[-1] if names else "v1")
    if chosen not in names:
        known = ", ".join(names) or "none"
        raise DatasetError(
            f"{folder} has no version {chosen} ({known})", "make one: workbench dataset add"
        )
    return load_clipset(folder / chosen)


def version_table(folder: Path) -> pd.DataFrame:
    """Return one row per version: parent, clips, sessions, classes, content hash."""
    rows = []
    for name in version_names(folder):
        clipset = load_clipset(folder / name)
        splits = Counter(item.split for item in clipset.items)
        rows.append(
            {
                "version": name,
                "parent": clipset.meta["parent"] or "",
                "clips": len(clipset),
                "train / valid / test": " / ".join(
                    str(splits[split]) for split in ("train", "valid", "test")
                ),
                "sessions": len(set(clipset.sessions)),
                "classes": ", ".join(clipset.classes),
                "content": clipset.version,
            }
        )
    columns = ["version", "parent", "clips", "train / valid / test", "sessions", "classes"]
    return pd.DataFrame(rows, columns=[*columns, "content"]).set_index("version")


@dataclass(frozen=True)
class Difference:
    """What changed from one version to another, by clip id."""

    before: str
    after: str
    added: Mapping[str, str]  # clip to class
    removed: Mapping[str, str]
    relabelled: Mapping[str, tuple[str, str]]  # clip to the class before and after
    moved: Mapping[str, tuple[str, str]]  # clip to the split before and after
    counts: pd.DataFrame  # clips per class and split, of both

    def __str__(self) -> str:
        """The difference in a line."""
        parts = [f"{len(self.added)} clips added", f"{len(self.removed)} removed"]
        parts.append(f"{len(self.relabelled)} relabelled")
        if self.moved:
            parts.append(f"{len(self.moved)} moved to another split")
        return f"{self.before} → {self.after}: {', '.join(parts)}"

    def _repr_html_(self) -> str:
        return f"<p>{self}</p>{self.counts.to_html()}"


def compare_versions(before: Clipset, after: Clipset) -> Difference:
    """Say what was added, removed and relabelled between two versions.

    Example:
        >>> print(compare_versions(load_version(folder, "v1"), load_version(folder)))
        ... # doctest: +SKIP
        v1 → v2: 12 clips added, 0 removed, 2 relabelled
    """
    was, now = ({item.clip_id: item for item in one.items} for one in (before, after))
    both = sorted(was.keys() & now.keys())
    changed = {name: (str(was[name].label), str(now[name].label)) for name in both}
    splits = {name: (was[name].split, now[name].split) for name in both}
    return Difference(
        str(before.meta.get("name", before.version)),
        str(after.meta.get("name", after.version)),
        {name: str(now[name].label) for name in sorted(now.keys() - was.keys())},
        {name: str(was[name].label) for name in sorted(was.keys() - now.keys())},
        {name: pair for name, pair in changed.items() if pair[0] != pair[1]},
        {name: pair for name, pair in splits.items() if pair[0] != pair[1]},
        _counts(before, after),
    )


def change_since_parent(folder: Path, clipset: Clipset | None) -> Difference | None:
    """Return what changed from a version's parent to it; None for the first, or without any."""
    parent = clipset.meta.get("parent") if clipset else None
    if clipset is None or parent not in version_names(folder):
        return None
    return compare_versions(load_version(folder, parent), clipset)


def _counts(before: Clipset, after: Clipset) -> pd.DataFrame:
    names = list(dict.fromkeys((*before.classes, *after.classes)))
    counts = [
        Counter(
            (name, item.split)
            for item in one.items
            if item.split != PREDICT
            for name in classes_in(item.label)
        )
        for one in (before, after)
    ]
    rows = {
        name: {
            split: " → ".join(str(count[name, split]) for count in counts)
            for split in ("train", "valid", "test")
        }
        for name in names
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(index="class")
