"""An inventory of a clip list: what is odd about its files, and contact sheets of what they show.

The unit is one clip. The inventory reads its file without decoding; a sheet shows a row of evenly
spread frames, beside the caption that it is given.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from workbench.errors import FootageError
from workbench.footage.clips import Clip, video_name
from workbench.footage.frames import sample_frames, uniform_indices
from workbench.footage.video_info import VideoInfo, probe
from workbench.style import draw_sheet

_ROW_PX = 108  # height of the frames on a sheet


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
        """Say whether the footage is sound; `unreadable` files could not be taken in at all."""
        sessions = len({clip.session for clip in self.clips})
        what = f"{_counted(len(self.clips), 'clip')} of {_counted(sessions, 'session')}"
        what += f", {self.duration_s / 60:.1f} minutes"
        odd = len(self.clip_to_oddities) + len(self.video_to_oddities)
        oddly = f"odd files: {odd}" if odd else "none of them odd"
        if unreadable:
            return (
                f"No: files that could not be read whole: {unreadable}; there are {what}, {oddly}."
            )
        return f"Yes: {what}, every file could be read, {oddly}."

    def to_frame(self) -> pd.DataFrame:
        """One row per session: clips of each sport, size, frame rate, seconds, odd clips."""
        sports = sorted({clip.sport for clip in self.clips if clip.sport is not None})
        rows = [
            {
                "session": clip.session,
                "venue": clip.venue or "–",
                "camera": clip.camera,
                "size": f"{clip.width}×{clip.height}",
                "fps": round(float(clip.fps), 2),
                "clips": 1,
                "seconds": clip.duration_s,
                **{sport: clip.sport == sport for sport in sports},
                "odd": clip.clip_id in self.clip_to_oddities,
            }
            for clip in self.clips
        ]
        sums = dict.fromkeys(("clips", "seconds", "odd", *sports), "sum")
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


def take_stock(clips: Sequence[Clip], folder: Path, videos: Sequence[VideoInfo] = ()) -> Inventory:
    """Compare every clip's file below `folder` with the list; `videos` are what it was cut from."""
    found = {clip.clip_id: _oddities(clip, folder) for clip in clips}
    base = os.path.commonpath([info.path.absolute().parent for info in videos]) if videos else ""
    return Inventory(
        clips=tuple(clips),
        clip_to_oddities={clip_id: odd for clip_id, odd in found.items() if odd},
        video_to_oddities={_below(base, info): info.oddities for info in videos if info.oddities},
    )


def draw_contact_sheet(
    clips: Sequence[Clip],
    folder: Path,
    captions: Sequence[str] | None = None,
    ax: Axes | None = None,
    *,
    frames: int = 6,
    title: str = "What does the footage look like?",
) -> Axes:
    """Draw evenly spread frames, one row per clip, captioned by its id and sport by default."""
    if captions is None:
        captions = [f"{clip.clip_id}\n{clip.sport or ''}".rstrip() for clip in clips]
    rows = []
    for clip in clips:
        size_wh = max(1, round(clip.width * _ROW_PX / clip.height)), _ROW_PX
        chosen = uniform_indices(clip.frame_count, min(frames, clip.frame_count))
        rows.append(list(sample_frames(folder / clip.file, chosen, size_wh)))
    return draw_sheet(rows, captions, title, ax)


def one_per_group(clips: Sequence[Clip], keys: Sequence[str], most: int = 12) -> list[Clip]:
    """The first clip of each group, in order; of more than `most` groups, evenly spread ones."""
    first = {key: clip for clip, key in zip(reversed(clips), reversed(keys), strict=True)}
    chosen = [first[key] for key in dict.fromkeys(keys)]
    places = np.unique(np.linspace(0, len(chosen) - 1, min(most, len(chosen))).round().astype(int))
    return [chosen[place] for place in places]


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


def _below(base: str, info: VideoInfo) -> str:
    return video_name(os.path.relpath(info.path.absolute(), base))


def _common(values: "pd.Series[Any]") -> Any:
    """The one value there is, or that there are several."""
    return values.iloc[0] if values.nunique() == 1 else "mixed"


def _counted(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"
