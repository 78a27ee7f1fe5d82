"""Poses of one player in some frames, and the protocol of the finders that estimate them.

The unit is one player in a few frames. Every result names its finder (see `pose_finders`). Knows
nothing about balls and kicks.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.footage.frames import iter_frames
from workbench.footage.pinhole import Floats
from workbench.shots.players.people import People

JOINTS = (
    "head", "l_shoulder", "r_shoulder", "l_elbow", "r_elbow", "l_wrist", "r_wrist",
    "l_hip", "r_hip", "l_knee", "r_knee", "l_ankle", "r_ankle", "l_toe", "r_toe",
)  # fmt: skip

GEOMETRIC = "geometric"  # the finder that needs no model

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Pose:
    """One player's joints in one frame; l_ and r_ are the player's own left and right."""

    frame: int
    joints: Mapping[str, tuple[float, float]]  # name to x, y in pixels
    world_m: Mapping[str, tuple[float, float, float]] | None = None  # about the hips, if known

    @property
    def box(self) -> Floats:
        """Left, top, right, bottom (4,) around all joints."""
        points = np.array(list(self.joints.values()))
        return np.concatenate([points.min(axis=0), points.max(axis=0)])


@dataclass(frozen=True)
class PoseTrack:
    """The poses of one player in the frames that were asked for."""

    method: str  # the finder that ran
    poses: dict[int, Pose] = field(default_factory=dict)  # by frame
    asked: int = 0  # frames looked at
    note: str = ""  # what to know about the method; empty if nothing


class Find(Protocol):
    """Finds one player's pose in one picture."""

    def __call__(
        self, frame: int, image: Image, box: Floats | None, mask: Mask | None
    ) -> Pose | None:
        """Return the pose, or None where none is found.

        Args:
            frame: Index of the picture.
            image: RGB (H, W, 3).
            box: Around the player, pixels (4,); None: anywhere in the picture.
            mask: The player's mask (H, W), if there is one.
        """
        ...


class PoseFinder(Protocol):
    """A pose estimator; what it loads is loaded within a session."""

    name: str
    note: str  # what to know about the method; empty if nothing

    def session(self) -> AbstractContextManager[Find]:
        """Load the finder; it is closed at the end of the `with`."""
        ...


def find_poses(
    video: Path,
    people: People | None,
    player: str | None,
    frames: Iterable[int],
    finder: PoseFinder,
) -> PoseTrack:
    """Find a player's poses in some frames of a video.

    Args:
        video: The clip.
        people: Everybody in it; None: whoever is seen best, found in the whole picture first and
            then followed from pose to pose.
        player: Whose poses.
        frames: Frame indices. Frames in which the player is not labelled count as asked for, and
            as not found.
        finder: Who looks.

    Raises:
        FootageError: If the video cannot be read.
    """
    wanted = sorted(set(frames))
    if not wanted:
        return PoseTrack(finder.name, note=finder.note)
    poses: dict[int, Pose] = {}
    pictures = iter_frames(video, start=wanted[0], stop=wanted[-1] + 1)
    last: Pose | None = None
    with finder.session() as find:
        for picture in pictures:
            if picture.index not in wanted:
                continue
            if people is None or player is None:
                near = None if last is None else find(picture.index, picture.image, last.box, None)
                last = near or find(picture.index, picture.image, None, None)
            else:
                box, mask = people.box(picture.index, player), people.mask(picture.index, player)
                last = None if box is None else find(picture.index, picture.image, box, mask)
            if last is not None:
                poses[picture.index] = last
    return PoseTrack(finder.name, poses, len(wanted), finder.note)


def crop_around(
    image: Image, box: Floats, *, margin: float, height_px: int
) -> tuple[Image, Floats]:
    """Cut out a square around a box and enlarge it if it is small.

    Args:
        image: RGB (H, W, 3).
        box: Pixels (4,).
        margin: Added on each side, as a share of the box's longer side.
        height_px: Crops smaller than this are enlarged to it.

    Returns:
        The crop, and an array (2, 2): its origin in the picture and picture pixels per crop pixel
        along x and y.
    """
    middle = (box[:2] + box[2:]) / 2
    half = (0.5 + margin) * float((box[2:] - box[:2]).max())
    limit = np.array([image.shape[1], image.shape[0]])
    low = np.clip(np.floor(middle - half), 0, limit - 1).astype(int)
    high = np.clip(np.ceil(middle + half), low + 1, limit).astype(int)
    crop = image[low[1] : high[1], low[0] : high[0]]
    scale = max(1.0, height_px / crop.shape[0])
    if scale > 1:
        wh = round(crop.shape[1] * scale), round(crop.shape[0] * scale)
        crop = np.asarray(cv2.resize(crop, wh, interpolation=cv2.INTER_CUBIC), np.uint8)
    back = (high - low) / np.array([crop.shape[1], crop.shape[0]])
    return np.ascontiguousarray(crop), np.stack([low.astype(float), back])
