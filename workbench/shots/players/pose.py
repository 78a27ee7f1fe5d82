"""Poses of one player in some frames, and who finds them: MediaPipe's model or a geometric guess.

Every result names its finder. `mediapipe` is Google's PoseLandmarker (BlazePose, Bazarevsky et al.
2020) on a crop around the player; `geometric` needs no model: it guesses joints from the player's
outline and the proportions of a standing body, good enough to place the feet but not to measure
angles. Knows nothing about balls and kicks.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.footage.frames import iter_frames
from workbench.footage.pinhole import Floats
from workbench.shots.players.people import Mask, People
from workbench.shots.verdict import ShotError
from workbench.training.weights import fetch_pinned

GEOMETRIC = "geometric"  # the finder that needs no model

MODELS_DIR = Path("data/models/pose")
MODEL_URL = (
    "https://storage.googleapis.com/mediapipe-models/pose_landmarker/"
    "pose_landmarker_full/float16/1/pose_landmarker_full.task"
)
MODEL_SHA256 = "5134a3aad27a58b93da0088d431f366da362b44e3ccfbe3462b3827a839011b1"

_BEST_FIRST = ("heavy", "full", "lite")
_LEAST_CONFIDENCE = 0.5  # of MediaPipe in a pose that counts as found
_CROP_HEIGHT_PX = 384  # the network's input is 256 pixels; slightly more keeps edges
_MARGINS = (0.35, 0.8)  # of the player's box; a second try with more around it sometimes helps
_LANDMARKS = {
    "head": 0, "l_shoulder": 11, "r_shoulder": 12, "l_elbow": 13, "r_elbow": 14,
    "l_wrist": 15, "r_wrist": 16, "l_hip": 23, "r_hip": 24, "l_knee": 25, "r_knee": 26,
    "l_ankle": 27, "r_ankle": 28, "l_toe": 31, "r_toe": 32,
}  # fmt: skip

# Heights of joints over the ground as shares of the body's height: Winter (2009), "Biomechanics and
# Motor Control of Human Movement", after Drillis and Contini (1966).
_HEIGHTS = {"head": 0.936, "shoulder": 0.818, "hip": 0.530, "knee": 0.285, "ankle": 0.039}
_HALF_WIDTHS = {"shoulder": 0.129, "hip": 0.0955}

_MODEL_REMEDY = "give a pose_landmarker .task file"
_GUESS_NOTE = (
    "Joints are guessed from the outline: sides as seen from behind, no angles are measured"
)
_NO_MODEL = (
    "no pose model is there (put pose_landmarker_full.task into {}, or ask for the finder "
    "mediapipe to download it). " + _GUESS_NOTE
)


@dataclass(frozen=True)
class Pose:
    """One player's joints in one picture; l_ and r_ are the player's own left and right."""

    joints: Mapping[str, tuple[float, float]]  # name to x, y in pixels
    world_m: Mapping[str, tuple[float, float, float]] | None = None  # about the hips, if known


@dataclass(frozen=True)
class PoseTrack:
    """The poses of one player in the frames that were asked for."""

    method: str  # the finder that ran
    poses: dict[int, Pose] = field(default_factory=dict)  # by frame
    asked: int = 0  # frames looked at


Image = NDArray[np.uint8]
Find = Callable[[Image, Floats, Mask | None], Pose | None]
"""Finds a player's pose in an RGB picture (H, W, 3), given the box around the player, (4,) pixels,
and the mask (H, W), where it is known."""


class PoseFinder(Protocol):
    """A pose estimator; what it loads is loaded within a session."""

    name: str
    note: str  # what to know about the method; empty if nothing

    def session(self) -> AbstractContextManager[Find]:
        """Load the finder; it is closed at the end of the `with`."""
        ...


def find_poses(
    video: Path,
    people: People,
    player: str,
    frames: Iterable[int] | Mapping[int, int],
    finder: PoseFinder,
) -> PoseTrack:
    """Find a player's poses in some frames of a video.

    Frames in which the player is not labelled count as asked for, and as not found. Where people
    number frames in another way than the video, `frames` maps from this to theirs.

    Raises:
        FootageError: If the video cannot be read.
    """
    numbers = frames if isinstance(frames, Mapping) else {frame: frame for frame in frames}
    wanted = sorted(numbers)
    if not wanted:
        return PoseTrack(finder.name)
    poses: dict[int, Pose] = {}
    pictures = iter_frames(video, start=wanted[0], stop=wanted[-1] + 1)
    with finder.session() as find:
        for picture in pictures:
            number = numbers.get(picture.index)
            seen = None if number is None else people.in_frame(number).get(player)
            if number is None or seen is None:
                continue
            pose = find(picture.image, np.array(seen.xyxy, float), seen.pixels())
            if pose is not None:
                poses[number] = pose
    return PoseTrack(finder.name, poses, len(wanted))


def pose_finder(name: str = "auto", model: Path = MODELS_DIR) -> PoseFinder:
    """Return a finder by name.

    Args:
        name: "mediapipe", "geometric", or "auto": MediaPipe where its model file is there, else
            geometric with a note that says so.
        model: MediaPipe's .task file, or the folder to look for it in; it is downloaded there if
            "mediapipe" was asked for by name.

    Raises:
        ShotError: If there is no such finder, or the model is not there and cannot be fetched.
    """
    if name == GEOMETRIC:
        return GeometricFinder()
    if model.suffix == ".task" and not model.is_file():
        raise ShotError(f"{model} does not exist", _MODEL_REMEDY)
    found = model if model.is_file() else find_model(model)
    if name == "mediapipe":
        return MediaPipeFinder(found or obtain_model(model))
    if name == "auto":
        return (
            MediaPipeFinder(found)
            if found
            else GeometricFinder(_NO_MODEL.format(Path(*model.parts[-3:])))
        )
    raise ShotError(f"no pose finder is called {name!r}", "choose auto, mediapipe or geometric")


class GeometricFinder:
    """Guesses joints from a player's mask or box; needs no model.

    Feet and knees are the leftmost and rightmost parts of the mask at their usual heights; left is
    left as for somebody seen from behind.
    """

    name = GEOMETRIC

    def __init__(self, note: str = _GUESS_NOTE) -> None:
        self.note = note

    def session(self) -> AbstractContextManager[Find]:
        """Return the finder; nothing needs to be loaded."""
        return nullcontext(_guess_pose)


def _guess_pose(_: Image, box: Floats, mask: Mask | None) -> Pose | None:
    """Guessed joints, or None where the box is not that of somebody upright."""
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
        if name in _HALF_WIDTHS:  # arms widen the outline at this height
            half = min(_HALF_WIDTHS[name] * height, (high - low) / 2)
            low, high = middle - half, middle + half
        else:  # joints are inside the leg, not on its outline
            inset = min(0.025 * height, (high - low) / 2)
            low, high = low + inset, high - inset
        joints[f"l_{name}"], joints[f"r_{name}"] = (low, y), (high, y)
    return Pose(joints)


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


def find_model(models_dir: Path) -> Path | None:
    """Return MediaPipe's best model file in a folder, or None."""
    candidates = [models_dir / f"pose_landmarker_{size}.task" for size in _BEST_FIRST]
    return next((path for path in candidates if path.is_file()), None)


