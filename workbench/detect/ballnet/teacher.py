"""The teacher `ballnet`: labels the ball with the shipped network, on any camera.

It labels balls alone. Given another teacher (such as motion, where the camera is fixed), it keeps
that one's people and goals, and takes that one's ball where the network is silent.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from workbench.detect.ballchoice import Candidate, Link, choose
from workbench.detect.balljoin import (
    BALLNET,
    BLOBS,
    MOTION,
    as_candidates,
    as_detections,
    join_finds,
)
from workbench.detect.ballnet.finder import SHORT_SIDE, BallFinder
from workbench.detect.detections import (
    BALL,
    Box,
    Detection,
    FrameDetections,
    Mask,
    encode_mask,
)
from workbench.detect.teacher import Past, Seen, Teacher
from workbench.footage.frames import iter_frames
from workbench.footage.video_info import probe

_METHOD = 2  # raise when the same settings would give other labels
_SURE = 0.35  # score from which the network's ball takes the place of the other teacher's
_REACH = 2  # frames beside a window that its first and last frame are compared with
_BALL_ID = 2  # as the motion teacher's: there is one in play


class BallNetTeacher(Teacher):
    """The ball network, alone or with another teacher.

    Args:
        weights: A file that `train-ball` wrote; the shipped one by default.
        beside: Whose people, goals and remaining balls are kept.
        min_score: Balls below are not labelled.
        window_frames: Frames judged together: what stays for all of them is no ball in play.
        short_side: Of the picture that the network sees, in pixels.
        device: auto, cpu, cuda.

    Raises:
        WeightsError: If the weights are not there or are another network's.
    """

    name = "ballnet"

    def __init__(
        self,
        weights: Path | str | None = None,
        beside: Teacher | None = None,
        min_score: float = 0.1,
        window_frames: int = 240,
        short_side: int = SHORT_SIDE,
        device: str = "auto",
    ) -> None:
        self._finder = BallFinder(
            Path(weights) if weights else None, short_side=short_side, device=device
        )
        self._link = Link(**self._finder.facts.get("link", {}))
        self._beside, self._min_score = beside, min_score
        self.window_frames = beside.window_frames if beside else window_frames
        self.settings = {
            "method": _METHOD,
            **self._finder.settings,
            "min_score": min_score,
            "window_frames": self.window_frames,
        }
        if beside:
            self.name = f"ballnet with {beside.name}"
            self.needs_fixed_camera = beside.needs_fixed_camera
            self.settings["beside"] = {"teacher": beside.name, **beside.settings}

    def label_window(
        self, path: Path, window: range, past: Past, same_view: Sequence[Path] = ()
    ) -> Iterator[FrameDetections]:
        """Yield the ball in every frame of one window, and what the other teacher found."""
        return (seen.found for seen in self.look_window(path, window, past, same_view))

    def look_window(
        self, path: Path, window: range, past: Past, same_view: Sequence[Path] = ()
    ) -> Iterator[Seen]:
        """Yield the same with all that either of the two may take for the ball."""
        info = probe(path)
        candidates = self.candidates(path, window)
        balls = choose(candidates, info.width, self._link)
        others = list(self._others(path, window, past, same_view))
        finds = {
            BALLNET: candidates,
            MOTION: [as_candidates(one.found) for one in others],
            BLOBS: [as_candidates(one.candidates) for one in others],
        }
        all_balls = as_detections(join_finds(finds, alone=True), self.name)
        for ball, other, may_be in zip(balls, others, all_balls, strict=True):
            seen = self._detection(ball, (info.height, info.width))
            yield Seen(_joined(seen, other.found), may_be)

    def candidates(self, path: Path, window: range) -> list[list[Candidate]]:
        """All candidates of each frame of a window, for whoever joins them with others."""
        count = probe(path).frame_count
        start = max(0, window.start - _REACH)
        stop = min(count, window.stop + _REACH)
        shown = (frame.image for frame in iter_frames(path, start=start, stop=stop))
        seen = list(self._finder.look(shown))
        return seen[window.start - start :][: len(window)]

    def _others(
        self, path: Path, window: range, past: Past, same_view: Sequence[Path]
    ) -> Iterator[Seen]:
        if self._beside is None:
            return iter([Seen(())] * len(window))
        own = [tuple(one for one in found if one.found_by != BallNetTeacher.name)
               for found in past.frames]  # fmt: skip
        return self._beside.look_window(path, window, replace(past, frames=tuple(own)), same_view)

    def _detection(self, ball: Candidate | None, shape_hw: tuple[int, int]) -> Detection | None:
        if ball is None or ball.score < self._min_score:
            return None
        mask = disc(ball.xywh, shape_hw)
        if not mask.any():
            return None
        return Detection.of_mask(
            BALL,
            encode_mask(mask),
            score=ball.score,
            track_id=_BALL_ID,
            found_by=BallNetTeacher.name,
        )


def disc(xywh: Box, shape_hw: tuple[int, int]) -> Mask:
    """The ellipse in a box, rounded to whole pixels (H, W)."""
    x, y, width, height = xywh
    x0, y0 = round(x), round(y)
    wide, high = max(1, round(x + width) - x0), max(1, round(y + height) - y0)
    rows = (np.arange(shape_hw[0]) + 0.5 - y0) / high * 2 - 1
    columns = (np.arange(shape_hw[1]) + 0.5 - x0) / wide * 2 - 1
    return np.asarray(rows[:, None] ** 2 + columns[None] ** 2 <= 1)


def _joined(seen: Detection | None, found: FrameDetections) -> FrameDetections:
    """The network's ball, or the other teacher's where the network is less sure than needed."""
    theirs = [one for one in found if one.class_name == BALL]
    rest = tuple(one for one in found if one.class_name != BALL)
    if seen is None:
        return found
    if theirs and (seen.score or 0.0) < _SURE:
        return found
    return (*rest, seen)
