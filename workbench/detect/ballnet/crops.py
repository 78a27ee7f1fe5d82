"""Training crops on disk: five frames of a square of a picture, the balls in it, and variations.

A crop is (S, S, 7) uint8: the colours of a frame, then the grey of its neighbours, with boxes
(K, 4) of left, top, right, bottom in its pixels. A file holds the crops of one video; a group of
files is drawn from with a share of its own. Variations are smaller cuts, zoom, mosaics, captions,
mirrors, time reversed; all randomness comes from the generator that is given. Knows nothing about
networks.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.detect.ballnet.network import CHANNELS, OFFSETS, Boxes
from workbench.errors import DatasetError
from workbench.footage.clips import Clip
from workbench.footage.frames import iter_frames
from workbench.saving import replacing, save_json


def moved(boxes: Boxes, x: float, y: float) -> Boxes:
    """Boxes seen from an origin that lies so far to the left and up.

    Example:
        >>> moved(np.zeros((1, 4), np.float32), 2, 1).tolist()
        [[2.0, 1.0, 2.0, 1.0]]
    """
    return boxes + np.array([x, y, x, y], np.float32)


def inside(boxes: Boxes, side: float) -> Boxes:
    """The boxes whose middles lie in a square from the origin."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    return boxes[((middle >= 0) & (middle < side)).all(axis=1)]


