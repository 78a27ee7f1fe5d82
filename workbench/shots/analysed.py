"""The analysis of one shot as a value: everything between a clip's labels and its pictures.

The unit is one clip with one shot. A value only: `analyse` fills it, `saved` keeps it, `overlay`,
`figures` and `page` show it, `evaluation` judges it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from workbench.footage.clips import Clip
from workbench.shots.ball.track import BallTrack
from workbench.shots.goal.corners import GoalView
from workbench.shots.players.foot import Foot
from workbench.shots.players.people import People
from workbench.shots.players.pose import PoseTrack
from workbench.shots.players.possession import Possession, Shooter
from workbench.shots.players.technique import TechniqueMeasure
from workbench.shots.verdict import Method, ShotVerdict
from workbench.shots.words import foot_words, headline, reason_words, speed_words, sure_words


@dataclass(frozen=True, eq=False)
class ShotAnalysis:
    """One shot: who shot, with which foot, how fast, was it a goal, and the evidence for each."""

    clip: Clip
    labels: str  # who found people, ball and goal: a teacher, a student, or the truth
    goal: GoalView
    goal_wh_m: tuple[float, float]
    track: BallTrack
    people: People
    possession: tuple[Possession, ...]  # frame by frame
    shooter: Shooter | None
    pose: PoseTrack | None  # the shooter around the contact
    foot: Foot | None
    technique: tuple[TechniqueMeasure, ...]
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
        """When the ball was struck: from the verdict, else from the players' touches."""
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
