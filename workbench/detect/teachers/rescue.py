"""Rescue: what a teacher missed, others look for, and only there.

A primary teacher labels every frame. On the frames where it found nothing of a class, rescuers are
asked in turn, each only about what is still missing. A rescued ball is accepted where it moves as a
ball does (`plausible`), seen from the accepted balls around it in the same window and before it;
a rescued person or goal by its score. Every label says who found it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from workbench.detect.ballpath import Spot
from workbench.detect.detections import (
    BALL,
    CLASSES,
    Detection,
    FrameDetections,
    accepted,
)
from workbench.detect.teacher import Past, Teacher, TeacherError, split_frames
from workbench.detect.teachers.looking import LookingTeacher
from workbench.detect.teachers.plausible import plausible_spots
from workbench.footage.frames import sample_frames
from workbench.footage.video_info import probe

_BATCH = 16  # frames looked at at a time
_REACH = 0.12  # of the frame's width: how far a ball moves in one frame at most
_BEND = 0.01  # of the frame's width: by how much its step changes from frame to frame in flight
_UNSCORED = 0.5  # likeness of a find without a score


class RescueTeacher(Teacher):
    """A primary teacher and those who look where it found nothing.

    Args:
        primary: Who labels every frame; its windows are those of the chain.
        rescuers: Who are asked about missed frames, in this order.
        classes: What is worth a rescue.
        min_score: A detection below does not count as found. Finds of people and goals below are
            not accepted; a ball is judged by its motion.

    Raises:
        TeacherError: If there is no rescuer or no such class.
    """

    def __init__(
        self,
        primary: Teacher,
        rescuers: Sequence[Teacher],
        classes: Sequence[str] = ("ball",),
        min_score: float = 0.3,
    ) -> None:
        unknown = [name for name in classes if name not in CLASSES]
        if not rescuers or unknown or not classes:
            raise TeacherError(
                f"a rescue of {list(classes)} by {[rescuer.name for rescuer in rescuers]}",
                f"give at least one rescuer, and classes out of {', '.join(CLASSES)}",
            )
        members = [primary, *rescuers]
        self.name = "+".join(member.name for member in members)
        self.needs_fixed_camera = any(member.needs_fixed_camera for member in members)
        self.settings = {
            "members": [{"teacher": one.name, **one.settings} for one in members],
            "classes": list(classes),
            "min_score": min_score,
        }
        self._primary, self._rescuers = primary, list(rescuers)
        self._classes, self._min_score = list(classes), min_score
        self.window_frames = primary.window_frames

    def label_window(
        self, path: Path, window: range, past: Past, same_view: Sequence[Path] = ()
    ) -> Iterator[FrameDetections]:
        """Yield what is found in every frame of one window, by whomever."""
        width_px = probe(path).width
        seen = self._by_primary(path, window, past, same_view)
        first = window.start - len(past.frames)
        before = self._balls(dict(enumerate(past.frames, start=first)))
        for rescuer in self._rescuers:
            missing = {
                name: [frame for frame in window if not self._accepted(seen[frame], name)]
                for name in self._classes
            }
            frames = sorted(set().union(*missing.values()))
            if not frames:
                break
            found = _ask(rescuer, path, frames, same_view)
            for name, missed in missing.items():
                finds = {frame: _of_class(found.get(frame, ()), name) for frame in missed}
                if name == BALL:
                    kept = _moving(finds, before | self._balls(seen), width_px)
                else:
                    kept = {f: accepted(own, self._min_score) for f, own in finds.items()}
                for frame, own in kept.items():
                    seen[frame] += tuple(replace(one, track_id=None) for one in own)
        yield from seen.values()

    def _by_primary(
        self, path: Path, window: range, past: Past, same_view: Sequence[Path]
    ) -> dict[int, FrameDetections]:
        # The primary goes on from its own detections alone, as it would without rescuers.
        helpers = {rescuer.name for rescuer in self._rescuers}
        own = [tuple(one for one in found if one.found_by not in helpers) for found in past.frames]
        past = replace(past, frames=tuple(own))
        labelled = self._primary.label_window(path, window, past, same_view)
        return dict(zip(window, labelled, strict=True))

    def _accepted(self, found: Sequence[Detection], name: str) -> FrameDetections:
        return accepted(_of_class(found, name), self._min_score)

    def _balls(self, seen: Mapping[int, FrameDetections]) -> dict[int, Spot]:
        """The surest accepted ball of each frame that has one."""
        frames = {frame: self._accepted(found, BALL) for frame, found in seen.items()}
        return {
            frame: max(map(_spot, own), key=lambda spot: spot.likeness)
            for frame, own in frames.items()
            if own
        }


def _ask(
    rescuer: Teacher, path: Path, frames: Sequence[int], same_view: Sequence[Path]
) -> dict[int, Sequence[Detection]]:
    """What a rescuer sees in these frames, growing, and in as few others as it can."""
    seen: dict[int, Sequence[Detection]] = {}
    if isinstance(rescuer, LookingTeacher):
        for batch in split_frames(len(frames), _BATCH):
            numbers = [frames[place] for place in batch]
            seen |= zip(numbers, map(rescuer.look, sample_frames(path, numbers)), strict=True)
        return seen
    for window in rescuer.windows(path):
        if not set(frames).isdisjoint(window):
            # Without a past: windows without a missed frame are not labelled for its sake.
            found = rescuer.label_window(path, window, Past(), same_view)
            seen |= zip(window, found, strict=True)
    return seen


def _of_class(found: Sequence[Detection], name: str) -> list[Detection]:
    return [one for one in found if one.class_name == name]


def _moving(
    finds: Mapping[int, Sequence[Detection]], known: Mapping[int, Spot], width_px: int
) -> dict[int, FrameDetections]:
    """The finds of a ball that move as one."""
    spots = {frame: [_spot(one) for one in own] for frame, own in finds.items()}
    chosen = plausible_spots(spots, known, _REACH * width_px, _BEND * width_px)
    return {frame: (finds[frame][place],) for frame, place in chosen.items()}


def _spot(ball: Detection) -> Spot:
    _, _, width, height = ball.xywh
    likeness = _UNSCORED if ball.score is None else ball.score
    size = float(np.hypot(width, height) / np.sqrt(2))
    return Spot(*ball.centre, size, likeness)
