"""The clip list: one row per clip, saved as `clips.json` beside the clip files; its origin.

A clip is a video file of its own plus the row that says where it came from. Frame and time
intervals are half-open, [start, end). Knows nothing about pixels: `frames` and `cut` do that.

What videos and clips are called is decided here, for all that make, label, import and export them:
a video's name is its path below the footage folder (`video_name`); the id that labels carry is the
clip's in `clips.json`, else the name without `.mp4` (`label_ids`); a name that somebody else wrote
is looked up (`resolve_names`). Names that are the same are refused by name.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args, get_type_hints

from workbench.errors import FootageError
from workbench.saving import read_object, reading, save_json

CLIPS_FORMAT = "workbench-clips/1"
LEFT_OUT = "left_out.json"  # beside it: files and frames that are in no clip, and why
Camera = Literal["fixed", "steadied", "unsteady"]
LONGEST_NAME_BYTES = 120  # of a clip's file name without number and suffix; 255 are the system's
VIDEO_SUFFIXES = frozenset(
    {
        *(".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".insv", ".m2t", ".m2ts"),
        *(".m2v", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".ogm"),
        *(".ogv", ".qt", ".ts", ".vob", ".webm", ".wmv"),
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
    camera: str = "unsteady"  # a `Camera`, as `steady.steadiness` judges it
    camera_reason: str = "Nobody has looked at this camera."  # or what is known; a sentence
    steady_error_px: float | None = None  # of nine of ten frames at most, where it can be steadied
    truth: str | None = None  # per-frame truth (COCO JSON), where it is known

    @property
    def frame_count(self) -> int:
        """Number of frames in the clip."""
        return self.end_frame - self.start_frame

    @property
    def reference_frame(self) -> int:
        """The frame in whose view the clip is steadied: the middle one."""
        return self.frame_count // 2

    @property
    def is_steadiable(self) -> bool:
        """Whether what a fixed camera needs can be had, by registering frames or without."""
        return self.camera != "unsteady"

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
    rows = _with_own_ids(sorted(clips, key=lambda clip: clip.clip_id))
    path = folder / "clips.json"
    save_json(path, {"format": CLIPS_FORMAT, "clips": [_to_row(clip) for clip in rows]})
    return path


def load_clips(folder: Path) -> list[Clip]:
    """Read `folder/clips.json`.

    Raises:
        FootageError: If the file is absent, is not JSON, has a row that is not a clip, or one id
            twice.
    """
    path = folder / "clips.json"
    first = "run the stage make_footage first"
    with reading(path, "a clip list", "make it anew", FootageError, absent=first) as content:
        rows = enumerate(content["clips"])
        return _with_own_ids([_from_row(row, f"clip {number}") for number, row in rows])


def load_left_out(folder: Path) -> dict[str, str]:
    """Read what of the footage is in no clip, and why; empty for built-in footage."""
    return {str(what): str(why) for what, why in (read_object(folder / LEFT_OUT) or {}).items()}


def video_name(path: str) -> str:
    r"""Return what a video is called, given its path below the footage folder as anybody wrote it.

    One name for one file whoever writes it: `/` between folders, letters composed (NFC), control
    characters and bytes that are no UTF-8 as `%0A` and `%E9`. The suffix is part of it.

    Example:
        >>> video_name("cam1\\shot.mov")
        'cam1/shot.mov'
    """
    text = re.sub(
        "[\x00-\x1f\x7f-\x9f\udc80-\udcff]", lambda odd: f"%{ord(odd[0]) & 0xFF:02X}", path
    )
    return unicodedata.normalize("NFC", str(PurePosixPath(text.replace("\\", "/"))))


def label_id(video: str) -> str:
    """Return the id that labels of a video carry which no `clips.json` lists: no file moves it."""
    return video_name(video_name(video).removesuffix(".mp4").strip())


def label_ids(folder: Path, videos: Iterable[str]) -> dict[str, str]:
    """Return the id that the labels of each video of a folder carry, by the video's name.

    Raises:
        FootageError: If there is a `clips.json` that cannot be read, or two videos share an id.
    """
    clips = load_clips(folder) if (folder / "clips.json").is_file() else []
    listed = {video_name(clip.file): clip.clip_id for clip in clips}
    found = {video: listed.get(video) or label_id(video) for video in videos}
    id_to_video: dict[str, str] = {}
    for video, item in found.items():
        other = id_to_video.setdefault(item, video)
        if found.get(item, item) != item:  # the id is another video's name
            other = item
        if other != video:
            raise FootageError(
                f"{other} and {video} in {folder} share the label id {item!r}",
                "rename one of them",
            )
    return found


def resolve_names(names: Iterable[str], videos: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Find the ids that names in a file of somebody else mean; names that match none are left out.

    A name is an id, or a video's path with or without suffix, in full or from any folder on: of
    `cam1/clip.mp4`, `clip` says as much as `/data/cam1/clip.mp4`, where nothing else is called so.

    Args:
        names: As they are written.
        videos: Name and id of every video that may be meant.

    Raises:
        FootageError: If a name may be several.

    Example:
        >>> resolve_names(["clip.mp4", "cam2/clip.mp4"], [("cam1/clip.mp4", "cam1/clip")])
        {'clip.mp4': 'cam1/clip'}
    """
    # From the surest meaning to the least sure.
    ids, whole, ends = (defaultdict[str, set[str]](set) for _ in range(3))
    id_to_video = {}
    for video, item in videos:
        id_to_video[item] = video
        ids[video_name(item)].add(item)
        for path in (video, re.sub(r"\.[^./]+$", "", video), video_name(item)):
            whole[path].add(item)
            for end in _ends(path):
                ends[end].add(item)
    found = {}
    for name in names:
        path = video_name(name)
        asked = [(table, key) for key in (path, label_id(name)) for table in (ids, whole)]
        asked += [(whole, end) for end in (*_ends(path), *_ends(label_id(name)))]
        asked += [(ends, path), (ends, label_id(name))]
        meant = next((table[key] for table, key in asked if key in table), set())
        if len(meant) > 1:
            listed = " or ".join(f"{id_to_video[item]} ({item})" for item in sorted(meant)[:2])
            raise FootageError(
                f"{name!r} may be {listed}", "write its path below the footage folder"
            )
        if meant:
            found[name] = next(iter(meant))
    return found


