"""A student on disk: the checkpoint of its run, loaded from it.

The checkpoint is `best.pth`: weights only, as `rfdetr.from_checkpoint` reads them; a lite student's
is `student.npz`. What else a run leaves is told in `training.folder`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.detect.dataset.coco_file import read_json
from workbench.detect.student.eye import Eye, RfDetrEye
from workbench.detect.student.recipe import StudentError, quiet
from workbench.training.folder import CONFIG, run_config, save_checkpoint

BEST, THRESHOLDS = "best.pth", "thresholds.json"
LITE = "student.npz"  # in place of `BEST` where the student is a lite one
SHIPPED_NAME = "lite"  # by which the student of the package is asked for


@dataclass(frozen=True)
class Student:
    """A trained network, ready to predict, and what it needs to be fed."""

    eye: Eye
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


def weights_file(run_dir: Path) -> Path:
    """Return the file with the best network of a run."""
    own = run_dir / LITE
    return own if own.is_file() else run_dir / BEST


def load_student(run_dir: Path, device: str = "cpu") -> Student:
    """Load the best network of a run.

    Raises:
        StudentError: If the folder holds no finished epoch, or one of an incompatible version.
        WorkbenchError: If the run does not say what it is.
    """
    path = weights_file(run_dir)
    if not path.is_file():
        raise StudentError(f"{run_dir} holds no trained student", "train one, or name its folder")
    identity = run_config(run_dir)
    eye: Eye
    if path.name == LITE:
        from workbench.detect.lite.predicting import LiteEye
        from workbench.detect.lite.stored import load_weights

        eye = LiteEye(load_weights(path).network, device)
    else:
        eye = _rf_detr_eye(path, device)
    thresholds = run_dir / THRESHOLDS
    try:
        return Student(
            eye,
            run_dir.name,
            tuple(identity["classes"]),
            bool(identity["masks"]),
            identity["tile_px"],
            read_json(thresholds) if thresholds.exists() else {},
            identity["dataset_version"],
        )
    except KeyError as error:
        raise StudentError(f"{run_dir / CONFIG} lacks {error}", "train the student again") from None


def shipped_student(device: str = "cpu") -> Student:
    """Load the lite student that is part of the package, as it learned on rendered footage."""
    from workbench.detect.lite.predicting import LiteEye
    from workbench.detect.lite.stored import load_weights

    network, facts = load_weights()
    eye = LiteEye(network, device)
    classes = tuple(facts["classes"])
    return Student(eye, SHIPPED_NAME, classes, False, None, facts.get("thresholds", {}), "rendered")


def _rf_detr_eye(path: Path, device: str) -> Eye:
    with quiet():
        from rfdetr import from_checkpoint

        try:
            model = from_checkpoint(str(path), device=device)
        except Exception as error:  # rfdetr and torch raise whatever a broken byte leads to
            raise StudentError(
                f"{path} does not fit this version of rfdetr ({type(error).__name__})",
                "train the student again",
            ) from None
    return RfDetrEye(model, bool(model.model_config.segmentation_head))
