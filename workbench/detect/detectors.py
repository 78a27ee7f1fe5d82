"""Detectors by name or path, each as a function from pictures to boxes of its own classes.

RF-DETR with its own weights, torchvision's detectors, ONNX files and the students trained here.
Weights that are missing are fetched on first use and checked. Knows nothing about which classes are
wanted, nor about video.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import supervision as sv
from numpy.typing import NDArray

from workbench.detect.onnx_detector import OnnxDetector
from workbench.detect.student.checkpoint import (
    SHIPPED_NAME,
    Student,
    load_student,
    shipped_student,
    weights_file,
)
from workbench.detect.student.eye import RfDetrEye
from workbench.detect.student.predict import detect_batch
from workbench.detect.student.recipe import VARIANTS, quiet
from workbench.training.weights import WeightsError, fetch_pinned, weights_identity

Image = NDArray[np.uint8]  # (H, W, 3) RGB
RFDETR_NAMES = tuple(name for name in VARIANTS if not name.endswith("tiny"))
OWN_NAMES = (*RFDETR_NAMES, SHIPPED_NAME)
DETECTOR_VARIABLE = "WORKBENCH_DETECTOR"  # of the environment: a name or path
DEFAULT_DETECTOR = "nano"
_PUBLISHED = {"large": "large-2026", "seg-2xlarge": "seg-xxlarge"}  # file names, where others
_CHECKPOINTS = (".pth", ".pt", ".ckpt")
_LEFT_RANDOM = "left at random init"  # what rfdetr says of weights that a file lacks
_COCO_CLASSES, _COCO_SLOTS = 80, 91  # numbered without and with the gaps in COCO's ids


@dataclass(frozen=True)
class Detector:
    """A detector that is ready."""

    name: str
    classes: tuple[str, ...]  # its own, by class id
    identity: str  # changes when its weights do
    # Pictures of any sizes and the least score, to what is in each, in order.
    see: Callable[[Sequence[Image], float], list[sv.Detections]]
    is_slow: bool = False  # takes half a second a picture or more


def named_detector() -> str | None:
    """The name or path in the environment's WORKBENCH_DETECTOR; None if there is none."""
    return os.environ.get(DETECTOR_VARIABLE) or None


def load_detector(
    name: str,
    weights: Path | str | None = None,
    class_names: Sequence[str] | None = None,
    device: str = "auto",
) -> Detector:
    """Make a detector ready, fetching its weights where they are not on this machine yet.

    Args:
        name: The path of an ONNX file, of a checkpoint of RF-DETR or of a student's run; or the
            name of an RF-DETR (nano, small, …) or of one of torchvision's detectors; or "lite".
        weights: Of a detector by name: a local file in place of the published one.
        class_names: Of an ONNX file that does not know COCO's classes.
        device: auto, cpu, cuda.

    Raises:
        WeightsError: If there is no such detector, or its weights are missing, cannot be had, or
            are another network's.
        StudentError: If a run holds no student.
    """
    from workbench.training.compute import choose_device

    where = str(choose_device(device))
    path = Path(name).expanduser()
    if path.suffix == ".onnx":
        return _from_onnx(_there(path), class_names, where)
    if path.suffix in _CHECKPOINTS:
        return _from_checkpoint(_there(path), where)
    if path.is_dir():
        return _from_student(load_student(path, where), weights_file(path))
    if name == SHIPPED_NAME:
        from workbench.detect.lite.stored import SHIPPED

        return _from_student(shipped_student(where), SHIPPED)
    if name in RFDETR_NAMES:
        return _from_rfdetr(name, _there(Path(weights)) if weights else None, where)
    check_detector(name)
    return _from_torchvision(name, _there(Path(weights)) if weights else None, where)


def check_detector(name: str) -> None:
    """Refuse what names no detector, or a file that holds none; nothing is fetched.

    Raises:
        WeightsError: If there is no such detector, or the file is another network's.
    """
    path = Path(name).expanduser()
    if path.suffix == ".onnx":
        OnnxDetector(_there(path))
    elif path.suffix in _CHECKPOINTS:
        _from_checkpoint(_there(path), "cpu")
    elif not path.is_dir() and name not in _names():
        raise WeightsError(
            f"no detector {name!r}",
            f"give a file, a run's folder, {', '.join(OWN_NAMES)}, or a name of torchvision's",
        )


def _names() -> list[str]:
    return [*OWN_NAMES, *_torchvision_names()]


def _there(path: Path) -> Path:
    path = path.expanduser()
    if not path.is_file():
        raise WeightsError(f"no weights at {path}", "give the path of a file that is there")
    return path


def _from_onnx(path: Path, class_names: Sequence[str] | None, device: str) -> Detector:
    import torch

    made = OnnxDetector(path, device, threads=torch.get_num_threads())
    classes = tuple(class_names or _coco_names(made.class_count))
    # DETRs have one logit more than classes.
    if len(classes) not in (made.class_count, made.class_count - 1):
        raise WeightsError(
            f"{path} knows {made.class_count} classes, and {len(classes)} have names",
            "give all their names, in order, as class_names",
        )
    return Detector(path.stem, classes, weights_identity(path), made.see)


