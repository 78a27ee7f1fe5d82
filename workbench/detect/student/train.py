"""Fine-tuning RF-DETR on a COCO dataset: one folder per run, kept so that it can be killed.

The unit is the epoch. rfdetr's Lightning modules train; what is kept, when to stop and what to tell
is this package's (`keeper`). A run killed at any moment and started again goes on after its last
whole epoch and ends, on a CPU, in the very weights it would have had. Never looks at the test
split.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from workbench.detect.dataset.coco import ANNOTATIONS, load_dataset
from workbench.detect.dataset.coco_file import read_json
from workbench.detect.student.checkpoint import CONFIG, run_config
from workbench.detect.student.child import finetune_in_child
from workbench.detect.student.fitting import fit
from workbench.detect.student.history import (
    SUMMARY,
    Epoch,
    OnEpoch,
    OnStep,
    best_epoch,
    load_summary,
    to_frame,
)
from workbench.detect.student.recipe import HOW, FinetuneConfig
from workbench.detect.student.variants import StudentError, variant_named
from workbench.errors import DatasetError
from workbench.saving import save_json


@dataclass(frozen=True)
class FinetuneResult:
    """What a finished run came to."""

    run_dir: Path
    classes: tuple[str, ...]
    history: tuple[Epoch, ...]
    parameters: int

    @property
    def best(self) -> Epoch:
        """The epoch that was kept."""
        return best_epoch(self.history)

    def to_frame(self) -> pd.DataFrame:
        """Return the epochs as a table."""
        return to_frame(self.history)

    def _repr_html_(self) -> str:
        line = (
            f"best epoch {self.best.epoch} of {len(self.history)}: validation AP {self.best.ap:.3f}"
            f", AP50 {self.best.ap50:.3f}; {self.parameters / 1e6:.1f} M parameters, "
            f"{sum(epoch.seconds for epoch in self.history):.0f} s"
        )
        table = self.to_frame()
        table = table.round({name: 4 for name in table if name != "learning_rate"})
        return line + table.to_html(float_format="{:.4g}".format)


def finetune(
    dataset_dir: Path,
    run_dir: Path,
    config: FinetuneConfig | None = None,
    *,
    on_step: OnStep | None = None,
    on_epoch: OnEpoch | None = None,
    own_process: bool = False,
) -> FinetuneResult:
    """Train on the split "train", choose the epoch on "valid", keep everything in `run_dir`.

    Where `run_dir` holds an unfinished run of the same settings and data, it is finished; where it
    holds a finished one, that is returned.

    Args:
        dataset_dir: COCO dataset with the splits train and valid, or crops of one.
        run_dir: The run's folder.
        config: Settings; the defaults train the tiny student.
        on_step: Called after every batch.
        on_epoch: Called after every epoch, with its validation scores.
        own_process: Train in another process; several GPUs always do. If a callback raises, or the
            kernel is interrupted, that process is killed.

    Raises:
        DatasetError: If the dataset is incomplete.
        StudentError: If the settings cannot be met, or `run_dir` holds a run of others.

    Example:
        >>> result = finetune(Path("data/crops"), Path("data/models/tiny"))  # doctest: +SKIP
        >>> result.best.class_ap["ball"]  # doctest: +SKIP
        0.21
    """
    config = config or FinetuneConfig()
    for name in ("epochs", "batch_size", "accumulate", "threads", "devices"):
        if getattr(config, name) < 1:
            raise StudentError(f"{name} is {getattr(config, name)}", "give 1 or more")
    classes = _claim(dataset_dir, run_dir, config)
    if not (run_dir / SUMMARY).exists():
        if own_process or config.devices > 1:
            finetune_in_child(dataset_dir, run_dir, config, on_step=on_step, on_epoch=on_epoch)
        else:
            fit(dataset_dir, run_dir, config, on_step=on_step, on_epoch=on_epoch)
    history, parameters = load_summary(run_dir)
    return FinetuneResult(run_dir, classes, history, parameters)


def _claim(dataset_dir: Path, run_dir: Path, config: FinetuneConfig) -> tuple[str, ...]:
    """Write `config.json`, or check that it is this run's; returns the classes."""
    meta = load_dataset(dataset_dir).meta
    for split in ("train", "valid"):
        if not (dataset_dir / split / ANNOTATIONS).is_file():
            raise DatasetError(
                f"{dataset_dir} has no split {split}",
                "export a dataset of three sessions or more: one must be left to validate on",
            )
    variant = variant_named(config.variant)
    categories = read_json(dataset_dir / "train" / ANNOTATIONS)["categories"]
    names = [row["name"] for row in sorted(categories, key=lambda row: row["id"])]
    identity = {
        "dataset_version": meta["version"],
        "classes": names,
        "masks": variant.has_masks,
        "tile_px": meta.get("crops_of", {}).get("recipe", {}).get("side_px"),
        **{key: value for key, value in asdict(config).items() if key not in HOW},
    }
    if (run_dir / CONFIG).exists():
        theirs = run_config(run_dir)
        changed = [key for key, value in identity.items() if theirs.get(key) != value]
        if changed:
            key = changed[0]
            raise StudentError(
                f"{run_dir} holds a run with {key} {theirs.get(key)!r}, not {identity[key]!r}",
                "train into another folder, or delete it",
            )
    else:
        save_json(run_dir / CONFIG, identity)
    return tuple(names)
