"""The detector's dataset: a COCO folder with one subfolder per split, as trainers read it.

`train/`, `valid/` and `test/` each hold JPEG frames and `_annotations.coco.json`; a session is in
one split only. Which labels go in is a filter on raw labels (`labelling`), never a new labelling.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import pandas as pd

from workbench.detect.labelling import ClipLabels, coco_categories
from workbench.detect.teacher import CLASSES
from workbench.errors import DatasetError
from workbench.footage.clips import Clip
from workbench.footage.frames import sample_frames
from workbench.saving import save_bytes, save_json

DATASET_FORMAT = "workbench-coco/1"
JPEG_QUALITY = 95


@dataclass(frozen=True)
class CocoDataset:
    """What was written."""

    folder: Path
    meta: Mapping[str, Any]  # the content of dataset_meta.json

    def to_frame(self) -> pd.DataFrame:
        """Images and annotations per split."""
        return pd.DataFrame(self.meta["counts"]).T.rename_axis("split")


def export_dataset(
    clips: Sequence[Clip],
    labels: Sequence[ClipLabels],
    footage_dir: Path,
    out_dir: Path,
    session_to_split: Mapping[str, str],
    *,
    every: int = 5,
    min_score: float = 0.3,
) -> CocoDataset:
    """Write frames and accepted labels as a COCO dataset with `dataset_meta.json`.

    Args:
        clips: The clips that were labelled.
        labels: Their raw labels, in any order.
        footage_dir: Folder of `clips.json`.
        out_dir: The dataset's folder.
        session_to_split: "train", "valid" or "test" for every session.
        every: Take one frame out of so many: neighbours are nearly the same picture.
        min_score: Labels below are left out.

    Raises:
        DatasetError: If nothing was labelled.
        FootageError: If a clip cannot be read.
    """
    if not labels:
        raise DatasetError("no labelled clip", "label clips before exporting them")
    clip_to_labels = {clip_labels.clip_id: clip_labels for clip_labels in labels}
    splits: dict[str, dict[str, Any]] = {}
    for clip in sorted(clips, key=lambda clip: clip.clip_id):
        split = session_to_split[clip.session]
        content = splits.setdefault(
            split,
            {"info": {"description": f"{split} split", "version": DATASET_FORMAT}, "images": [],
             "annotations": [], "categories": coco_categories()},
        )  # fmt: skip
        _add_clip(
            content,
            clip,
            clip_to_labels[clip.clip_id],
            footage_dir,
            out_dir / split,
            every,
            min_score,
        )
    digest = hashlib.sha256()
    for split, content in sorted(splits.items()):
        digest.update(json.dumps(content, sort_keys=True).encode())
        save_json(out_dir / split / "_annotations.coco.json", content, indent=None)
    meta = {
        "format": DATASET_FORMAT,
        "version": digest.hexdigest()[:12],
        "classes": list(CLASSES),
        "counts": {split: _counts(content) for split, content in sorted(splits.items())},
        "sessions": {
            split: sorted(
                {clip.session for clip in clips if session_to_split[clip.session] == split}
            )
            for split in sorted(splits)
        },
        "teachers": sorted({clip_labels.teacher for clip_labels in labels}),
        "every": every,
        "min_score": min_score,
    }
    save_json(out_dir / "dataset_meta.json", meta)
    return CocoDataset(out_dir, meta)


def _add_clip(
    content: dict[str, Any],
    clip: Clip,
    labels: ClipLabels,
    footage_dir: Path,
    folder: Path,
    every: int,
    min_score: float,
) -> None:
    chosen = list(range(0, len(labels.frames), every))
    images = sample_frames(footage_dir / clip.file, chosen)
    for frame, image in zip(chosen, images, strict=True):
        image_id = len(content["images"]) + 1
        name = f"{clip.clip_id}_{frame:06d}.jpg"
        encoded, jpeg = cv2.imencode(
            ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        )
        assert encoded
        save_bytes(folder / name, jpeg.tobytes())
        content["images"].append(
            {"id": image_id, "file_name": name, "width": clip.width, "height": clip.height,
             "clip_id": clip.clip_id, "session": clip.session, "frame": frame}
        )  # fmt: skip
        for label in labels.frames[frame]:
            if label.get("score", 1.0) >= min_score:
                number = len(content["annotations"]) + 1
                content["annotations"].append(label | {"id": number, "image_id": image_id})


def _counts(content: dict[str, Any]) -> dict[str, int]:
    per_class = Counter(label["category_id"] for label in content["annotations"])
    named = {name: per_class[place + 1] for place, name in enumerate(CLASSES)}
    return {"images": len(content["images"]), **named}
