"""The analysis of one shot: as a value, as a row of a table, and as a file without loss.

The unit is one clip with one shot, saved as `<clip id>.json`. Numbers are kept exactly; NaN is
null, the ball's track a table by columns. The file holds a key of everything that the analysis
depends on: with other labels, another video, other settings or other code it counts as absent.
People's boxes and masks stay in the label files.
"""

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import pandas as pd

from workbench.detect.detections import accepted
from workbench.detect.store import ClipDetections
from workbench.errors import DatasetError, WorkbenchError
from workbench.footage.clips import Clip
from workbench.footage.steadyview import SteadyView
from workbench.footage.timeline import Timeline
from workbench.labels.shotclicks import ShotClick
from workbench.saving import from_json, reading, save_json, to_json
from workbench.shots.ball.kicked import Kicked
from workbench.shots.ball.track import BallTrack
from workbench.shots.goal.corners import GoalView
from workbench.shots.players.people import People, follow_people
from workbench.shots.players.pose import PoseTrack
from workbench.shots.players.possession import Possession, Shooter
from workbench.shots.players.technique import Foot, TechniqueMeasure
from workbench.shots.verdict import Method, ShotVerdict
from workbench.shots.words import (
    by_hand_words,
    foot_words,
    goal_words,
    headline,
    reason_words,
    remedy_words,
    speed_words,
    sure_words,
)

SHOT_FORMAT = "workbench-shot/1"

_LEAST_SCORE = {"person": 0.3}  # of labels that count; the ball's path weighs its own scores
_WITHOUT_EFFECT = ("evaluation", "pictures")  # folders whose code changes no analysis


@dataclass(frozen=True, eq=False)
class ShotAnalysis:
    """One shot: who shot, with which foot, how fast, was it a goal, and the evidence for each.

    Frames are numbered as `timeline` does. The goal and the ball's track are in the steady view,
    people and poses in the frames themselves.
    """

    clip: Clip
    timeline: Timeline
    view: SteadyView
    labels: str  # who found people, ball and goal: a teacher, a student, or the truth
    goal: GoalView
    goal_wh_m: tuple[float, float]
    track: BallTrack
    people: People
    kicked: Kicked | None  # what speaks for the kick; None where nothing is like one
    possession: tuple[Possession, ...]  # frame by frame
    shooter: Shooter | None
    pose: PoseTrack | None  # the shooter around the contact
    foot: Foot | None
    technique: tuple[TechniqueMeasure, ...]
    verdicts: Mapping[Method, ShotVerdict]
    by_hand: ShotClick | None = None  # what a person corrected, which won

    @property
    def verdict(self) -> ShotVerdict:
        """The verdict that counts: that of the 3D fit."""
        return self.verdicts["3d"]

    @property
    def fps(self) -> float:
        """Pictures per second."""
        return self.timeline.fps

    @property
    def frame_count(self) -> int:
        """Number of pictures."""
        return len(self.timeline.frames)

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the picture in pixels."""
        return self.clip.width, self.clip.height

    @property
    def kick_frame(self) -> float | None:
        """When the ball was struck: told by a person, from the verdict, else from the touches."""
        if self.by_hand is not None and self.by_hand.kick_frame is not None:
            return float(self.timeline.picture(self.by_hand.kick_frame))
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
    """Return what was found, one row per shot, in words; columns without a word are left out."""
    rows = {
        shot.clip.clip_id: {
            "verdict": headline(shot.verdict),
            "because": reason_words(shot.verdict) + remedy_words(shot.verdict),
            "sure": sure_words(shot.verdict),
            "speed": speed_words(shot.verdict.speed_kmh, shot.verdict.speed_interval_kmh),
            "shooter": shot.shooter.player if shot.shooter is not None else "",
            "foot": foot_words(shot.foot),
            "goal": goal_words(shot.goal, briefly=True),
            "corrected": by_hand_words(shot.by_hand),
        }
        for shot in shots
    }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("clip")
    return table.loc[:, (table != "").any()]


_SAVED = tuple(f.name for f in fields(ShotAnalysis) if f.name not in ("clip", "people", "track"))


def analysis_key(
    clip: Clip, video_digest: str, labels: ClipDetections, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what an analysis depends on, as JSON values.

    `settings` is all else that was asked for; for the digest see `footage.video_info`.
    """
    told = hashlib.sha256(labels.found_by.encode())
    for found in (*labels.frames, *labels.candidates):
        told.update(repr(found).encode())
    return {
        "video": video_digest,
        "frames": [clip.frame_count, str(clip.fps), clip.width, clip.height, clip.camera],
        "labels": told.hexdigest(),
        "code": _code_digest(),
        **to_json(settings),
    }


def by_picture(labels: ClipDetections, timeline: Timeline) -> ClipDetections:
    """Return labels as the pictures of a clip are numbered, without unsure people.

    A picture without a frame has no labels.
    """
    found = [
        () if frame < 0 else accepted(labels.frames[frame], _LEAST_SCORE)
        for frame in timeline.frames
    ]
    balls = [
        labels.candidates[frame] if 0 <= frame < len(labels.candidates) else ()
        for frame in timeline.frames
        if labels.candidates
    ]
    return replace(labels, frames=found, candidates=balls, unseen=frozenset(), checked=frozenset())


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


def load_shot(path: Path, clip: Clip, labels: ClipDetections, key: Any) -> ShotAnalysis | None:
    """Read the analysis of labels; None where there is none with this key, from `analysis_key`."""
    with suppress(DatasetError), reading(path) as content:
        if content["format"] != SHOT_FORMAT or content.get("key") != key:
            return None
        kinds = get_type_hints(ShotAnalysis)
        found = {name: from_json(kinds[name], content[name]) for name in _SAVED}
        track = BallTrack.from_table(pd.DataFrame(content["ball"]))
        timeline = found["timeline"]
        people = follow_people(by_picture(labels, timeline), timeline.fps)
        return ShotAnalysis(clip=clip, people=people, track=track, **found)
    return None


@cache
def _code_digest() -> str:
    """Digest of the source files that compute an analysis."""
    digest, room = hashlib.sha256(), Path(__file__).parent
    for path in sorted((*room.rglob("*.py"), *room.rglob("*.json"))):
        if path.relative_to(room).parts[0] not in _WITHOUT_EFFECT:
            digest.update(path.read_bytes())
    return digest.hexdigest()
