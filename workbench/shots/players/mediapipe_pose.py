"""MediaPipe's PoseLandmarker as a pose finder, and where its model file comes from.

Landmarks: https://ai.google.dev/edge/mediapipe/solutions/vision/pose_landmarker (BlazePose,
Bazarevsky et al. 2020). The file is not part of MediaPipe's package.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.footage.pinhole import Floats
from workbench.shots.players.pose import Find, Pose, crop_around
from workbench.shots.verdict import ShotError
from workbench.training.weights import fetch_pinned

MODELS_DIR = Path("data/models")
MODEL_URL = (
    "https://storage.googleapis.com/mediapipe-models/pose_landmarker/"
    "pose_landmarker_full/float16/1/pose_landmarker_full.task"
)
MODEL_SHA256 = "5134a3aad27a58b93da0088d431f366da362b44e3ccfbe3462b3827a839011b1"

_BEST_FIRST = ("heavy", "full", "lite")
_CROP_HEIGHT_PX = 384  # the network's input is 256 pixels; slightly more keeps edges
_MARGINS = (0.35, 0.8)  # of the player's box; a second try with more around it sometimes helps
_LANDMARKS = {
    "head": 0, "l_shoulder": 11, "r_shoulder": 12, "l_elbow": 13, "r_elbow": 14,
    "l_wrist": 15, "r_wrist": 16, "l_hip": 23, "r_hip": 24, "l_knee": 25, "r_knee": 26,
    "l_ankle": 27, "r_ankle": 28, "l_toe": 31, "r_toe": 32,
}  # fmt: skip

Image = NDArray[np.uint8]


def find_model(model: Path | None = None, models_dir: Path = MODELS_DIR) -> Path | None:
    """Return the model file given, or the best one in `models_dir`, or None.

    Raises:
        ShotError: If a file was given and is not there.
    """
    if model is not None:
        if not model.is_file():
            raise ShotError(f"{model} does not exist", "give a pose_landmarker .task file")
        return model
    candidates = [models_dir / f"pose_landmarker_{size}.task" for size in _BEST_FIRST]
    return next((path for path in candidates if path.is_file()), None)


def obtain_model(model: Path | None = None, models_dir: Path = MODELS_DIR) -> Path:
    """Return a model file, downloaded from Google if none is there.

    Raises:
        WeightsError: If it cannot be downloaded, or something else comes.
    """
    found = find_model(model, models_dir)
    if found is not None:
        return found
    path = models_dir / MODEL_URL.rpartition("/")[2]
    fetch_pinned(MODEL_URL, MODEL_SHA256, path)
    return path


class MediaPipeFinder:
    """PoseLandmarker on a square crop around the player, each picture by itself.

    Args:
        model: A pose_landmarker .task file.
        min_confidence: From which a pose counts as found (0–1).
    """

    note = ""

    def __init__(self, model: Path, min_confidence: float = 0.5) -> None:
        self.name = f"mediapipe ({model.stem})"
        self._model, self._min_confidence = model, min_confidence

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
            min_pose_detection_confidence=self._min_confidence,
            min_pose_presence_confidence=self._min_confidence,
        )
        try:
            landmarker = vision.PoseLandmarker.create_from_options(options)
        except (RuntimeError, ValueError, OSError) as error:
            problem = f"{self._model} is no pose model ({str(error).splitlines()[0]})"
            raise ShotError(problem, "give a pose_landmarker .task file") from None

        def find(
            frame: int, image: Image, box: Floats | None, mask: NDArray[np.bool_] | None
        ) -> Pose | None:
            del mask
            height, width = image.shape[:2]
            looks = [(np.array([0.0, 0.0, width, height]), 0.0)]
            if box is not None:
                looks = [(box, margin) for margin in _MARGINS]
            for look, margin in looks:
                crop, place = crop_around(image, look, margin=margin, height_px=_CROP_HEIGHT_PX)
                picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=crop)
                found = landmarker.detect(picture)
                if found.pose_landmarks:
                    return _as_pose(frame, found, crop.shape, place)
            return None

        with landmarker:
            yield find


def _as_pose(frame: int, found: Any, shape: tuple[int, ...], place: Floats) -> Pose:
    points, world = found.pose_landmarks[0], found.pose_world_landmarks[0]
    origin, back = place
    size = np.array([shape[1], shape[0]])
    joints = {}
    for name, number in _LANDMARKS.items():
        x, y = origin + np.array([points[number].x, points[number].y]) * size * back
        joints[name] = float(x), float(y)
    return Pose(
        frame,
        joints,
        {name: (world[n].x, world[n].y, world[n].z) for name, n in _LANDMARKS.items()},
    )