def _coco_names(count: int) -> list[str]:
    """COCO's names by class id for a network of so many classes; none if they are not COCO's."""
    from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights

    names: list[str] = FasterRCNN_ResNet50_FPN_Weights.DEFAULT.meta["categories"]
    if count == _COCO_SLOTS:
        return names
    known = [name for name in names if name not in ("__background__", "N/A")]
    return known if count == _COCO_CLASSES else []


def _from_checkpoint(path: Path, device: str) -> Detector:
    with quiet():
        from rfdetr import from_checkpoint

        try:
            model = from_checkpoint(str(path), device=device)
        except Exception as error:  # rfdetr and torch raise whatever a broken byte leads to
            raise WeightsError(
                f"{path} holds no RF-DETR ({_first_line(error)})",
                "give weights of RF-DETR, or say whose they are: detector=nano, weights=FILE",
            ) from None
    return _ready_rfdetr(model, path.stem, path, device)


def _from_rfdetr(name: str, path: Path | None, device: str) -> Detector:
    import rfdetr
    from rfdetr.assets.model_weights import ModelWeights, get_model_cache_dir

    made_by = getattr(rfdetr, VARIANTS[name].rfdetr_class)
    if path is None:
        published = f"rf-detr-{_PUBLISHED.get(name, name)}.{'pt' if 'seg' in name else 'pth'}"
        file = ModelWeights.from_filename(published)
        if file is None:
            raise WeightsError(f"this rfdetr knows no {published}", "give a file as weights")
        path = Path(get_model_cache_dir()) / file.filename
        if not path.exists():
            fetch_pinned(file.url, f"md5:{file.md5_hash}", path)
    try:
        with quiet(), _complete():
            model = made_by(pretrain_weights=str(path.resolve()), device=device)
    except Exception as error:  # rfdetr and torch raise whatever a broken byte leads to
        raise WeightsError(
            f"{path} does not hold the weights of RF-DETR {name} ({_first_line(error)})",
            "give its own weights, or another detector",
        ) from None
    return _ready_rfdetr(model, name, path, device)


@contextmanager
def _complete() -> Iterator[None]:
    """Raise where rfdetr goes on with random weights because a file lacks some."""
    said: list[str] = []

    def note(record: logging.LogRecord) -> bool:
        said.append(record.getMessage())
        return False

    logger = logging.getLogger("rf-detr")
    logger.setLevel(logging.WARNING)
    logger.addFilter(note)
    try:
        yield
    finally:
        logger.removeFilter(note)
    if any(_LEFT_RANDOM in line for line in said):
        raise ValueError("some are missing")


def _ready_rfdetr(model: Any, name: str, path: Path, device: str) -> Detector:
    names = list(model.class_names)
    # Networks with COCO's weights answer with COCO's ids, which have gaps.
    classes = tuple(_coco_names(_COCO_SLOTS) if len(names) == _COCO_CLASSES else names)
    masks = bool(model.model_config.segmentation_head)
    made = Student(RfDetrEye(model, masks), name, classes, masks, None, {}, "")
    return _from_student(made, path, is_slow=device == "cpu")


def _from_student(student: Student, path: Path, is_slow: bool = False) -> Detector:
    return Detector(
        student.run,
        student.classes,
        weights_identity(path),
        lambda images, least: list(detect_batch(student, least)(images)),
        is_slow=is_slow,
    )


def _torchvision_names() -> list[str]:
    from torchvision.models import detection, list_models

    return [name for name in list_models(module=detection) if "keypoint" not in name]


def _from_torchvision(name: str, path: Path | None, device: str) -> Detector:
    import torch
    from torchvision.models import get_model, get_model_weights

    published = get_model_weights(name).DEFAULT
    if path is None:
        path = Path(torch.hub.get_dir()) / "checkpoints" / published.url.rpartition("/")[2]
        if not path.exists():
            fetch_pinned(published.url, path.stem.rpartition("-")[2], path)
    model = get_model(name, weights=None, weights_backbone=None, num_classes=_COCO_SLOTS)
    try:
        model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch raises whatever a broken byte leads to
        raise WeightsError(
            f"{path} does not hold the weights of {name} ({_first_line(error)})",
            "give its own weights, or another detector",
        ) from None
    see = partial(_see_torchvision, model.eval().to(device), device)
    classes = tuple(published.meta["categories"])
    return Detector(name, classes, weights_identity(path), see, is_slow=device == "cpu")


def _see_torchvision(
    model: Any, device: str, images: Sequence[Image], least: float
) -> list[sv.Detections]:
    import torch

    shown = [torch.from_numpy(image).to(device).permute(2, 0, 1) / 255 for image in images]
    with torch.inference_mode():
        answers = model(shown)
    found = []
    for answer in answers:
        sure = answer["scores"] >= least
        boxes, scores, labels = (
            answer[key][sure].float().cpu().numpy() for key in ("boxes", "scores", "labels")
        )
        found.append(
            sv.Detections(xyxy=boxes.reshape(-1, 4), confidence=scores, class_id=labels.astype(int))
        )
    return found


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]
