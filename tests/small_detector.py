"""A COCO dataset of coloured discs and a student trained on it, small enough for a CPU."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from workbench.detect.dataset.coco import CocoDataset, DatasetWriter, to_jpeg
from workbench.detect.detections import encode_mask
from workbench.detect.student.recipe import FinetuneConfig
from workbench.footage.clips import OWN_FOOTAGE

CLASSES = ("person", "ball", "goal")
CONFIG = FinetuneConfig(resolution=64, epochs=3, batch_size=4, seed=3, device="cpu")
ONE_EPOCH = replace(CONFIG, epochs=1)
_COLOURS = ((220, 60, 40), (250, 250, 250), (40, 90, 220))


def make_dataset(
    folder: Path, *, train: int = 12, valid: int = 4, side: int = 64, masks: bool = False
) -> CocoDataset:
    """Write a dataset of one disc per image, of the class of its colour."""
    rng = np.random.default_rng(0)
    writer = DatasetWriter(folder, CLASSES)
    for split, count in (("train", train), ("valid", valid), ("test", valid)):
        for number in range(count):
            image = np.full((side, side, 3), (60, 130, 60), np.uint8)
            radius, category = int(rng.integers(5, 10)), number % len(CLASSES)
            x, y = (int(value) for value in rng.integers(radius, side - radius, 2))
            cv2.circle(image, (x, y), radius, _COLOURS[category], cv2.FILLED)
            size = 2 * radius + 1
            label: dict[str, Any] = {
                "category_id": category + 1,
                "bbox": [x - radius, y - radius, size, size],
                "area": size * size,
                "iscrowd": 0,
            }
            if masks:
                disc = cv2.circle(np.zeros((side, side), np.uint8), (x, y), radius, 1, cv2.FILLED)
                label["segmentation"] = encode_mask(disc)
            row = {"width": side, "height": side, "clip_id": f"{split}{number // 2}",
                   "session": split, "frame": number}  # fmt: skip
            writer.add(split, f"{number:03d}.jpg", to_jpeg(image), row, [label])
    return writer.finish(OWN_FOOTAGE, teachers=["discs"])
