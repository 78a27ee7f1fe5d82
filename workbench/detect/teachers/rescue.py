"""Rescue: what a teacher missed, others look for, and only there.

A primary teacher labels every frame. On the frames where it found nothing of a class, rescuers are
asked in turn, each only about what is still missing. A rescued ball is accepted where it moves as a
ball does (`plausible`), seen from the accepted balls around it in the same window and before it;
a rescued person or goal by its score. Every label says who found it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from workbench.detect.annotations import (
    Sighting,
    box_of,
    to_annotations,
    to_detections,
    to_sightings,
)
from workbench.detect.ballpath import Spot
from workbench.detect.teacher import (
    BALL,
    CLASSES,
    LabelledFrame,
    Teacher,
    TeacherError,
    settings_of,
)
from workbench.detect.teachers.looking import LookingTeacher
from workbench.detect.teachers.plausible import plausible_spots
from workbench.detect.windows import (
    EqualWindows,
    LabelReader,
    Past,
    WindowedTeacher,
)
from workbench.footage.frames import sample_frames
from workbench.footage.video_info import probe

_BATCH = 16  # frames read at a time for a looker
_REACH = 0.12  # of the frame's width: how far a ball moves in one frame at most
_BEND = 0.01  # of the frame's width: by how much its step changes from frame to frame in flight
_UNSCORED = 0.5  # likeness of a find without a score


class RescueTeacher(EqualWindows):
    """A primary teacher and those who look where it found nothing.

    Args:
        primary: Who labels every frame.
        rescuers: Who are asked about missed frames, in this order.
        classes: What is worth a rescue.
        min_score: A label below does not count as found. Finds of people and goals below are not
            accepted; a ball is judged by its motion.
        window_frames: Of primaries that do not work in windows themselves.

    Raises:
        TeacherError: If there is no rescuer or no such class.
    """

    def __init__(
        self,
        primary: Teacher,
        rescuers: Sequence[Teacher],
        classes: Sequence[str] = ("ball",),
        min_score: float = 0.3,
        window_frames: int = 240,
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
        self.settings: dict[str, Any] = {
            "members": [{"teacher": one.name, **settings_of(one)} for one in members],
            "classes": list(classes),
            "min_score": min_score,
            "window_frames": window_frames,
        }
        self._primary, self._rescuers = primary, list(rescuers)
        self._class_ids = [CLASSES.index(name) for name in classes]
        self._min_score, self.window_frames = min_score, window_frames
        self._reader: LabelReader | None = None

    def windows(self, path: Path) -> list[range]:
        """Frames of each window: the primary's."""
        if isinstance(self._primary, WindowedTeacher):
            return self._primary.windows(path)
        return super().windows(path)

    def label_window(
        self, path: Path, window: range, past: Past, same_view: Sequence[Path] = ()
    ) -> Iterator[LabelledFrame]:
        """Yield every frame of one window with what is seen in it, by whomever."""
        info = probe(path)
        seen = self._primary_labels(path, window, past, same_view)
        before = self._balls(_frames_before(window, past))
        for rescuer in self._rescuers:
            missing = {
                class_id: [frame for frame in window if not self._has(seen[frame], class_id)]
                for class_id in self._class_ids
            }
            frames = sorted(set().union(*missing.values()))
            if not frames:
                break
            found = _ask(rescuer, path, frames, same_view)
            for class_id, missed in missing.items():
                finds = {frame: _of_class(found.get(frame, ()), class_id) for frame in missed}
                if class_id == BALL:
                    kept = _moving(finds, before | self._balls(seen), info.width)
                else:
                    kept = {frame: self._sure(own) for frame, own in finds.items()}
                for frame, own in kept.items():
                    seen[frame] += [replace(one, track_id=None) for one in own]
        for frame in window:
            yield LabelledFrame(frame, to_detections(seen[frame], (info.height, info.width)))

    def _primary_labels(
        self, path: Path, window: range, past: Past, same_view: Sequence[Path]
    ) -> dict[int, list[Sighting]]:
        primary = self._primary
        if not isinstance(primary, WindowedTeacher):
            reader = self._reader
            if reader is None or not reader.reaches(path, window.start):
                reader = self._reader = LabelReader(primary, path, same_view)
            return {frame: to_sightings(reader.at(frame)) for frame in window}
        # What others rescued is not the primary's to go on with.
        helpers = {rescuer.name for rescuer in self._rescuers}
        own = [
            tuple(label for label in frame if label["teacher"] not in helpers)
            for frame in past.frames
        ]
        labelled = primary.label_window(path, window, replace(past, frames=tuple(own)), same_view)
        return {one.frame: _sightings(one, primary.name) for one in labelled}

    def _has(self, sightings: Sequence[Sighting], class_id: int) -> bool:
        return bool(self._sure(_of_class(sightings, class_id)))

    def _sure(self, sightings: Sequence[Sighting]) -> list[Sighting]:
        return [one for one in sightings if one.score is None or one.score >= self._min_score]

    def _balls(self, seen: Mapping[int, Sequence[Sighting]]) -> dict[int, Spot]:
        """The surest accepted ball of each frame that has one."""
        frames = {frame: self._sure(_of_class(own, BALL)) for frame, own in seen.items()}
        return {
            frame: max(map(_spot, own), key=lambda spot: spot.likeness)
            for frame, own in frames.items()
            if own
        }


