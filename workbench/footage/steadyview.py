"""The view of a clip: each of its frames in terms of one of them, kept and read back.

The unit is one clip. Points go from a frame to the reference view and back: what lies below the
goal's foot by the map of the ground, everything else by that of the goal; along the foot both
agree. With a camera that stands still nothing moves. Pixels are full-size ones, the middle of the
first at (0.5, 0.5).
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.errors import DatasetError
from workbench.footage.clips import Clip
from workbench.footage.cuts import find_takes
from workbench.footage.planemaps import Floats, Image, foot_line, line_distance, move_points
from workbench.footage.registration import METHOD, Registration
from workbench.footage.steady import STEADY_SHARE, steady
from workbench.footage.timeline import Timeline
from workbench.footage.video_info import content_digest
from workbench.saving import from_json, reading, save_json, to_json

VIEW_FORMAT = "workbench-steady/1"


@dataclass(frozen=True, eq=False)
class SteadyView:
    """Where the pictures of a clip are in the view of one frame.

    Attributes:
        reference: The frame whose view it is.
        frames: By frame; None where the camera stands still.
        foot: Line (3,) of the goal's foot in the reference, its normal onto the ground; None
            without a goal.
        cuts: Frames at which the picture cuts; what lies across a cut is not registered.
        repeats: Frames that show the picture before them again.
    """

    reference: int = 0
    frames: dict[int, Registration] | None = None
    foot: Floats | None = None
    cuts: tuple[int, ...] = ()
    repeats: tuple[int, ...] = ()

    @property
    def steady_share(self) -> float:
        """Share of the frames that can be seen in the reference view."""
        if self.frames is None:
            return 1.0
        return sum(one.is_steady for one in self.frames.values()) / max(1, len(self.frames))

    @property
    def error_px(self) -> float:
        """Of nine of ten steady frames, at most; 0 where the camera stands still."""
        found = [one.error_px for one in (self.frames or {}).values() if one.is_steady]
        return float(np.percentile(found, 90)) if found else 0.0

    def why_not(self) -> str | None:
        """Why the clip cannot be judged in this view, as the end of a sentence; None if it can."""
        if self.cuts:
            return f"the picture cuts at frame {self.cuts[0]}"
        if self.steady_share >= STEADY_SHARE:
            return None
        reasons = [one.reason for one in (self.frames or {}).values() if one.reason]
        usual = max(sorted(set(reasons)), key=reasons.count)
        return f"{1 - self.steady_share:.0%} of the frames cannot be steadied ({usual})"

    def to_reference(self, frame: int, points: ArrayLike) -> Floats:
        """Points (N, 2) of a frame in the reference view; NaN where that is not known."""
        return self._moved(frame, points, back=True)

    def to_frame(self, frame: int, points: ArrayLike) -> Floats:
        """Points (N, 2) of the reference view in a frame; NaN where that is not known."""
        return self._moved(frame, points, back=False)

    def scale(self, frame: int, point: ArrayLike) -> float:
        """How much larger than in a frame things at a point of it are in the reference view."""
        if self.frames is None:
            return 1.0
        corner = np.asarray(point, float).reshape(2)
        there = self.to_reference(frame, corner + np.array([[0, 0], [1, 0], [0, 1]]))
        (a, b), (c, d) = there[1:] - there[0]
        return float(np.sqrt(abs(a * d - b * c)))

    def image(self, frame: int, image: Image, still: Image) -> Image:
        """A frame (H, W, 3) in the reference view; where it has nothing, what `still` shows."""
        if self.frames is None:
            return image
        to_frame = self._to_frame(frame)
        if to_frame is None:
            return still
        wh, flags = (still.shape[1], still.shape[0]), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        seen = still.copy()
        warp = {"flags": flags, "borderMode": cv2.BORDER_TRANSPARENT}
        return np.asarray(cv2.warpPerspective(image, to_frame, wh, seen, **warp), np.uint8)

    def mask_in_frame(self, frame: int, mask: NDArray[Any]) -> NDArray[np.bool_]:
        """A mask (H, W) of the reference view in a frame; empty where that is not known."""
        if self.frames is None:
            return mask
        to_frame = self._to_frame(frame)
        if to_frame is None:
            return np.zeros_like(mask, bool)
        wh, soft = (mask.shape[1], mask.shape[0]), mask.astype(np.float32)
        return np.asarray(cv2.warpPerspective(soft, to_frame, wh) > 0.5)

    def _to_frame(self, frame: int) -> Floats | None:
        """The map that OpenCV, which counts from the first pixel's middle, understands."""
        found = (self.frames or {}).get(frame)
        if found is None or found.to_frame is None:
            return None
        half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
        return np.asarray(np.linalg.inv(half) @ found.to_frame @ half)

    def on(self, timeline: Timeline) -> "SteadyView":
        """The same by picture instead of by frame."""
        if self.frames is None:
            return self
        pictures = {
            number: self.frames[frame]
            for number, frame in enumerate(timeline.frames)
            if frame in self.frames
        }
        return replace(self, frames=pictures)

    def _moved(self, frame: int, points: ArrayLike, *, back: bool) -> Floats:
        given = np.asarray(points, float).reshape(-1, 2)
        if self.frames is None:
            return given
        found = self.frames.get(frame)
        if found is None or found.to_frame is None or found.ground_to_frame is None:
            return np.full(given.shape, np.nan)
        upright, ground = found.to_frame, found.ground_to_frame
        if back:
            upright, ground = (np.asarray(np.linalg.inv(one)) for one in (upright, ground))
        moved = move_points(upright, given)
        if self.foot is None:
            return moved
        is_low = line_distance(self.foot, moved if back else given) > 0
        return np.where(is_low[:, None], move_points(ground, given), moved)


