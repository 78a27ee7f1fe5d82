"""What was found out about one shot: everything between a clip's labels and its pictures.

The unit is one clip with one shot. A value only: `analyse` fills it, `overlay`, `figures` and
`page` show it, `evaluation` judges it. Saved as JSON (`shots.json`) for whoever comes next;
masks stay in the label files.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.footage.clips import Clip
from workbench.saving import save_json
from workbench.shots.goal.corners import GoalView
from workbench.shots.players.foot import Foot
from workbench.shots.players.pose import PoseTrack
from workbench.shots.players.possession import People, Shooter
from workbench.shots.players.technique import Measure
from workbench.shots.verdict import Method, ShotVerdict
from workbench.shots.words import foot_words, headline, reason_words, speed_words, sure_words

SHOTS_FORMAT = "workbench-shots/1"


@dataclass(frozen=True, eq=False)
class ShotAnalysis:
    """One shot: who, which foot, how fast, did it go in, and on what that rests."""

    clip: Clip
    labels: str  # who found people, ball and goal: a teacher, a student, or the truth
    goal: GoalView
    goal_wh_m: tuple[float, float]
    track: pd.DataFrame  # the ball as seen, see `ball.track.TRACK_COLUMNS`
    people: People
    possession: pd.DataFrame  # frame, player
    shooter: Shooter | None
    pose: PoseTrack | None  # the shooter around the contact
    foot: Foot | None
    technique: tuple[Measure, ...]
    verdicts: Mapping[Method, ShotVerdict]
    method: Method  # the verdict that counts

    @property
    def verdict(self) -> ShotVerdict:
        """The verdict that counts."""
        return self.verdicts[self.method]

    @property
    def fps(self) -> float:
        """Frames per second."""
        return float(self.clip.fps)

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the picture in pixels."""
        return self.clip.width, self.clip.height

    @property
    def kick_frame(self) -> float | None:
        """When the ball was struck: as the verdict has it, else as the players' touches have it."""
        kicks = [event.frame for event in self.verdict.events if event.kind == "kick"]
        if kicks:
            return kicks[0]
        return self.shooter.contact_frame if self.shooter else None

    @property
    def arrival_frame(self) -> float | None:
        """When the ball's flight towards the goal ended; None where nobody knows."""
        kick = self.kick_frame
        ends = ("line", "net", "post", "save", "deflection")
        after = [
            event.frame
            for event in self.verdict.events
            if event.kind in ends and (kick is None or event.frame > kick)
        ]
        return min(after) if after else None


def shots_table(shots: Iterable[ShotAnalysis]) -> pd.DataFrame:
    """Return what was found, one row per shot, in words."""
    rows = {
        shot.clip.clip_id: {
            "verdict": headline(shot.verdict),
            "sure": sure_words(shot.verdict),
            "speed": speed_words(shot.verdict.speed_kmh, shot.verdict.speed_interval_kmh),
            "shooter": shot.shooter.player if shot.shooter is not None else "",
            "foot": foot_words(shot.foot),
            "2D rules": headline(shot.verdicts["2d"]),
            "because": reason_words(shot.verdict),
        }
        for shot in shots
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("clip")


def save_shots(path: Path, shots: Iterable[ShotAnalysis]) -> Path:
    """Write the analyses as JSON: verdicts, shooter, foot, technique, ball track, no masks.

    Example:
        >>> json.loads(save_shots(Path("shots.json"), shots).read_text())["format"]
        ... # doctest: +SKIP
        'workbench-shots/1'
    """
    save_json(path, {"format": SHOTS_FORMAT, "shots": [shot_row(shot) for shot in shots]})
    return path


def shot_row(shot: ShotAnalysis) -> dict[str, Any]:
    """Return one analysis as JSON values; numbers keep a thousandth of their unit."""
    row: dict[str, Any] = {
        "clip_id": shot.clip.clip_id,
        "session": shot.clip.session,
        "labels": shot.labels,
        "fps": str(shot.clip.fps),
        "image_wh": shot.size_wh,
        "goal_wh_m": shot.goal_wh_m,
        "goal": shot.goal,
        "kick_frame": shot.kick_frame,
        "shooter": shot.shooter,
        "foot": shot.foot,
        "pose": None
        if shot.pose is None
        else {
            "method": shot.pose.method,
            "frames": sorted(shot.pose.poses),
            "asked": shot.pose.asked,
            "note": shot.pose.note,
        },
        "technique": shot.technique,
        "method": shot.method,
        "verdicts": dict(shot.verdicts),
        "possession": shot.possession.dropna(subset=["player"]).to_dict("records"),
        "ball": {name: column.tolist() for name, column in shot.track.items()},
    }
    plain: dict[str, Any] = _as_json(row)
    return plain


def _as_json(value: Any) -> Any:
    """Turn values, arrays and dataclasses into JSON values; what is not finite becomes null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _as_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _as_json(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray):
        return _as_json(value.tolist())
    if isinstance(value, list | tuple):
        return [_as_json(entry) for entry in value]
    if isinstance(value, np.generic):
        return _as_json(value.item())
    if isinstance(value, float):
        return round(value, 3) if math.isfinite(value) else None
    return None if value is pd.NA else value