def iou(box: Boxes, boxes: Boxes) -> NDArray[np.float64]:
    """Overlap of one box (4,) with others (K,)."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=1)
    area = np.prod(box[2:] - box[:2]) + np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return np.asarray(common / np.maximum(area - common, 1e-9), float)


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


CUT = 128  # pixels of a training crop

_MOSAICS, _ZOOMS, _CAPTIONS = 0.12, 0.3, 0.3  # shares of crops
_MOST_ZOOM = 1.6
_ROUND_TEXT = "oO0QeagDGCSsBP8693 o0.:abcdefghijklmnopqrstuvwxyz"
_GREY = np.array([0.299, 0.587, 0.114])


def varied(draw: Callable[[], Crop], rng: np.random.Generator) -> Crop:
    """A training crop of `CUT` pixels made of one stored crop, or of four."""
    if rng.random() < _MOSAICS:
        crop = _mosaic(draw)
    else:
        crop = draw()
        if rng.random() < _ZOOMS:
            crop = _zoomed(crop, rng)
    if rng.random() < _CAPTIONS:
        crop = Crop(_captioned(crop, rng), crop.boxes, crop.unknown)
    x, y = rng.integers(0, SIDE - CUT + 1, 2).tolist()
    image = crop.image[y : y + CUT, x : x + CUT]
    boxes = inside(moved(crop.boxes, -x, -y), CUT)
    if rng.random() < 0.5:
        image, mirrored = image[:, ::-1], boxes[:, [2, 1, 0, 3]]
        mirrored[:, ::2] = CUT - mirrored[:, ::2]
        boxes = mirrored
    if rng.random() < 0.5:
        image = image[..., [0, 1, 2, 6, 5, 4, 3]]
    return Crop(_lit(np.ascontiguousarray(image), rng), boxes, crop.unknown)


def _mosaic(draw: Callable[[], Crop]) -> Crop:
    """Four crops at half size: far balls."""
    half = SIDE // 2
    image, boxes, unknown = np.zeros((SIDE, SIDE, 7), np.uint8), [], False
    for y in (0, half):
        for x in (0, half):
            crop = draw()
            image[y : y + half, x : x + half] = _warped(
                crop.image, lambda part: cv2.resize(part, (half, half), None, 0, 0, cv2.INTER_AREA)
            )
            boxes.append(moved(crop.boxes * np.float32(0.5), x, y))
            unknown |= crop.unknown
    return Crop(image, np.concatenate(boxes).astype(np.float32), unknown)


def _zoomed(crop: Crop, rng: np.random.Generator) -> Crop:
    zoom = float(rng.uniform(1, _MOST_ZOOM))
    x, y = rng.uniform(-(zoom - 1) * SIDE, 0, 2)
    matrix = np.array([[zoom, 0, x], [0, zoom, y]], np.float32)
    image = _warped(crop.image, lambda part: cv2.warpAffine(part, matrix, (SIDE, SIDE)))
    boxes = inside(moved(crop.boxes * np.float32(zoom), x, y), SIDE)
    return Crop(image, boxes, crop.unknown)


def _warped(image: Image, warp: Callable[[Image], object]) -> Image:
    """OpenCV takes at most four channels."""
    parts = (np.ascontiguousarray(image[..., :4]), np.ascontiguousarray(image[..., 4:]))
    return np.dstack([np.asarray(warp(part), np.uint8) for part in parts])


def _captioned(crop: Crop, rng: np.random.Generator) -> Image:
    """Captions, clocks, logos and painted spots: round, bright, still on the screen, no ball."""
    image = crop.image.copy()
    taken = _covered(crop.boxes)
    for _ in range(int(rng.integers(1, 4))):
        mark, softness, cover = _mark(rng), rng.uniform(0.3, 0.9), np.float32(rng.uniform(0.6, 1))
        white = rng.random() < 0.75
        colour = np.full(3, rng.uniform(180, 255)) if white else rng.uniform(0, 255, 3)
        x, y, width, height = cv2.boundingRect(mark)
        if width == 0 or ((mark > 0) & taken).any():
            continue
        window = slice(max(0, y - 2), y + height + 2), slice(max(0, x - 2), x + width + 2)
        soft = cv2.GaussianBlur(mark[window], (0, 0), softness).astype(np.float32)
        share = soft[..., None] * (cover / 255)
        painted = np.concatenate([colour, np.full(4, colour @ _GREY)]).astype(np.float32)
        image[window] = (image[window] * (1 - share) + painted * share).astype(np.uint8)
    return image


def _mark(rng: np.random.Generator) -> Image:
    mark = np.zeros((SIDE, SIDE), np.uint8)
    at = int(rng.integers(-20, SIDE)), int(rng.integers(8, SIDE))
    kind = rng.random()
    if kind < 0.7:
        letters = rng.integers(0, len(_ROUND_TEXT), rng.integers(1, 14))
        text = "".join(_ROUND_TEXT[place] for place in letters)
        font, size = int(rng.integers(0, 5)), float(rng.uniform(0.25, 1.0))
        cv2.putText(mark, text, at, font, size, (255,), int(rng.integers(1, 3)), cv2.LINE_AA)
    elif kind < 0.8:  # few: a ball may lie on a spot and look like one
        radius = rng.uniform(1.2, 6)
        axes = int(radius * 2) + 1, max(1, int(radius * 2 * rng.uniform(0.2, 0.45)))
        cv2.ellipse(mark, at, axes, 0, 0, 360, (255,), -1, cv2.LINE_AA)
    else:
        radius = int(rng.uniform(4, 12))
        cv2.circle(mark, at, radius, (255,), int(rng.integers(1, 4)), cv2.LINE_AA)
        low, high = (tuple(side + by * (radius // 2) for side in at) for by in (-1, 1))
        cv2.rectangle(mark, low, high, (200,), -1)
    return mark


def _covered(boxes: Boxes) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    taken = np.zeros((SIDE, SIDE), bool)
    for x0, y0, x1, y1 in boxes.astype(int).tolist():
        taken[max(0, y0 - 4) : y1 + 5, max(0, x0 - 4) : x1 + 5] = True
    return taken


def _lit(image: Image, rng: np.random.Generator) -> Image:
    """Another brightness, contrast and colour; noise in four of ten."""
    colour = np.ones((7, 1, 1), np.float32)
    colour[:3, 0, 0] = rng.uniform(0.92, 1.08, 3)
    lit = image.transpose(2, 0, 1) * (colour * np.float32(rng.uniform(0.7, 1.3)))
    lit += np.float32(rng.uniform(-20, 20))
    noise = rng.uniform(-8, 5)
    if noise > 0:
        lit += rng.standard_normal(lit.shape, np.float32) * np.float32(noise)
    return np.clip(lit, 0, 255).astype(np.uint8).transpose(1, 2, 0)
