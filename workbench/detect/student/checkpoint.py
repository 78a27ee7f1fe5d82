"""A student on disk: the checkpoint of its run, loaded from it, and an ONNX file for elsewhere.

The checkpoint is `best.pth`: weights only, as `rfdetr.from_checkpoint` reads them. What else a run
leaves is told in `training.folder`.
"""

import contextlib
import io
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.detect.dataset.coco_file import read_json
from workbench.detect.student.recipe import StudentError, quiet
from workbench.saving import replacing
from workbench.training.folder import CONFIG, run_config, save_checkpoint

BEST, THRESHOLDS = "best.pth", "thresholds.json"
_OPSET = 17  # of ONNX


@dataclass(frozen=True)
class Student:
    """A trained network, ready to predict, and what it needs to be fed."""

    model: Any  # an rfdetr.RFDETR
    run: str  # the run's name
    classes: tuple[str, ...]
    masks: bool
    tile_px: int | None  # side of the tiles it learned on; None: whole frames only
    thresholds: Mapping[str, float]  # per class, as chosen on validation; may be empty
    dataset_version: str


def save_student(
    path: Path, weights: Mapping[str, Any], model_config: Any, rfdetr_class: str, names: list[str]
) -> None:
    """Write a network as `rfdetr.from_checkpoint` reads it, in one step."""
    settings = model_config.model_dump() | {"pretrain_weights": None, "device": "cpu"}
    content = {
        "model": {name: value.detach().cpu() for name, value in weights.items()},
        "model_name": rfdetr_class,
        "model_config": settings,
        "args": {"class_names": names, "num_classes": len(names)},
    }
    save_checkpoint(path, content)


def load_student(run_dir: Path, device: str = "cpu") -> Student:
    """Load the best network of a run.

    Raises:
        StudentError: If the folder holds no finished epoch, or one of an incompatible version.
        WorkbenchError: If the run does not say what it is.
    """
    if not (run_dir / BEST).is_file():
        raise StudentError(f"{run_dir} holds no trained student", "train one, or name its folder")
    identity = run_config(run_dir)
    with quiet():
        from rfdetr import from_checkpoint

        try:
            model = from_checkpoint(str(run_dir / BEST), device=device)
        except Exception as error:  # rfdetr and torch raise whatever a broken byte leads to
            raise StudentError(
                f"{run_dir / BEST} does not fit this version of rfdetr ({type(error).__name__})",
                "train the student again",
            ) from None
    thresholds = run_dir / THRESHOLDS
    try:
        return Student(
            model,
            run_dir.name,
            tuple(identity["classes"]),
            bool(identity["masks"]),
            identity["tile_px"],
            read_json(thresholds) if thresholds.exists() else {},
            identity["dataset_version"],
        )
    except KeyError as error:
        raise StudentError(f"{run_dir / CONFIG} lacks {error}", "train the student again") from None


def export_onnx(student: Student, path: Path) -> Path:
    """Write the student as an ONNX file, for programs without torch; returns the path.

    The file takes pictures (N, 3, side, side), RGB in shares of 255, normalised by ImageNet's mean
    (0.485, 0.456, 0.406) and spread (0.229, 0.224, 0.225). It gives per query a box (centre x,
    centre y, width, height in shares of the picture) and a logit per class.

    Raises:
        StudentError: If rfdetr cannot export it.
    """
    with tempfile.TemporaryDirectory() as folder, quiet(), replacing(path) as part:
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                made = student.model.export(
                    output_dir=folder,
                    format="onnx",
                    opset_version=_OPSET,
                    dynamic_batch=True,
                    verbose=False,
                )
        except Exception as error:  # torch's exporters raise whatever they stumble over
            raise StudentError(
                f"{student.run} cannot be exported ({type(error).__name__}: {error})",
                "install rfdetr's export extra: onnx and onnxruntime",
            ) from error
        part.write_bytes(Path(made).read_bytes())
    return path
