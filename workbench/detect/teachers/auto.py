"""The teacher `auto`: the best eyes there are for each clip, joined.

People come from a pretrained detector (`coco`) where its weights are there or can be had. The ball
is looked for by the detector, and on a steady picture by the ball network and the motion teacher,
too: one search for a path over the candidates of all of them, with scores that mean the same. Goals
come from the motion teacher. Without a detector, steady pictures are labelled by the motion teacher
and the ball network. What runs, and why, is said in `about`.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from workbench.detect.ballchoice import Candidate, Link, choose, without_statics
from workbench.detect.ballnet.teacher import BallNetTeacher
from workbench.detect.detections import BALL, GOAL, PERSON, Detection, FrameDetections
from workbench.detect.detectors import named_detector
from workbench.detect.motion.teacher import MotionTeacher
from workbench.detect.teacher import Past, Teacher
from workbench.detect.teachers.coco import CocoTeacher, follow
from workbench.footage.clips import Clip
from workbench.footage.video_info import probe
from workbench.training.weights import WeightsError

_METHOD = 1  # raise when the same settings would give other labels
_GOAL_ID, _BALL_ID = 1, 2  # as the motion teacher's; people are counted on from there
_LEAST_BALL = 0.1  # score below which a chosen ball is not labelled
_LONGEST = 2.2  # sides of a ball, blurred by its motion
_OFTEN = 0.3  # share of a window's frames with something of the network's at one place
_SAME = 0.7  # of the larger one's size: candidates whose middles are nearer are one thing


# How often a finder's candidate is the ball, by its own score. Fitted on real frames
# (`benchmarks/real_frames.py`). The motion teacher's is lowered: as fitted it costs precision and
# gains nothing.
RELIABILITY = {
    CocoTeacher.name: Link(-0.7, 1.1),
    BallNetTeacher.name: Link(-2.0, 0.9),
    MotionTeacher.name: Link(-3.0, 0.75),
}
LINK = Link(bias=1.5, slope=1.4, chain=0.0)  # what a chosen candidate's score means, on the same


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
        seen = list(self._coco.look(path, window))
        moving: list[FrameDetections] = [()] * len(window)
        if self._motion is not None:
            moving = list(self._motion.label_window(path, window, past, same_view))
        finds = {
            CocoTeacher.name: [_candidates(found) for found in seen],
            MotionTeacher.name: [_candidates(found) for found in moving],
        }
        if self._ballnet is not None:
            finds[BallNetTeacher.name] = self._ballnet.candidates(path, window)
        chosen = choose_ball(finds, probe(path).width)
        before = Past(tuple(_only(found, PERSON) for found in past.frames), past.next_id)
        if before.next_id <= _BALL_ID:
            before = replace(before, next_id=_BALL_ID + 1)
        people = follow(path, (_only(found, PERSON) for found in seen), before)
        for persons, ball, other in zip(people, chosen, moving, strict=True):
            yield (*persons, *_as_detection(ball), *_only(other, GOAL))


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
        self._motion, self._ballnet = MotionTeacher(**(motion or {})), BallNetTeacher()
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
        teacher: Teacher = self._motion
        if self._coco is not None:
            teacher = JoinedTeacher(self._coco, None, None)
        return teacher.label_window(path, window, past, same_view)


def choose_ball(
    finds: Mapping[str, Sequence[Sequence[Candidate]]], width_px: int
) -> list[Candidate | None]:
    """The ball of each frame of a window, given the candidates of each finder by its name."""
    finds = dict(finds)
    if BallNetTeacher.name in finds:
        # It takes much that stands still for a ball. A ball at rest is the detector's to see.
        finds[BallNetTeacher.name] = without_statics(
            finds[BallNetTeacher.name], _OFTEN, may_wait=False
        )
    frames = zip(*([[_trusted(one, name) for one in found if _is_round(one)] for found in own]
                   for name, own in finds.items()), strict=True)  # fmt: skip
    return choose([merged([*chain.from_iterable(found)]) for found in frames], width_px, LINK)


def merged(found: Sequence[Candidate]) -> list[Candidate]:
    """Candidates of one frame, those of several finders that lie on each other made one.

    The surest gives the box; that several see it makes it surer.
    """
    kept: list[Candidate] = []
    for one in sorted(found, key=lambda one: -one.score):
        for place, other in enumerate(kept):
            if math.dist(one.middle, other.middle) < _SAME * max(one.size, other.size):
                both = 1 - (1 - one.score) * (1 - other.score)
                kept[place] = replace(other, score=both)
                break
        else:
            kept.append(one)
    return kept


def _candidates(found: FrameDetections) -> list[Candidate]:
    """The balls among detections."""
    return [Candidate(one.xywh, one.score or 0.0) for one in found if one.class_name == BALL]


def _is_round(one: Candidate) -> bool:
    return max(one.xywh[2:]) <= _LONGEST * min(one.xywh[2:])


def _trusted(one: Candidate, finder: str) -> Candidate:
    return replace(one, score=RELIABILITY[finder].score(one.score, on_chain=False))


def _only(found: FrameDetections, class_name: str) -> FrameDetections:
    return tuple(one for one in found if one.class_name == class_name)


def _as_detection(ball: Candidate | None) -> FrameDetections:
    if ball is None or ball.score < _LEAST_BALL:
        return ()
    found_by = AutoTeacher.name
    return (Detection(BALL, ball.xywh, score=ball.score, track_id=_BALL_ID, found_by=found_by),)
