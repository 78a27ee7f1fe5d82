"""The true highlights of a video: those of built-in sessions, or what people have cut and rated.

The unit is one true act. Cuts that name a sport are highlights; a rating of one or two stars on a
cut says that it is none.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.footage.packets import read_packets
from workbench.saving import read_object, reading
from workbench.simulated.longplay import TRUTH_FORMAT

if TYPE_CHECKING:
    from workbench.labels.store import LabelStore

TOLERANCE_S = 0.5  # by which a highlight's peak may miss the act
_NEAR = 0.5  # of the actor's height: how far from them it may move
_FEWEST_STARS = 3
_NONE = "none"


@dataclass(frozen=True)
class TrueAct:
    """What happens from start to end."""

    sport: str
    start_s: float
    end_s: float
    at_s: float  # the decisive moment; the middle where nobody has said
    box: tuple[float, float, float, float] | None = None  # of who does it, then; shares

    def holds(self, time_s: float) -> bool:
        """Whether a moment lies within, or nearly."""
        return self.start_s - TOLERANCE_S <= time_s <= self.end_s + TOLERANCE_S

    def is_shown_by(self, time_s: float, x: float, y: float) -> bool:
        """Whether a moment and place, as shares of the picture, are this act's."""
        if not self.holds(time_s) or self.box is None:
            return self.holds(time_s)
        x0, y0, x1, y1 = self.box
        reach = _NEAR * (y1 - y0)
        return x0 - reach <= x <= x1 + reach and y0 - reach <= y <= y1 + reach


def built_in_truth(video: Path) -> list[TrueAct] | None:
    """Return the highlights of a built-in long session; None for any other video."""
    path = video.parent / "truth" / f"{video.stem}.json"
    if (read_object(path) or {}).get("format") != TRUTH_FORMAT:
        return None
    with reading(path, "a long session's truth") as content:
        size = [content["made_with"][side] for side in ("width", "height")] * 2
        return [
            TrueAct(
                row["class"], row["start_s"], row["end_s"], row["at_s"],
                tuple(s / whole for s, whole in zip(row["box_xyxy"], size, strict=True)),
            )
            for row in content["events"]
            if row["class"] != _NONE
        ]  # fmt: skip


def truth_of_people(video: Path, store: "LabelStore") -> list[TrueAct] | None:
    """Return the cuts of a video that people gave a sport to; None where there is none.

    Of several people's cuts of one act, the first counts.
    """
    from workbench.footage.video_info import content_digest

    table = read_packets(video)
    ratings: dict[str, list[int]] = {}
    for (_, item), entry in store.current("rating").items():
        if entry.value and entry.value.get("stars"):
            ratings.setdefault(item, []).append(entry.value["stars"])
    found: list[TrueAct] = []
    for (_, item), entry in store.current("cut", source_id=content_digest(video)).items():
        value = entry.value or {}
        stars = ratings.get(item) or ratings.get(value["name"]) or [_FEWEST_STARS]
        if value["sport"] in (None, _NONE) or max(stars) < _FEWEST_STARS:
            continue
        first, last = (
            float((table.pts_at(value[name]) - table.pts_at(0)) * table.time_base)
            for name in ("start_frame", "end_frame")
        )
        found.append(TrueAct(value["sport"], first, last, (first + last) / 2))
    return _once(found) or None


def _once(acts: Iterable[TrueAct]) -> list[TrueAct]:
    kept: list[TrueAct] = []
    for act in sorted(acts, key=lambda one: one.start_s):
        if not any(one.sport == act.sport and one.holds(act.at_s) for one in kept):
            kept.append(act)
    return kept