def distinct_names(files: Iterable[str], given: Mapping[str, str] | None = None) -> dict[str, str]:
    """A name for each file that is fit for file names, tells where it lies, and is its own.

    It does not depend on the order of files, nor on other files but those that would be called the
    same: `shot.mov` is `shot-mov` whether or not there is a `shot.mp4`, which is `shot`.

    Args:
        files: Paths below one folder, with forward slashes.
        given: The names that files were given before, which they keep.

    Example:
        >>> distinct_names(["saturday/1st half.mp4"])
        {'saturday/1st half.mp4': 'saturday_1st-half'}
    """
    given = given or {}
    names = {
        file: re.sub(r"[^\w-]+", "-", label_id(file).replace("/", "_")).strip("-")
        for file in files
        if file not in given
    }
    # Some file systems do not tell cases apart.
    taken = Counter(name.casefold() for name in (*names.values(), *given.values()))
    for file, name in names.items():
        if not name or taken[name.casefold()] > 1 or len(name.encode()) > LONGEST_NAME_BYTES:
            short = name.encode()[:LONGEST_NAME_BYTES].decode(errors="ignore")
            digest = sha256(file.encode(errors="surrogateescape")).hexdigest()[:6]
            names[file] = f"{short}-{digest}"
    return {**names, **given}


def _ends(path: str) -> list[str]:
    """The path from its second folder on, from its third, and so on to the bare name."""
    parts = path.split("/")
    return ["/".join(parts[first:]) for first in range(1, len(parts))]


def _with_own_ids(clips: list[Clip]) -> list[Clip]:
    for what in ("clip_id", "file"):
        counts = Counter(video_name(getattr(clip, what)) for clip in clips)
        repeated = [name for name, count in counts.items() if count > 1]
        if repeated:
            raise FootageError(f"{what} {repeated[0]!r} is used twice", "give every clip its own")
    return clips


def _to_row(clip: Clip) -> dict[str, Any]:
    row = asdict(clip)
    row["time_base"], row["fps"] = str(clip.time_base), str(clip.fps)
    return row


def read_fraction(value: Any) -> Fraction:
    """Return a positive number from JSON, such as `"30000/1001"` or 25.

    Raises:
        ValueError: If it is none.
    """
    # An exponent could ask for a billion digits.
    if not re.fullmatch(r"\d{1,15}(\.\d{1,25}|/\d{1,15})?", str(value)) or not (
        number := Fraction(str(value))
    ):
        raise ValueError(f"{value!r} is no positive fraction")
    return number


def _from_row(row: dict[str, Any], where: str) -> Clip:
    try:
        values = {name: value for name, value in row.items() if name in _FIELD_TO_TYPE}
        for name in ("time_base", "fps"):
            values[name] = read_fraction(values[name])
        if row.get("fixed_camera") is True:  # as lists once said it
            values = {"camera": "fixed", **values}
        for name, value in values.items():
            if not isinstance(value, _FIELD_TO_TYPE[name]) or isinstance(value, bool):
                raise ValueError(f"{name} is {value!r}")
        clip = Clip(**values)
        if clip.camera not in get_args(Camera):
            raise ValueError(f"camera is {clip.camera!r}")
        if not (0 <= clip.start_frame < clip.end_frame and min(clip.width, clip.height) > 0):
            raise ValueError("it has no frames or no size")
        return clip
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise FootageError(f"{where} is not a clip row ({error})", "make the list anew") from None


_FIELD_TO_TYPE = get_type_hints(Clip)
