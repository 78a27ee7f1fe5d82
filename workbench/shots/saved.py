"""Saving and loading the analysis of one shot as a JSON file, without loss.

The unit is one clip with one shot, `<clip id>.json`. Numbers are kept exactly; NaN is null, the
ball's track a table by columns. The file holds a key of everything that the analysis depends on:
with other labels, another video, other settings or other code it counts as absent. People's boxes
and masks stay in the label files. Why a shot could not be analysed is in a file of its own.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd

from workbench.detect.store import ClipDetections
from workbench.errors import WorkbenchError
from workbench.footage.clips import Clip
from workbench.saving import save_json
from workbench.shots.analysed import ShotAnalysis
from workbench.shots.ball.track import BallTrack
from workbench.shots.players.people import People
from workbench.shots.verdict import ShotError

SHOT_FORMAT = "workbench-shot/1"

_SAVED = tuple(f.name for f in fields(ShotAnalysis) if f.name not in ("clip", "people", "track"))
_WITHOUT_EFFECT = ("evaluation", "pictures")  # folders whose code changes no analysis


def analysis_key(
    clip: Clip, video_digest: str, labels: ClipDetections, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what an analysis depends on, as JSON values.

    Args:
        clip: The clip.
        video_digest: Of its video, see `footage.video_info`.
        labels: Its labels.
        settings: Everything else that was asked for.
    """
    told = hashlib.sha256(labels.found_by.encode())
    for found in labels.frames:
        told.update(repr(found).encode())
    return {
        "video": video_digest,
        "frames": [clip.frame_count, str(clip.fps), clip.width, clip.height, clip.fixed_camera],
        "labels": told.hexdigest(),
        "code": _code_digest(),
        **to_json(settings),
    }


def save_shot(path: Path, shot: ShotAnalysis, key: Any) -> None:
    """Write an analysis for `load_shot`, in one step."""
    clip = {"clip_id": shot.clip.clip_id, "session": shot.clip.session, "fps": str(shot.clip.fps)}
    row = {name: to_json(getattr(shot, name)) for name in _SAVED}
    ball = to_json(shot.track.to_table().to_dict("list"))
    content = {"format": SHOT_FORMAT, "key": key, "clip": clip, **row, "ball": ball}
    save_json(path, content, indent=None)


def save_failure(path: Path, error: WorkbenchError | None) -> None:
    """Write why a shot could not be analysed beside its file, `<clip id>.failed.json`.

    An analysis that is there already stays, say while a disk is away. None removes the record.
    """
    record = path.with_suffix(".failed.json")
    if error is None:
        record.unlink(missing_ok=True)
    else:
        save_json(record, {"format": SHOT_FORMAT, "failed": str(error)})


def load_shot(path: Path, clip: Clip, people: People, key: Any) -> ShotAnalysis | None:
    """Read an analysis; None where there is none with this key.

    Args:
        path: Its file.
        clip: The clip.
        people: Everybody in it, from the labels.
        key: From `analysis_key`.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != SHOT_FORMAT or content.get("key") != key:
            return None
        kinds = get_type_hints(ShotAnalysis)
        found = {name: from_json(kinds[name], content[name]) for name in _SAVED}
        track = BallTrack.from_table(pd.DataFrame(content["ball"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ShotError):
        return None
    return ShotAnalysis(clip=clip, people=people, track=track, **found)


def to_json(value: Any) -> Any:
    """Turn values, arrays and dataclasses into JSON values; what is not finite becomes null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return to_json(value.tolist())
    if isinstance(value, list | tuple):
        return [to_json(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def from_json(kind: Any, value: Any) -> Any:
    """Turn what `to_json` made of a value of this type into the value again."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        [kind] = [one for one in inner if one is not NoneType]
        return None if value is None else from_json(kind, value)
    if kind is float:
        return math.nan if value is None else float(value)
    if origin is np.ndarray:
        return np.array(value, dtype=get_args(inner[1])[0])
    if origin is tuple:
        kinds = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        return tuple(from_json(one, entry) for one, entry in zip(kinds, value, strict=True))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        name = int if inner[0] is int else str
        return {name(key): from_json(inner[1], entry) for key, entry in value.items()}
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{key: from_json(hints[key], entry) for key, entry in value.items()})
    assert kind in (Any, str, int, bool) or origin is Literal
    return value


@cache
def _code_digest() -> str:
    """Digest of the source files that compute an analysis."""
    digest = hashlib.sha256()
    for path in sorted(_sources(Path(__file__).parent)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources(room: Path) -> Iterator[Path]:
    for path in (*room.rglob("*.py"), *room.rglob("*.json")):
        if path.relative_to(room).parts[0] not in _WITHOUT_EFFECT:
            yield path
