"""An inventory of a clip list: files that differ from their row, and what is odd about them.

The unit is one clip's file, looked at without decoding it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.errors import FootageError
from workbench.footage.clips import Clip
from workbench.footage.video_info import VideoInfo, probe


@dataclass(frozen=True)
class Inventory:
    """The clips with what is odd about their files."""

    clips: tuple[Clip, ...]
    clip_to_oddities: dict[str, tuple[str, ...]]  # in words; only clips that have some
    video_to_oddities: dict[str, tuple[str, ...]]  # of the videos the clips were cut from

    @property
    def duration_s(self) -> float:
        """Length of all clips together."""
        return sum(clip.duration_s for clip in self.clips)

    def answer(self, unreadable: int = 0) -> str:
        """Say whether the footage is sound, in a sentence that begins with yes or no.

        Args:
            unreadable: Files that could not be taken in.
        """
        sessions = len({clip.session for clip in self.clips})
        what = f"{len(self.clips)} clips of {sessions} sessions, {self.duration_s / 60:.1f} minutes"
        odd = len(self.clip_to_oddities) + len(self.video_to_oddities)
        oddly = f"{odd} of the files are odd" if odd else "none of them odd"
        if unreadable:
            return f"No: {unreadable} files could not be read; there are {what}, {oddly}."
        return f"Yes: {what}, every file could be read, {oddly}."

    def to_frame(self) -> pd.DataFrame:
        """One row per session: clips of each sport, size, frame rate, seconds, odd clips."""
        rows = [
            {
                "session": clip.session,
                "venue": clip.venue or "–",
                "camera": "fixed" if clip.fixed_camera else "moving",
                "size": f"{clip.width}×{clip.height}",
                "fps": round(float(clip.fps), 2),
                "clips": 1,
                "seconds": clip.duration_s,
                **{sport: clip.sport == sport for sport in self._sports()},
                "odd": clip.clip_id in self.clip_to_oddities,
            }
            for clip in self.clips
        ]
        sums = {"clips": "sum", "seconds": "sum", "odd": "sum"}
        sums |= dict.fromkeys(self._sports(), "sum")
        table = pd.DataFrame(rows).groupby("session")
        same = table[["venue", "camera", "size", "fps"]].agg(_common)
        return same.join(table.agg(sums).round(1))

    def oddities_frame(self) -> pd.DataFrame:
        """One row per oddity, videos before the clips cut from them."""
        rows = [
            {"file": name, "oddity": oddity}
            for found in (self.video_to_oddities, self.clip_to_oddities)
            for name, oddities in found.items()
            for oddity in oddities
        ]
        return pd.DataFrame(rows, columns=["file", "oddity"])

    def _sports(self) -> list[str]:
        return sorted({clip.sport for clip in self.clips if clip.sport is not None})


def take_stock(clips: Sequence[Clip], folder: Path, videos: Sequence[VideoInfo] = ()) -> Inventory:
    """Look at every clip's file and compare it with the list.

    Args:
        clips: The list.
        folder: Of its `clips.json`.
        videos: What the clips were cut from, where that is known.
    """
    found = {clip.clip_id: _oddities(clip, folder) for clip in clips}
    return Inventory(
        clips=tuple(clips),
        clip_to_oddities={clip_id: odd for clip_id, odd in found.items() if odd},
        video_to_oddities={info.path.name: info.oddities for info in videos if info.oddities},
    )


def _oddities(clip: Clip, folder: Path) -> tuple[str, ...]:
    try:
        info = probe(folder / clip.file)
    except FootageError as error:
        return (str(error),)
    odd = list(info.oddities)
    if info.frame_count != clip.frame_count:
        odd.append(f"holds {info.frame_count} frames, the list says {clip.frame_count}")
    if info.size_wh != (clip.width, clip.height):
        odd.append(f"is {info.width}×{info.height}, the list says {clip.width}×{clip.height}")
    return tuple(odd)


def _common(values: "pd.Series[Any]") -> Any:
    """The one value there is, or that there are several."""
    return values.iloc[0] if values.nunique() == 1 else "mixed"
