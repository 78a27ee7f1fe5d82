"""A player's pose around a moment: joints in the picture, by a finder chosen by name.

The unit is one player in a few frames. `mediapipe` is Google's PoseLandmarker on a generous crop
around the player; `geometric` needs no model and guesses joints from the player's outline and the
proportions of a standing body, which says where feet are but measures no angle. Which one ran is
told with every result. Knows nothing about balls and kicks.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.footage.frames import iter_frames
from workbench.intervals import Interval, wilson
from workbench.shots.players.possession import People
from workbench.shots.verdict import ShotError

JOINTS = (
    "head", "l_shoulder", "r_shoulder", "l_elbow", "r_elbow", "l_wrist", "r_wrist",
    "l_hip", "r_hip", "l_knee", "r_knee", "l_ankle", "r_ankle", "l_toe", "r_toe",
)  # fmt: skip

GEOMETRIC = "geometric"  # the finder that needs no model

Floats = NDArray[np.float64]
Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Pose:
    """One player's joints in one frame; l_ and r_ are the player's own left and right."""

    frame: int
    joints: Mapping[str, tuple[float, float]]  # name to x, y in pixels
    visibility: Mapping[str, float]  # name to 0–1, as the finder says
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

    @property
    def capture_rate(self) -> Interval:
        """Share of frames with a pose, with its 95 % interval."""
        return wilson(len(self.poses), self.asked)


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
    """A way to find poses; what it needs to hold is held within a session."""

    name: str
    note: str  # what to know about the method; empty if nothing

    def session(self) -> AbstractContextManager[Find]:
        """Make the finder ready; it is put away at the end of the `with`."""
        ...


def pose_finder(name: str = "auto", model: Path | None = None) -> PoseFinder:
    """Return a finder by name.

    Args:
        name: "mediapipe", "geometric", or "auto": MediaPipe where its model file is there, else
            geometric with a note that says so.
        model: Model file of MediaPipe; otherwise looked for in `data/models`, and downloaded there
            if "mediapipe" was asked for by name.

    Raises:
        ShotError: If there is no such finder, or the model is not there and cannot be fetched.
    """
    # Imported here: MediaPipe takes a second to load.
    from workbench.shots.players.mediapipe_pose import MediaPipeFinder, find_model, obtain_model

    if name == "mediapipe":
        return MediaPipeFinder(obtain_model(model))
    if name == GEOMETRIC:
        return GeometricFinder()
    if name == "auto":
        path = find_model(model)
        return MediaPipeFinder(path) if path is not None else GeometricFinder(_NO_MODEL)
    raise ShotError(f"no pose finder is called {name!r}", "choose auto, mediapipe or geometric")


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


# Heights of joints over the ground as shares of the body's height: Winter (2009), "Biomechanics and
# Motor Control of Human Movement", after Drillis and Contini (1966).
_HEIGHTS = {"head": 0.936, "shoulder": 0.818, "hip": 0.530, "knee": 0.285, "ankle": 0.039}
_HALF_WIDTHS = {"shoulder": 0.129, "hip": 0.0955}
_GUESSED = 0.2  # visibility of guessed joints

_GUESS_NOTE = (
    "Joints are guessed from the outline: sides as seen from behind, no angles are measured"
)
_NO_MODEL = (
    "no pose model is there (put pose_landmarker_full.task into data/models, or ask for the "
    "finder mediapipe to download one). " + _GUESS_NOTE
)


class GeometricFinder:
    """Guesses joints from a player's mask or box; needs no model.

    Feet and knees are the leftmost and rightmost parts of the mask at their usual heights; left is
    left as for somebody seen from behind.
    """

    name = GEOMETRIC

    def __init__(self, note: str = _GUESS_NOTE) -> None:
        self.note = note

    @contextmanager
    def session(self) -> Iterator[Find]:
        """There is nothing to hold."""
        yield self._find

    def _find(self, frame: int, image: Image, box: Floats | None, mask: Mask | None) -> Pose | None:
        """Return guessed joints, or None without a box of somebody upright."""
        del image
        if box is None:
            return None
        left, top, right, bottom = (float(value) for value in box)
        height = bottom - top
        if height <= 0 or right - left > 1.5 * height:  # lying, or not a person
            return None
        joints: dict[str, tuple[float, float]] = {}
        for name, share in _HEIGHTS.items():
            y = bottom - share * height
            low, high = _extent(mask, y, 0.03 * height, (left, right))
            middle = (low + high) / 2
            if name == "head":
                joints["head"] = middle, y
                continue
            if name in _HALF_WIDTHS:  # arms widen the outline there
                half = min(_HALF_WIDTHS[name] * height, (high - low) / 2)
                low, high = middle - half, middle + half
            else:  # a joint is inside the leg, not on its rim
                inset = min(0.025 * height, (high - low) / 2)
                low, high = low + inset, high - inset
            joints[f"l_{name}"], joints[f"r_{name}"] = (low, y), (high, y)
        return Pose(frame, joints, dict.fromkeys(joints, _GUESSED))


def _extent(
    mask: Mask | None, y: float, reach: float, sides: tuple[float, float]
) -> tuple[float, float]:
    """First and last column of a mask around a row; a box has only its middle half."""
    if mask is not None:
        rows = slice(max(0, int(y - reach)), int(y + reach) + 1)
        columns = np.flatnonzero(mask[rows].any(axis=0))
        if len(columns):
            return float(columns[0]), float(columns[-1] + 1)
    quarter = (sides[1] - sides[0]) / 4
    return sides[0] + quarter, sides[1] - quarter


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