def _ask(
    rescuer: Teacher, path: Path, frames: Sequence[int], same_view: Sequence[Path]
) -> dict[int, list[Sighting]]:
    """What a rescuer sees in these frames, growing, and in as few others as it can."""
    found: dict[int, list[Sighting]] = {}
    if isinstance(rescuer, LookingTeacher):
        for start in range(0, len(frames), _BATCH):
            batch = frames[start : start + _BATCH]
            for frame, image in zip(batch, sample_frames(path, batch), strict=True):
                found[frame] = rescuer.looker.look(image)
        return found
    wanted = set(frames)
    if isinstance(rescuer, WindowedTeacher):
        for window in rescuer.windows(path):
            if wanted.isdisjoint(window):
                continue
            # Without a past: windows without a missed frame are not labelled for its sake.
            for labelled in rescuer.label_window(path, window, Past(), same_view):
                if labelled.frame in wanted:
                    found[labelled.frame] = _sightings(labelled, rescuer.name)
        return found
    for labelled in rescuer.label(path, same_view):
        if labelled.frame in wanted:
            found[labelled.frame] = _sightings(labelled, rescuer.name)
    return found


def _frames_before(window: range, past: Past) -> dict[int, list[Sighting]]:
    first = window.start - len(past.frames)
    return {first + place: to_sightings(own) for place, own in enumerate(past.frames)}


def _sightings(labelled: LabelledFrame, teacher: str) -> list[Sighting]:
    return to_sightings(to_annotations(labelled.detections, teacher))


def _of_class(sightings: Sequence[Sighting], class_id: int) -> list[Sighting]:
    return [one for one in sightings if one.class_id == class_id]


def _moving(
    finds: Mapping[int, Sequence[Sighting]], known: Mapping[int, Spot], width_px: int
) -> dict[int, list[Sighting]]:
    """The finds of a ball that move as one."""
    spots = {frame: [_spot(one) for one in own] for frame, own in finds.items()}
    chosen = plausible_spots(spots, known, _REACH * width_px, _BEND * width_px)
    return {frame: [finds[frame][place]] for frame, place in chosen.items()}


def _spot(ball: Sighting) -> Spot:
    left, top, right, bottom = box_of(ball.segmentation)
    likeness = _UNSCORED if ball.score is None else ball.score
    size = float(np.hypot(right - left, bottom - top) / np.sqrt(2))
    return Spot((left + right) / 2, (top + bottom) / 2, size, likeness)
