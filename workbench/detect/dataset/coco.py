"""The detector's dataset: a COCO folder with one subfolder per split, as trainers read it.

`train/`, `valid/` and `test/` each hold JPEG frames and `_annotations.coco.json`; a session is in
one split only. Which detections go in is decided by a filter, without labelling again.

Written here and not by supervision, whose writer makes every mask with a hole or of several parts a
crowd, which trainers drop, and loses scores; or autodistill's, which drops objects below 1 % of the
frame, every ball among them. Here nothing is too small, no object is a crowd, and score, teacher,
prompt and track stay with their object as extra keys.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.detect.dataset.coco_file import read_json
from workbench.detect.dataset.derived import derive_classes
from workbench.detect.detections import CLASSES, Detection, FrameDetections, accepted, to_coco
from workbench.detect.store import ClipDetections, LazyFrames, coco_categories, image_row
from workbench.engines.each import every as each_of
from workbench.engines.engine import Engine
from workbench.errors import DatasetError
from workbench.footage.clips import Clip, Origin, origin_of
from workbench.footage.frames import iter_frames
from workbench.saving import reading, save_bytes, save_json
from workbench.training.versions import META, meta_head

DATASET_FORMAT = "workbench-coco/1"
ANNOTATIONS = "_annotations.coco.json"
JPEG_QUALITY = 95
MIN_CHANGE = 6.0  # grey levels, see `Thinner`

_THUMBNAIL_WH = (64, 36)
_Written = tuple[str, bytes, dict[str, Any], list[dict[str, Any]]]  # name, digest, COCO rows
_COMPARED = 50  # frames that a new one is compared with: bounded for any length of clip


@dataclass(frozen=True)
class CocoDataset:
    """What was written."""

    folder: Path
    meta: Mapping[str, Any]  # the content of dataset_meta.json

    def to_frame(self) -> pd.DataFrame:
        """Images and annotations per split."""
        return pd.DataFrame(self.meta["counts"]).T.rename_axis("split")


def load_dataset(folder: Path) -> CocoDataset:
    """Read what `dataset_meta.json` says about a dataset.

    Raises:
        DatasetError: If the folder holds no dataset.
    """
    path = folder / META
    remedy = "run the stage label_clips first"
    with reading(path, "a dataset's", "export it anew", absent=remedy) as meta:
        if not isinstance(meta["counts"], dict) or not isinstance(meta["classes"], list):
            raise TypeError("counts or classes of another kind")
        return CocoDataset(folder, meta)


def accept_labels(
    labels: Sequence[ClipDetections], min_score: float | Mapping[str, float]
) -> list[ClipDetections]:
    """Return raw detections without those below a score; those without a score are accepted.

    Args:
        labels: Raw detections.
        min_score: Least score, one for all or per class (a class not named: 0).
    """
    return [
        replace(own, frames=LazyFrames(len(own.frames), partial(_accepted, own.frames, min_score)))
        for own in labels
    ]


def _accepted(
    frames: Sequence[FrameDetections], min_score: float | Mapping[str, float], frame: int
) -> FrameDetections:
    return accepted(frames[frame], min_score)


def export_dataset(
    clips: Sequence[Clip],
    labels: Sequence[ClipDetections],
    footage_dir: Path,
    out_dir: Path,
    session_to_split: Mapping[str, str],
    *,
    every: int = 5,
    min_score: float | Mapping[str, float] = 0.3,
    classes: Sequence[str] = CLASSES,
    min_change: float = MIN_CHANGE,
    engine: Engine | str | None = None,
) -> CocoDataset:
    """Write frames and accepted labels as a COCO dataset with `dataset_meta.json`.

    Which frames go in depends on the footage and on what a person has checked, not on the labels:
    two teachers' labels of the same clips give datasets with the same images and image ids.
    Checked frames always go in.

    Args:
        clips: The clips that were labelled.
        labels: Their raw labels, in any order.
        footage_dir: Folder of `clips.json`.
        out_dir: The dataset's folder; frames there that are not of this dataset are removed.
        session_to_split: "train", "valid" or "test" for every session.
        every: Take one frame out of so many: neighbours are nearly the same picture.
        min_score: Labels below are left out; one for all, or per class.
        classes: The base classes, or `derived.FIVE_CLASSES`. Derived ones follow from accepted
            labels only.
        min_change: Frames of a clip that differ less, in grey levels, are left out; 0 keeps all.
        engine: Where clips are decoded and their frames written (`make_engine`).

    Raises:
        DatasetError: If nothing was labelled.
        ItemsFailedError: If a clip cannot be read.
    """
    if not labels:
        raise DatasetError("no labelled clip", "label clips before exporting them")
    clip_to_labels = {own.clip_id: own for own in accept_labels(labels, min_score)}
    writer, thinned = DatasetWriter(out_dir, classes), Counter[str]()
    by_id = {clip.clip_id: clip for clip in sorted(clips, key=lambda clip: clip.clip_id)}
    jobs = {}
    for name, clip in by_id.items():
        folder = out_dir / session_to_split[clip.session]
        video = footage_dir / clip.file
        own = clip_to_labels[name]
        jobs[name] = _Job(clip, video, own, folder, every, tuple(classes), min_change)
    for name, (rows, left_out) in each_of(_write_frames, jobs, "clips", engine=engine).items():
        split = session_to_split[by_id[name].session]
        for row in rows:
            writer.remember(split, *row)
        thinned[split] += left_out
    teachers = {one.found_by for own in labels for found in own.frames for one in found}
    return writer.finish(
        origin_of(clips),
        sessions=_by_split(clips, session_to_split),
        teachers=sorted(teachers or {own.found_by for own in labels}),
        every=every,
        min_score=dict(min_score) if isinstance(min_score, Mapping) else min_score,
        min_change=min_change,
        thinned=dict(sorted(thinned.items())),
    )


@dataclass(frozen=True)
class _Job:
    """One clip whose frames go into a dataset, as another process is told of it."""

    clip: Clip
    video: Path
    labels: ClipDetections  # those that are accepted
    folder: Path  # of its split
    every: int
    classes: tuple[str, ...]
    min_change: float


def _write_frames(job: _Job) -> tuple[list[_Written], int]:
    """Write a clip's frames; return what was written, and how many were left out as alike."""
    clip, own, every = job.clip, job.labels, job.every
    thinner, written = Thinner(job.min_change), list[_Written]()
    # Checked frames go in whatever the grid. A label file may be shorter than its clip:
    # unlabelled frames are not negatives.
    step = every if all(number % every == 0 for number in own.checked) else 1
    frames = iter_frames(job.video, step=step)
    for frame in islice(frames, len(range(0, len(own.frames), step))):
        is_checked = frame.index in own.checked
        is_on_grid = frame.index % every == 0 and frame.index not in own.unseen
        if not is_checked and not (is_on_grid and thinner.keeps(frame.image)):
            continue
        found: Sequence[Detection] = own.frames[frame.index]
        if len(job.classes) > len(CLASSES):
            found = derive_classes(found, own.height, own.width)
        image = image_row(clip.clip_id, frame.index, (clip.width, clip.height))
        image["session"] = clip.session
        name, content = f"{clip.clip_id}_{frame.index:06d}.jpg", to_jpeg(frame.image)
        save_bytes(job.folder / name, content)
        annotations = [to_coco(one, job.classes) for one in found]
        written.append((name, hashlib.sha256(content).digest(), image, annotations))
    return written, thinner.left_out