def obtain_model(models_dir: Path) -> Path:
    """Return MediaPipe's best model file in a folder, downloaded from Google if none is there.

    Raises:
        WeightsError: If it cannot be downloaded, or something else comes.
    """
    path = find_model(models_dir)
    if path is None:
        path = models_dir / MODEL_URL.rpartition("/")[2]
        fetch_pinned(MODEL_URL, MODEL_SHA256, path)
    return path


class MediaPipeFinder:
    """PoseLandmarker on a square crop around the player, each picture by itself.

    Args:
        model: A pose_landmarker .task file.
    """

    note = ""

    def __init__(self, model: Path) -> None:
        self.name = f"mediapipe ({model.stem})"
        self._model = model

    @contextmanager
    def session(self) -> Iterator[Find]:
        """Load the model for a `with` block: MediaPipe must be closed before Python ends.

        Raises:
            ShotError: If the file is no such model.
        """
        import mediapipe
        from mediapipe.tasks import python as tasks
        from mediapipe.tasks.python import vision

        # No tracking between pictures: its smoothing would lag behind the kicking foot.
        options = vision.PoseLandmarkerOptions(
            base_options=tasks.BaseOptions(model_asset_path=str(self._model)),
            running_mode=vision.RunningMode.IMAGE,
            min_pose_detection_confidence=_LEAST_CONFIDENCE,
            min_pose_presence_confidence=_LEAST_CONFIDENCE,
        )
        try:
            with _silence():
                landmarker = vision.PoseLandmarker.create_from_options(options)
        except (RuntimeError, ValueError, OSError) as error:
            problem = f"{self._model} is no pose model ({str(error).splitlines()[0]})"
            raise ShotError(problem, _MODEL_REMEDY) from None

        is_new = True

        def find(image: Image, box: Floats, _: Mask | None) -> Pose | None:
            nonlocal is_new
            for margin in _MARGINS:
                crop, place = crop_around(image, box, margin=margin, height_px=_CROP_HEIGHT_PX)
                picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=crop)
                with _silence() if is_new else nullcontext():
                    found = landmarker.detect(picture)
                is_new = False
                if found.pose_landmarks:
                    return _as_pose(found, crop.shape, place)
            return None

        with landmarker:
            yield find


@contextmanager
def _silence() -> Iterator[None]:
    """Keep what native code writes to standard error to itself: MediaPipe's log has no switch."""
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _as_pose(found: Any, shape: tuple[int, ...], place: Floats) -> Pose:
    points, world = found.pose_landmarks[0], found.pose_world_landmarks[0]
    origin, back = place
    size = np.array([shape[1], shape[0]])
    joints = {}
    for name, number in _LANDMARKS.items():
        x, y = origin + np.array([points[number].x, points[number].y]) * size * back
        joints[name] = float(x), float(y)
    world_m = {name: (world[n].x, world[n].y, world[n].z) for name, n in _LANDMARKS.items()}
    return Pose(joints, world_m)


def crop_around(
    image: Image, box: Floats, *, margin: float, height_px: int
) -> tuple[Image, Floats]:
    """Cut out a square around a box and enlarge it if it is less than `height_px` high.

    `margin` is added on each side, as a share of the box's longer side. Returns the crop, and an
    array (2, 2): its origin in the picture and picture pixels per crop pixel along x and y.
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