@dataclass(frozen=True)
class _Asked:
    """What a view depends on."""

    video: str
    reference: int
    goal_px: Any
    people: str
    method: int = METHOD
    format: str = field(default=VIEW_FORMAT)


def view_clip(
    clip: Clip,
    video: Path,
    *,
    reference: int | None = None,
    people: Mapping[int, Floats] | None = None,
    goal_px: ArrayLike | None = None,
    path: Path | None = None,
    keep: bool = True,
) -> SteadyView:
    """Register the frames of a clip to one of them.

    Args:
        clip: Its row; where its camera is fixed, only cuts and repeats are looked for.
        video: Its file.
        reference: The frame in whose view it is seen; the clip's own reference by default.
        people: Boxes (N, 4) of x0, y0, x1, y1 by frame, on which nothing is followed.
        goal_px: Corners (4, 2) of the goal in the reference: then the picture is steadied there.
        path: Where the view is kept; one of the same video, people and goal is read instead.
        keep: Whether it is written there. Who reads what another stage made leaves it as it is.

    Raises:
        FootageError: If the video cannot be read.
    """
    reference = clip.reference_frame if reference is None else reference
    boxes = people or {}
    told = sha256(repr([(frame, np.asarray(b).tolist()) for frame, b in boxes.items()]).encode())
    key = to_json(_Asked(content_digest(video), reference, to_json(goal_px), told.hexdigest()))
    if path is not None and (kept := load_view(path, key)) is not None:
        return kept
    takes = find_takes(video)
    view = SteadyView(reference, cuts=takes.cuts, repeats=takes.repeats)
    if clip.camera != "fixed" or takes.cuts:
        start, stop = takes.take_of(reference)
        frames = steady(video, reference, start=start, stop=stop, people=boxes.get, goal_px=goal_px)
        view = replace(view, frames=dict(frames), foot=_foot(goal_px))
    if path is not None and keep:
        save_json(path, {"key": key, "view": to_json(view)}, indent=None)
    return view


def view_path(labels_dir: Path, clip_id: str) -> Path:
    """Where the view of a labelled clip is kept, beside its labels."""
    return labels_dir / f"{clip_id}.steady.json"


def load_view(path: Path, key: Any = None) -> SteadyView | None:
    """Read a view that was kept; None where there is none, or none with this key."""
    with suppress(DatasetError), reading(path) as content:
        if key is None or content["key"] == key:
            view: SteadyView = from_json(SteadyView, content["view"])
            return view
    return None


def _foot(goal_px: ArrayLike | None) -> Floats | None:
    corners = np.empty((0, 2)) if goal_px is None else np.asarray(goal_px, float)
    seen = corners[np.isfinite(corners).all(axis=1)]
    return foot_line(seen[np.argsort(-seen[:, 1])[:2]]) if len(seen) > 1 else None
