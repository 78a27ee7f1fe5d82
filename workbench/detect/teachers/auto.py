"""The teacher `auto`: the best eyes there are for each clip, joined.

People come from a pretrained detector (`coco`) where its weights are there or can be had. The ball
is looked for by the detector, and on a steady picture by the ball network and the motion teacher,
too: one search for a path over the candidates of all of them, with scores that mean the same. Goals
come from the motion teacher. Without a detector, steady pictures are labelled by the motion teacher
and the ball network. What runs, and why, is said in `about`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from workbench.detect.ballchoice import Candidate
from workbench.detect.balljoin import (
    BALLNET,
    BLOBS,
    COCO,
    MOTION,
    as_candidates,
    as_detections,
    choose_ball,
    join_finds,
)
from workbench.detect.ballnet.stored import BESIDE
from workbench.detect.ballnet.teacher import BallNetTeacher
from workbench.detect.detections import BALL, GOAL, PERSON, Detection, FrameDetections
from workbench.detect.detectors import named_detector
from workbench.detect.motion.teacher import MotionTeacher
from workbench.detect.teacher import Past, Seen, Teacher
from workbench.detect.teachers.coco import CocoTeacher, follow
from workbench.footage.clips import Clip
from workbench.footage.video_info import probe
from workbench.training.weights import WeightsError

_METHOD = 2  # raise when the same settings would give other labels
_GOAL_ID, _BALL_ID = 1, 2  # as the motion teacher's; people are counted on from there
_LEAST_BALL = 0.1  # score below which a chosen ball is not labelled


class JoinedTeacher(Teacher):
    """A detector's people, and the ball that several finders see.

    Args:
        coco: Whose people are taken.
        ballnet: Another finder of balls, or None.
        motion: Another finder of balls, and of goals, or None; needs a steady picture.
    """

    def __init__(
        self, coco: CocoTeacher, ballnet: BallNetTeacher | None, motion: MotionTeacher | None
    ) -> None:
        self._coco, self._ballnet, self._motion = coco, ballnet, motion
        self.window_frames = coco.window_frames
        self.needs_fixed_camera = motion is not None
        members: list[Teacher] = [one for one in (coco, ballnet, motion) if one is not None]
        self.name = " with ".join(one.name for one in members)
        self.settings = {"method": _METHOD, **{one.name: dict(one.settings) for one in members}}

    def label_window(
        self, path: Path, window: range, past: Past, same_view: Sequence[Path] = ()
    ) -> Iterator[FrameDetections]:
        """Yield people, ball and goal of every frame of one window."""
        return (seen.found for seen in self.look_window(path, window, past, same_view))

    def look_window(
        self, path: Path, window: range, past: Past, same_view: Sequence[Path] = ()
    ) -> Iterator[Seen]:
        """Yield people, ball and goal of every frame of one window, and the ball's candidates."""
        seen = list(self._coco.look(path, window))
        moving = [Seen(())] * len(window)
        if self._motion is not None:
            moving = list(self._motion.look_window(path, window, past, same_view))
        finds = {
            COCO: [as_candidates(found) for found in seen],
            MOTION: [as_candidates(one.found) for one in moving],
        }
        if self._ballnet is not None:
            finds[BALLNET] = self._ballnet.candidates(path, window)
        chosen = choose_ball(finds, probe(path).width)
        finds[BLOBS] = [as_candidates(one.candidates) for one in moving]
        all_balls = as_detections(join_finds(finds), self.name)
        before = Past(tuple(_only(found, PERSON) for found in past.frames), past.next_id)
        if before.next_id <= _BALL_ID:
            before = replace(before, next_id=_BALL_ID + 1)
        people = follow(path, (_only(found, PERSON) for found in seen), before)
        for place, (persons, ball) in enumerate(zip(people, chosen, strict=True)):
            goal = _only(moving[place].found, GOAL)
            yield Seen((*persons, *_as_detection(ball), *goal), all_balls[place])


class AutoTeacher(Teacher):
    """Whatever can be had for each clip, joined.

    Args:
        detector: As the teacher `coco` takes it. Not given, and not named in WORKBENCH_DETECTOR,
            one that cannot be had is done without.
        coco: Further options of the teacher `coco`.
        motion: Options of the motion teacher.

    Raises:
        WeightsError: If a detector that was named cannot be had.
    """

    name = "auto"

    def __init__(
        self,
        detector: str | None = None,
        coco: Mapping[str, Any] | None = None,
        motion: Mapping[str, Any] | None = None,
    ) -> None:
        self._motion = MotionTeacher(**(motion or {}))
        self._ballnet = BallNetTeacher(weights=str(BESIDE))
        self._coco, self._missing = None, ""
        try:
            self._coco = CocoTeacher(detector or named_detector(), **(coco or {}))
        except WeightsError as error:
            if detector or named_detector():
                raise
            self._missing = str(error)
        self.window_frames = self._motion.window_frames
        self.needs_fixed_camera = self._coco is None

    def for_clip(self, clip: Clip) -> Teacher:
        """Every finder where the picture is steady; else the detector alone."""
        if self._coco is None:
            return BallNetTeacher(beside=self._motion)
        if clip.is_steadiable:
            return JoinedTeacher(self._coco, self._ballnet, self._motion)
        return JoinedTeacher(self._coco, None, None)

    def to_search(self, clip: Clip) -> Teacher:
        """Without the motion teacher, which takes as long as the others together."""
        if self._coco is None:
            return self.for_clip(clip)
        return JoinedTeacher(self._coco, self._ballnet, None)

    def about(self, clips: Sequence[Clip]) -> str:
        """Which finders ran on how many clips, and why."""
        steady = sum(clip.is_steadiable for clip in clips)
        if self._coco is None:
            return (
                f"No detector ({self._missing}): the motion teacher and the ball network labelled "
                f"{steady} of {len(clips)} clips, those with a steady picture."
            )
        return (
            f"People and balls by the detector {self._coco.detector.name}; in the {steady} of "
            f"{len(clips)} clips with a steady picture the ball network and the motion teacher "
            "looked for the ball, too."
        )

    def label_window(
        self, path: Path, window: range, past: Past, same_view: Sequence[Path] = ()
    ) -> Iterator[FrameDetections]:
        """Yield what the detector sees, or the motion teacher where there is none.

        Of a file alone nobody knows whether its picture is steady; `for_clip` does.
        """
        return self._anywhere().label_window(path, window, past, same_view)

    def look_window(
        self, path: Path, window: range, past: Past, same_view: Sequence[Path] = ()
    ) -> Iterator[Seen]:
        """Yield the same with the ball's candidates."""
        return self._anywhere().look_window(path, window, past, same_view)

    def _anywhere(self) -> Teacher:
        return self._motion if self._coco is None else JoinedTeacher(self._coco, None, None)


def _only(found: FrameDetections, class_name: str) -> FrameDetections:
    return tuple(one for one in found if one.class_name == class_name)


def _as_detection(ball: Candidate | None) -> FrameDetections:
    if ball is None or ball.score < _LEAST_BALL:
        return ()
    found_by = AutoTeacher.name
    return (Detection(BALL, ball.xywh, score=ball.score, track_id=_BALL_ID, found_by=found_by),)
