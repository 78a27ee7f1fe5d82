"""The clip list: one row per clip, saved as `clips.json` beside the clip files; its origin.

A clip is a video file of its own plus the row that says where it came from. Frame and time
intervals are half-open, [start, end). Knows nothing about pixels: `frames` and `cut` do that.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any

from workbench.errors import FootageError
from workbench.saving import reading, save_json

CLIPS_FORMAT = "workbench-clips/1"
VIDEO_SUFFIXES = frozenset(
    {
        *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg"),
        *(".mts", ".mxf", ".ogv", ".ts", ".webm", ".wmv"),
    }
)


@dataclass(frozen=True)
class Clip:
    """One row of the clip list.

    `file`, `source` and `truth` are relative to the folder of `clips.json` where they lie below it.
    """

    clip_id: str
    file: str  # the clip's own video
    source: str  # the video it was cut from; itself where the clip is the whole video
    session: str  # one place, one camera set-up, one outing: the unit that splits keep whole
    start_frame: int  # in the source, presentation order
    end_frame: int  # exclusive
    start_pts: int  # in units of time_base
    end_pts: int  # exclusive: the PTS at which the frame after the clip would be shown
    time_base: Fraction  # seconds per PTS unit of the source
    fps: Fraction  # mean frames per second of the clip
    width: int  # as shown, after rotation
    height: int
    sport: str | None = None  # baseball, basketball, soccer, none; None where nobody has said
    split: str | None = None  # train, valid, test; None until a dataset decides
    venue: str | None = None
    fixed_camera: bool = False  # on a tripod: what a background model needs
    truth: str | None = None  # per-frame truth (COCO JSON), where it is known

    @property
    def frame_count(self) -> int:
        """Number of frames in the clip."""
        return self.end_frame - self.start_frame

    @property
    def duration_s(self) -> float:
        """Length in seconds, from the source's time stamps."""
        return float((self.end_pts - self.start_pts) * self.time_base)


@dataclass(frozen=True)
class Origin:
    """The provenance of a set of clips."""

    source: str
    licence: str
    caveat: str | None = None  # the first line of every report on it

    def _repr_html_(self) -> str:
        return f"<p class=caveat><strong>{(self.caveat or self.source).capitalize()}.</strong></p>"

    def __repr__(self) -> str:
        return f"{(self.caveat or self.source).capitalize()}."


BUILT_IN_FOOTAGE = Origin(
    source="built-in footage, rendered",
    licence="Apache-2.0",
    caveat="rendered footage: proves the machinery, says nothing about real footage",
)
OWN_FOOTAGE = Origin(source="your own footage", licence="yours")


def origin_of(clips: Iterable[Clip]) -> Origin:
    """Tell the origin of clips: only built-in footage comes with its truth."""
    return BUILT_IN_FOOTAGE if any(clip.truth is not None for clip in clips) else OWN_FOOTAGE


def save_clips(folder: Path, clips: Iterable[Clip]) -> Path:
    """Write `folder/clips.json`, sorted by clip id, and return its path.

    Raises:
        FootageError: If two clips share an id.
    """
    rows = sorted(clips, key=lambda clip: clip.clip_id)
    repeated = [name for name, n in Counter(clip.clip_id for clip in rows).items() if n > 1]
    if repeated:
        raise FootageError(f"clip id {repeated[0]!r} is used twice", "give every clip its own id")
    path = folder / "clips.json"
    save_json(path, {"format": CLIPS_FORMAT, "clips": [_to_row(clip) for clip in rows]})
    return path


def load_clips(folder: Path) -> list[Clip]:
    """Read `folder/clips.json`.

    Raises:
        FootageError: If the file is absent, is not JSON, or has a row that is not a clip.
    """
    path = folder / "clips.json"
    first = "run the stage make_footage first"
    with reading(path, "a clip list", "make it anew", FootageError, absent=first) as content:
        return [_from_row(row, f"clip {number}") for number, row in enumerate(content["clips"])]


def distinct_names(files: Iterable[str]) -> dict[str, str]:
    """A name for each file that is fit for file names, tells where it lies, and is its own.

    Args:
        files: Paths below one folder, with forward slashes.

    Example:
        >>> distinct_names(["saturday/1st half.mp4"])
        {'saturday/1st half.mp4': 'saturday_1st-half'}
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for file in files:
        name = re.sub(r"[^\w-]+", "-", file.rpartition(".")[0].replace("/", "_")).strip("-")
        if not name or name.casefold() in taken:  # some file systems do not tell cases apart
            name = f"{name}-{sha256(file.encode()).hexdigest()[:6]}"
        taken.add(name.casefold())
        names[file] = name
    return names


def _to_row(clip: Clip) -> dict[str, Any]:
    row = asdict(clip)
    row["time_base"], row["fps"] = str(clip.time_base), str(clip.fps)
    return row


def _from_row(row: dict[str, Any], where: str) -> Clip:
    known = {field.name for field in fields(Clip)}
    try:
        values = {name: value for name, value in row.items() if name in known}
        values["time_base"], values["fps"] = Fraction(row["time_base"]), Fraction(row["fps"])
        return Clip(**values)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise FootageError(f"{where} is not a clip row ({error})", "make the list anew") from None