class Thinner:
    """Says of one frame after another whether it differs from those that are kept already.

    The distance of two frames is the largest change of any cell of a coarse grey grid: by the mean
    over the frame, all frames of a tripod would be alike although the ball flies. A ball of four
    pixels in a picture 640 wide changes its cell by about ten grey levels; noise and compression
    change it by one to three.

    Args:
        min_change: Least distance, in grey levels (0–255), from all of the last frames kept; 0
            keeps every frame.

    Example:
        >>> thinner = Thinner(min_change=6)
        >>> black = np.zeros((90, 160, 3), np.uint8)
        >>> thinner.keeps(black), thinner.keeps(black), thinner.left_out
        (True, False, 1)
    """

    def __init__(self, min_change: float) -> None:
        self.min_change = min_change
        self.left_out = 0
        self._kept: list[NDArray[np.int16]] = []

    def keeps(self, image: NDArray[np.uint8]) -> bool:
        """Say whether a frame (H, W, 3) differs from those kept; remember it if so."""
        if self.min_change <= 0:
            return True
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        small = cv2.resize(grey, _THUMBNAIL_WH, interpolation=cv2.INTER_AREA).astype(np.int16)
        if any(np.abs(small - kept).max() < self.min_change for kept in reversed(self._kept)):
            self.left_out += 1
            return False
        self._kept = [*self._kept, small][-_COMPARED:]
        return True


class FreeNames:
    """The names of pictures that are still to be had in each split."""

    def __init__(self) -> None:
        self._taken: set[tuple[str, str]] = set()

    def take(self, split: str, file_name: str) -> None:
        """Take a name.

        Raises:
            DatasetError: If it is taken: one picture would replace another.
        """
        name = split, file_name.casefold()  # some file systems do not tell cases apart
        if name in self._taken:
            raise DatasetError(
                f"two pictures of the split {split} would be called {file_name}",
                "rename one of them, in its file and in the COCO file",
            )
        self._taken.add(name)


