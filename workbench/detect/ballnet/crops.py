"""Training crops on disk: five frames of a square of a picture, and the balls in it.

A crop is (S, S, 7) uint8: the colours of a frame, then the grey of its neighbours, with boxes in
pixels of the crop. A file holds the crops of one video; a group of files is drawn from with a share
of its own. Rendered footage comes with truth; in other videos balls are pasted (`pasting`) or
clicked by a person (`clicks`). Knows nothing about networks.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.detect.ballnet.boxes import Boxes, inside, moved
from workbench.detect.ballnet.network import CHANNELS, OFFSETS
from workbench.errors import DatasetError
from workbench.footage.clips import Clip
from workbench.footage.frames import iter_frames
from workbench.saving import replacing, save_json

SIDE = 176  # pixels of a stored crop; training cuts smaller ones out of it
Image = NDArray[np.uint8]

_AWAY = 60.0  # pixels: how far a ball lies from the middle of its crop
_AT_PEOPLE = 0.7  # share of crops without a wanted ball that are cut where somebody is


@dataclass(frozen=True)
class Crop:
    """One example."""

    image: Image  # (S, S, 7)
    boxes: Boxes
    unknown: bool = False  # whether there may be balls besides the boxes


@dataclass(frozen=True)
class CropFile:
    """The crops of one video."""

    path: Path  # .npy; what is known of them lies beside it as .json
    boxes: tuple[Boxes, ...]
    unknown: bool

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, place: int) -> Crop:
        return Crop(np.array(_mapped(self.path)[place]), self.boxes[place], self.unknown)


@lru_cache(maxsize=128)  # each keeps a file open
def _mapped(path: Path) -> Image:
    mapped: Image = np.load(path, mmap_mode="r")
    return mapped


def save_crops(path: Path, crops: Sequence[Crop], unknown: bool = False) -> CropFile:
    """Write the crops of a video; the boxes last: they say that the file is whole."""
    images = np.stack([crop.image for crop in crops] or [np.zeros((SIDE, SIDE, CHANNELS), "u1")])
    with replacing(path) as part:
        np.save(part, images[: len(crops)])
    rows = [crop.boxes.round(2).tolist() for crop in crops]
    save_json(path.with_suffix(".json"), {"unknown": unknown, "boxes": rows}, indent=None)
    return load_crops(path)


def load_crops(path: Path) -> CropFile:
    """Read what is known of a file of crops.

    Raises:
        DatasetError: If it is not one.
    """
    try:
        content = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        boxes = tuple(np.array(row, np.float32).reshape(-1, 4) for row in content["boxes"])
        return CropFile(path, boxes, bool(content["unknown"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{path} holds no crops ({error})", "delete the folder") from None


def make_crops(path: Path, make: Callable[[], Sequence[Crop]], unknown: bool = False) -> CropFile:
    """Return the crops in a file, made first if it is not there."""
    if path.with_suffix(".json").exists():
        return load_crops(path)
    return save_crops(path, make(), unknown)


def grey_of(image: Image) -> Image:
    """Grey of an RGB image, (H, W)."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def stack_frames(colour: Image, greys: Sequence[Image]) -> Image:
    """The picture a network sees: (H, W, 7) of a frame and the grey of its four neighbours."""
    return np.dstack([colour, *greys])


@dataclass(frozen=True)
class Film:
    """The frames of a short clip with their grey, to cut crops from."""

    frames: Sequence[Image]
    greys: Sequence[Image]

    @classmethod
    def read(cls, path: Path, size_wh: tuple[int, int] | None = None) -> "Film":
        """Read a clip whole."""
        frames = [frame.image for frame in iter_frames(path, size_wh=size_wh, skip_lost=True)]
        return cls(frames, [grey_of(image) for image in frames])

    def cut(self, frame: int, middle_xy: tuple[float, float], balls: Boxes) -> Crop:
        """Cut a crop around a point; it is moved inwards where it would leave the picture."""
        height, width = self.greys[frame].shape
        x, y = (
            int(np.clip(round(at - SIDE / 2), 0, max(0, side - SIDE)))
            for at, side in zip(middle_xy, (width, height), strict=True)
        )
        window = slice(y, y + SIDE), slice(x, x + SIDE)
        last = len(self.frames) - 1
        greys = [self.greys[min(max(frame + off, 0), last)][window] for off in OFFSETS]
        part = stack_frames(self.frames[frame][window], greys)
        image = np.zeros((SIDE, SIDE, CHANNELS), np.uint8)
        image[: part.shape[0], : part.shape[1]] = part
        return Crop(image, inside(moved(balls, -x, -y), SIDE))


@dataclass(frozen=True)
class Scene:
    """What is known of each frame of a rendered clip."""

    balls: Sequence[Boxes]
    people: Sequence[NDArray[np.float32]]  # (J, 2) where joints are

    @classmethod
    def load(cls, path: Path) -> "Scene":
        """Read the truth of a rendered clip."""
        content = json.loads(path.read_text(encoding="utf-8"))
        frames = {row["id"]: row["frame"] for row in content["images"]}
        names = {row["id"]: row["name"] for row in content["categories"]}
        balls: list[list[list[float]]] = [[] for _ in frames]
        people: list[list[list[float]]] = [[] for _ in frames]
        for row in content["annotations"]:
            frame = frames[row["image_id"]]
            if names[row["category_id"]] == "ball":
                x, y, width, height = row["bbox"]
                balls[frame].append([x, y, x + width, y + height])
            elif names[row["category_id"]] == "person":
                joints = np.reshape(row["keypoints"], (-1, 3))[:, :2]
                people[frame] += joints.tolist()
        return cls(
            [np.array(rows, np.float32).reshape(-1, 4) for rows in balls],
            [np.array(rows, np.float32).reshape(-1, 2) for rows in people],
        )


def crops_of_clip(
    clip: Clip, footage_dir: Path, count: int, rng: np.random.Generator
) -> list[Crop]:
    """Crops of a rendered clip: `count` with a ball, half as many where there may be none."""
    assert clip.truth is not None
    film, scene = Film.read(footage_dir / clip.file), Scene.load(footage_dir / clip.truth)
    frames = min(len(film.frames), len(scene.balls))
    crops = []
    for frame in rng.permutation(frames)[:count].tolist():
        balls = scene.balls[frame]
        if len(balls):
            x0, y0, x1, y1 = balls[rng.integers(len(balls))].tolist()
            off_x, off_y = rng.uniform(-_AWAY, _AWAY, 2)
            crops.append(film.cut(frame, ((x0 + x1) / 2 + off_x, (y0 + y1) / 2 + off_y), balls))
        if rng.random() < 0.5:
            crops.append(film.cut(frame, _elsewhere(film, scene, frame, rng), balls))
    return crops


def _elsewhere(
    film: Film, scene: Scene, frame: int, rng: np.random.Generator
) -> tuple[float, float]:
    height, width = film.greys[frame].shape
    people = scene.people[frame]
    if len(people) and rng.random() < _AT_PEOPLE:
        x, y = people[rng.integers(len(people))] + rng.uniform(-40, 40, 2)
        return float(x), float(y)
    return float(rng.uniform(0, width)), float(rng.uniform(0, height))
