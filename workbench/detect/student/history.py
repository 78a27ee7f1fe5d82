"""What is known of a run while it trains and afterwards: its steps and its epochs.

Plain values and the two files they are read in: `metrics.csv` for people, `summary.json`, which
also says that the run is finished.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import isnan
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.detect.dataset.coco_file import read_json
from workbench.saving import save_json, save_text

METRICS, SUMMARY = "metrics.csv", "summary.json"


@dataclass(frozen=True)
class Step:
    """How far training has come."""

    epoch: int  # from 1
    step: int  # of the epoch, from 1
    steps: int  # per epoch
    loss: float


@dataclass(frozen=True)
class Epoch:
    """One row of `metrics.csv`."""

    epoch: int  # from 1
    learning_rate: float  # the head's, at the last step
    train_loss: float
    valid_loss: float
    ap: float  # AP@50:95 on validation; of masks where the network has them
    ap50: float
    class_ap: dict[str, float]  # NaN where validation has no such object
    seconds: float


OnStep = Callable[[Step], None]
OnEpoch = Callable[[Epoch], None]


def best_epoch(history: Sequence[Epoch]) -> Epoch:
    """Return the epoch of the best AP; at a tie the lower validation loss, then the earlier."""
    return max(history, key=lambda e: (_or_zero(e.ap), -e.valid_loss, -e.epoch))


def to_frame(history: Sequence[Epoch]) -> pd.DataFrame:
    """Return epochs as a table, one column per class."""
    rows = []
    for epoch in history:
        row = asdict(epoch)
        class_ap = row.pop("class_ap")
        rows.append(row | {f"ap {name}": value for name, value in class_ap.items()})
    return pd.DataFrame(rows).set_index("epoch") if rows else pd.DataFrame()


def save_metrics(run_dir: Path, history: Sequence[Epoch]) -> None:
    """Write `metrics.csv`."""
    text = io.StringIO()
    to_frame(history).to_csv(text)
    save_text(run_dir / METRICS, text.getvalue())


def save_summary(run_dir: Path, history: Sequence[Epoch], parameters: int) -> None:
    """Write `summary.json`: with it, a run is finished."""
    rows: list[dict[str, Any]] = []
    for epoch in history:
        row = asdict(epoch)
        row["class_ap"] = {name: _or_none(ap) for name, ap in epoch.class_ap.items()}
        rows.append({key: _or_none(value) for key, value in row.items()})
    save_json(run_dir / SUMMARY, {"parameters": parameters, "history": rows})


def load_summary(run_dir: Path) -> tuple[tuple[Epoch, ...], int]:
    """Return the epochs of a finished run and the number of its weights."""
    content = read_json(run_dir / SUMMARY)
    history = []
    for row in content["history"]:
        class_ap = {name: _or_nan(ap) for name, ap in row["class_ap"].items()}
        history.append(
            Epoch(**{key: _or_nan(value) for key, value in row.items()} | {"class_ap": class_ap})
        )
    return tuple(history), int(content["parameters"])


def _or_none(value: Any) -> Any:
    return None if isinstance(value, float) and isnan(value) else value


def _or_nan(value: Any) -> Any:
    return float("nan") if value is None else value


def _or_zero(value: float) -> float:
    return 0.0 if isnan(value) else value
