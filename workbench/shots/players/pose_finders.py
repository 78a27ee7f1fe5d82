"""The pose finders by name: MediaPipe's model, or a geometric guess without a model.

`mediapipe` is Google's PoseLandmarker on a crop around the player; `geometric` needs no model: it
guesses joints from the player's outline and the proportions of a standing body, good enough to
place the feet but not to measure angles.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from workbench.footage.pinhole import Floats
from workbench.shots.players.mediapipe_pose import MediaPipeFinder, find_model, obtain_model
from workbench.shots.players.pose import GEOMETRIC, Find, Image, Mask, Pose, PoseFinder
from workbench.shots.verdict import ShotError

# Heights of joints over the ground as shares of the body's height: Winter (2009), "Biomechanics and
# Motor Control of Human Movement", after Drillis and Contini (1966).
_HEIGHTS = {"head": 0.936, "shoulder": 0.818, "hip": 0.530, "knee": 0.285, "ankle": 0.039}
_HALF_WIDTHS = {"shoulder": 0.129, "hip": 0.0955}

_GUESS_NOTE = (
    "Joints are guessed from the outline: sides as seen from behind, no angles are measured"
)
_NO_MODEL = (
    "no pose model is there (put pose_landmarker_full.task into data/models, or ask for the "
    "finder mediapipe to download one). " + _GUESS_NOTE
)


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
    if name == "mediapipe":
        return MediaPipeFinder(obtain_model(model))
    if name == GEOMETRIC:
        return GeometricFinder()
    if name == "auto":
        path = find_model(model)
        return MediaPipeFinder(path) if path is not None else GeometricFinder(_NO_MODEL)
    raise ShotError(f"no pose finder is called {name!r}", "choose auto, mediapipe or geometric")


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
        """Yield the finder; nothing needs to be loaded."""
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
            if name in _HALF_WIDTHS:  # arms widen the outline at this height
                half = min(_HALF_WIDTHS[name] * height, (high - low) / 2)
                low, high = middle - half, middle + half
            else:  # joints are inside the leg, not on its outline
                inset = min(0.025 * height, (high - low) / 2)
                low, high = low + inset, high - inset
            joints[f"l_{name}"], joints[f"r_{name}"] = (low, y), (high, y)
        return Pose(frame, joints)


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
