"""Training pictures that show small things large: crops of a COCO dataset, as another one.

A detector that squeezes a frame into its input loses a ball of five pixels. It learns from pieces
of the frame at full resolution instead, and later looks at tiles of the same size (`tiles`). The
unit is one crop with the labels in it; whole frames take part, for what is larger than a crop.
Knows nothing about the network.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.detect.dataset.coco import (
    ANNOTATIONS,
    CocoDataset,
    DatasetWriter,
    load_dataset,
    to_jpeg,
)
from workbench.detect.detections import encode_mask, xywh_of
from workbench.detect.scores.inputs import load_ground_truth
from workbench.detect.segmentation import to_mask
from workbench.errors import DatasetError
from workbench.footage.clips import Origin
from workbench.training.versions import META

_SMALL = 0.25  # an object is small if its longer side is less than this share of a crop's

Annotation = dict[str, Any]
Image = NDArray[np.uint8]
Box = tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels of the frame


@dataclass(frozen=True)
class CropRecipe:
    """Which crops are taken of every frame, and how they vary."""

    side_px: int = 128  # of a crop before zooming: the side of a tile when predicting
    around_small: int = 4  # crops around each small object
    around_large: int = 1  # and around each other
    elsewhere: int = 1  # crops anywhere
    whole: bool = True  # the frame as it is, too
    most: int | None = None  # crops of a split at most, drawn from all; validation has a quarter
    zoom: tuple[float, float] = (0.75, 1.35)  # a crop's side varies by this factor
    colour: float = 0.2  # brightness of each channel varies by up to this share
    least_visible: float = 0.35  # share of an object that must be in a crop to count as seen
    seed: int = 0


def make_crops(dataset_dir: Path, out_dir: Path, recipe: CropRecipe | None = None) -> CocoDataset:
    """Write crops of the splits train and valid as a COCO dataset that names data and recipe.

    Crops of validation frames are plain: one per small object and one elsewhere, unzoomed. What is
    there already of the same data and recipe is kept.

    Raises:
        DatasetError: If there is no dataset, or a split of it is missing.
    """
    recipe = recipe or CropRecipe()
    source = load_dataset(dataset_dir).meta
    as_read = json.loads(json.dumps(asdict(recipe)))  # tuples are lists in JSON
    crops_of = {"version": source["version"], "recipe": as_read}
    if (out_dir / META).exists() and load_dataset(out_dir).meta.get("crops_of") == crops_of:
        return load_dataset(out_dir)
    quarter = None if recipe.most is None else max(1, recipe.most // 4)
    valid = replace(
        recipe, around_small=1, around_large=0, zoom=(1.0, 1.0), colour=0.0, most=quarter
    )
    writer = DatasetWriter(out_dir, source["classes"])
    for split, split_recipe in (("train", recipe), ("valid", valid)):
        _crop_split(dataset_dir, split, split_recipe, writer)
    origin = Origin(source.get("source", ""), source.get("licence", ""), source.get("caveat"))
    return writer.finish(origin, crops_of=crops_of)


def _crop_split(dataset_dir: Path, split: str, recipe: CropRecipe, writer: DatasetWriter) -> None:
    content = load_ground_truth(split_file(dataset_dir, split), "bbox")
    image_to_labels: dict[Any, list[Annotation]] = {}
    for label in content["annotations"]:
        image_to_labels.setdefault(label["image_id"], []).append(label)
    rng = np.random.default_rng(recipe.seed)
    plan = [
        (image, box)
        for image in content["images"]
        for box in _boxes(image_to_labels.get(image["id"], []), image, recipe, rng)
    ]
    if recipe.most is not None and recipe.most < len(plan):
        drawn = rng.choice(len(plan), recipe.most, replace=False)
        plan = [plan[place] for place in sorted(drawn)]
    for image, boxes in groupby(plan, key=lambda one: one[0]):
        labels = image_to_labels.get(image["id"], [])
        hw = image["height"], image["width"]
        masks = [
            to_mask(label["segmentation"], *hw) if label.get("segmentation") else None
            for label in labels
        ]
        frame = read_image(dataset_dir / split / image["file_name"])
        for number, (_, box) in enumerate(boxes):
            x0, y0, x1, y1 = box
            crop = _varied(frame[y0:y1, x0:x1], recipe, rng)
            seen = (
                label | part
                for label, mask in zip(labels, masks, strict=True)
                if (part := _seen_in(label, mask, box, recipe.least_visible)) is not None
            )
            name = f"{image['file_name'].removesuffix('.jpg')}_{number:02d}.jpg"
            size = {"width": x1 - x0, "height": y1 - y0, "crop_xyxy": list(box)}
            writer.add(split, name, to_jpeg(crop), image | size, list(seen))


def split_file(dataset_dir: Path, split: str) -> Path:
    """Return the file with a split's annotations.

    Raises:
        DatasetError: If the dataset has no such split.
    """
    path = dataset_dir / split / ANNOTATIONS
    if not path.is_file():
        raise DatasetError(f"{dataset_dir} has no split {split}", "export three sessions or more")
    return path


def read_image(path: Path) -> Image:
    """Read a picture as RGB (H, W, 3).

    Raises:
        DatasetError: If it is absent or cannot be decoded.
    """
    picture = cv2.imread(str(path))
    if picture is None:
        raise DatasetError(f"{path} is not a picture", "export the dataset anew")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def _boxes(
    labels: Sequence[Annotation],
    image: dict[str, Any],
    recipe: CropRecipe,
    rng: np.random.Generator,
) -> Iterator[Box]:
    """Yield the crops of one frame: around its objects, elsewhere, the whole."""
    wh = np.array([image["width"], image["height"]])
    centres = []
    for label in labels:
        x, y, width, height = label["bbox"]
        is_small = max(width, height) < _SMALL * recipe.side_px
        times = recipe.around_small if is_small else recipe.around_large
        # Anywhere in the object: of a large one, other parts are seen each time.
        centres += [np.array([x, y]) + rng.random(2) * [width, height] for _ in range(times)]
    places = [(centre, 0.7) for centre in centres]
    places += [(rng.random(2) * wh, 0.0) for _ in range(recipe.elsewhere)]
    for centre, spread in places:
        side = round(recipe.side_px * float(rng.uniform(*recipe.zoom)))
        side = int(min(side, *wh))
        corner = centre - side / 2 + spread * side * (rng.random(2) - 0.5)
        x0, y0 = (int(value) for value in np.clip(corner.round(), 0, wh - side))
        yield x0, y0, x0 + side, y0 + side
    if recipe.whole:
        yield 0, 0, int(wh[0]), int(wh[1])


def _varied(crop: Image, recipe: CropRecipe, rng: np.random.Generator) -> Image:
    """Change the light of a crop: the brightness of all channels, and of each a little."""
    if not recipe.colour:
        return crop
    gain = 1 + recipe.colour * rng.uniform(-1, 1) + recipe.colour / 3 * rng.uniform(-1, 1, 3)
    return np.asarray((crop * gain).clip(0, 255), np.uint8)


def _seen_in(
    label: Annotation, mask: NDArray[np.bool_] | None, box: Box, least: float
) -> Annotation | None:
    """Return what changes of a label seen in a crop; None if too little of it is in there."""
    x0, y0, x1, y1 = box
    if mask is not None:
        part = mask[y0:y1, x0:x1]
        if not part.any() or part.sum() < least * mask.sum():
            return None
        encoded = encode_mask(part)
        bbox, area = list(xywh_of(encoded)), int(part.sum())
        return {"bbox": bbox, "area": area, "segmentation": encoded}
    x, y, width, height = label["bbox"]
    left, top = max(x, x0), max(y, y0)
    across, down = min(x + width, x1) - left, min(y + height, y1) - top
    if across <= 0 or down <= 0 or across * down < least * width * height:
        return None
    return {"bbox": [left - x0, top - y0, across, down], "area": across * down}