class DatasetWriter:
    """Writes a dataset image by image; it stands when `finish` has written what it holds.

    Args:
        out_dir: The dataset's folder.
        classes: Class names; category ids count from 1 in this order.
    """

    def __init__(self, out_dir: Path, classes: Sequence[str]) -> None:
        self.out_dir, self.classes = out_dir, tuple(classes)
        self._splits: dict[str, dict[str, Any]] = {}
        self._digest = hashlib.sha256()
        self._names = FreeNames()

    def add(
        self,
        split: str,
        file_name: str,
        content: bytes,
        image: Mapping[str, Any],
        annotations: Sequence[Mapping[str, Any]],
    ) -> None:
        """Write one image and remember its annotations, both under new ids.

        Args:
            split: "train", "valid" or "test".
            file_name: Within the split's folder.
            content: The encoded image.
            image: Its COCO row: width, height and what else is known.
            annotations: COCO annotations with the ids of `classes`.

        Raises:
            DatasetError: If the split has an image of this name.
        """
        self.remember(split, file_name, hashlib.sha256(content).digest(), image, annotations)
        save_bytes(self.out_dir / split / file_name, content)

    def remember(
        self,
        split: str,
        file_name: str,
        digest: bytes,
        image: Mapping[str, Any],
        annotations: Sequence[Mapping[str, Any]],
    ) -> None:
        """Remember an image that is there, by the SHA-256 of its content, as `add` does.

        Raises:
            DatasetError: If the split has an image of this name.
        """
        self._names.take(split, file_name)
        coco = self._splits.setdefault(
            split,
            {"info": {"description": f"{split} split", "version": DATASET_FORMAT}, "images": [],
             "annotations": [], "categories": coco_categories(self.classes)},
        )  # fmt: skip
        self._digest.update(digest)
        image_id = len(coco["images"]) + 1
        coco["images"].append({**image, "id": image_id, "file_name": file_name})
        for annotation in annotations:
            number = len(coco["annotations"]) + 1
            coco["annotations"].append({**annotation, "id": number, "image_id": image_id})

    def finish(self, origin: Origin, **facts: Any) -> CocoDataset:
        """Write the annotations and `dataset_meta.json`, and remove what an older dataset left.

        Args:
            origin: Source, licence and caveat.
            **facts: What else to keep in `dataset_meta.json`.
        """
        before = _files_of(self.out_dir)
        for split, coco in sorted(self._splits.items()):
            self._digest.update(json.dumps(coco, sort_keys=True).encode())
            save_json(self.out_dir / split / ANNOTATIONS, coco, indent=None)
        version = self._digest.hexdigest()[:12]
        meta = {
            **meta_head(self.out_dir, DATASET_FORMAT, version, origin),
            "classes": list(self.classes),
            "counts": {
                split: _counts(coco, self.classes) for split, coco in sorted(self._splits.items())
            },
            **facts,
        }
        written = {
            self.out_dir / split / name
            for split, coco in self._splits.items()
            for name in (ANNOTATIONS, *(image["file_name"] for image in coco["images"]))
        }
        for path in before - written:
            path.unlink(missing_ok=True)
        save_json(self.out_dir / META, meta)
        return CocoDataset(self.out_dir, meta)


def to_jpeg(image: NDArray[np.uint8]) -> bytes:
    """Encode an RGB image (H, W, 3)."""
    encoded, jpeg = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    assert encoded
    return jpeg.tobytes()


def _by_split(clips: Sequence[Clip], session_to_split: Mapping[str, str]) -> dict[str, list[str]]:
    split_to_sessions = defaultdict(set)
    for clip in clips:
        split_to_sessions[session_to_split[clip.session]].add(clip.session)
    return {split: sorted(sessions) for split, sessions in sorted(split_to_sessions.items())}


def _counts(coco: Mapping[str, Any], classes: Sequence[str]) -> dict[str, int]:
    per_class = Counter(label["category_id"] for label in coco["annotations"])
    named = {name: per_class[place + 1] for place, name in enumerate(classes)}
    return {"images": len(coco["images"]), **named}


def _files_of(folder: Path) -> set[Path]:
    """The files of the dataset that is there, if there is one."""
    files: set[Path] = set()
    if (folder / META).is_file():
        for path in (folder / split / ANNOTATIONS for split in load_dataset(folder).meta["counts"]):
            names = [Path(image["file_name"]).name for image in read_json(path)["images"]]
            files |= {path, *(path.parent / name for name in names)}
    return files
