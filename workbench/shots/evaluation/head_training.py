"""Training of the head of the 3D fit on simulated shots.

The unit is one table of training shots: the features of the fit and the truth. Interval widths and
the threshold of abstention come from cross-validated predictions; the held-out shots that results
are reported for are never used.

    python -m workbench.shots.evaluation.head_training --workers 2 --out head.json
"""

import argparse
import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression, QuantileRegressor
from sklearn.model_selection import KFold, cross_val_predict

from workbench.footage.pinhole import Floats
from workbench.shots.fit3d.head import LOG_FROM, PLACES, Head, LinearModel, Place, Scale
from workbench.shots.fit3d.question import ask
from workbench.shots.judge import CannotFitError, fit_shot
from workbench.simulated.shots import STANDARD, SimulationSettings, simulate_shot
from workbench.stats import wilson

FIRST_TRAINING_SEED = 10_000
TRAINING_SHOTS = 2000
VARIED_SHARE = 0.25  # of the shots, from phones and detectors unlike the standard ones

_FOLDS = 10
_ABSTAINS = 0.15  # of the standard shots; then 98 % of the others are right in cross-validation
_COVERS = 0.9  # of the true speeds lie in their intervals
_GOAL_PRIOR = 0.1  # strengths of regularisation: scikit-learn's C, and alpha for the speeds
_CORRECTION_PRIOR, _SPREAD_PRIOR = 0.01, 0.003
_LEAST_KMH = 0.05  # smaller errors are taken for this
_LABELS = (
    "seed", "standard", "is_goal", "fitted_foot", "fitted_line", "true_foot", "true_line",
)  # fmt: skip
_LOGARITHMS = (
    "speed_kmh", "speed_sd_kmh", "line_speed_kmh", "line_speed_sd_kmh", "event_y_sd", "margin_sd",
    "cost_per_observation", "miss_px", "kick_distance", "camera_distance", "kick_sd_s",
)  # fmt: skip

Item = TypeVar("Item")
Result = TypeVar("Result")


def collect(seeds: Sequence[int], workers: int = 1) -> pd.DataFrame:
    """Simulate and fit the shots of these seeds, and return one row for each that can be fitted.

    Columns: seed, is_goal, standard (whether it is filmed as the shots that results are reported
    for), fitted_foot, fitted_line, true_foot, true_line (km/h, NaN where there is no speed), and
    one for each feature.
    """
    measured = for_each(_measure, seeds, workers)
    return pd.DataFrame([row for row in measured if row is not None])


def for_each(
    work: Callable[[Item], Result], items: Sequence[Item], workers: int = 1
) -> list[Result]:
    """Results of `work`, in the order of the items, from this process or from several."""
    if workers <= 1:
        return [work(item) for item in items]
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        return pool.map(work, items, chunksize=8)


def number_or_nan(value: float | None) -> float:
    """The value; NaN where there is none."""
    return float("nan") if value is None else value


def vary(seed: int) -> SimulationSettings:
    """Settings for a training shot: mostly the standard, else another phone and detector.

    So that the head generalises to small pictures, other frame rates and better or worse detectors.
    """
    rng = np.random.default_rng([seed, 1])
    if rng.random() >= VARIED_SHARE:
        return STANDARD
    sizes = ((640, 360), (960, 540), (1280, 720), (1920, 1080))
    noise = rng.uniform(0.15, 1.5)
    return replace(
        STANDARD,
        fps=float(rng.choice([24.0, 25.0, 30.0, 50.0, 60.0])),
        image_wh=sizes[rng.integers(len(sizes))],
        focal_px_at_1920=(1200.0, 2200.0),
        noise_px=(noise, noise),
        gap_share=(0.02, 0.5),
        outlier_share=(0.0, 0.06),
        diameter_noise=(0.05, 0.20),
        people=(0, 10),
        kick_known_share=0.7,
    )


def train(rows: pd.DataFrame, seed: int = 0) -> Head:
    """Train a head on rows of `collect`: models on all shots, their scores by cross-validation."""
    names = [str(name) for name in rows if name not in _LABELS]
    columns = {name: rows[name].to_numpy(float) for name in names}
    scales = {name: _scale(name, values) for name, values in columns.items()}
    x = np.column_stack([[scales[name].of(v) for v in columns[name]] for name in columns])
    is_goal, standard = (rows[name].to_numpy(bool) for name in ("is_goal", "standard"))
    folds = KFold(_FOLDS, shuffle=True, random_state=seed)
    model = LogisticRegression(C=_GOAL_PRIOR, max_iter=5000)
    unseen = cross_val_predict(model, x, is_goal, cv=folds, method="predict_proba")[:, 1]
    model.fit(x, is_goal)
    certainty = np.maximum(unseen, 1 - unseen)
    sure_from = float(np.quantile(certainty[standard], _ABSTAINS))
    speeds = {place: _train_speed(rows, place, x, names, folds) for place in PLACES}
    return Head(
        scales=scales,
        goal=_as_line(float(model.intercept_[0]), names, model.coef_[0]),
        correction={place: correction for place, (correction, _) in speeds.items()},
        spread={place: spread for place, (_, spread) in speeds.items()},
        sure_from=round(sure_from, 4),
        trained=_promise(rows, unseen, sure_from),
    )


def _train_speed(
    rows: pd.DataFrame, place: Place, x: Floats, names: list[str], folds: KFold
) -> tuple[LinearModel, LinearModel]:
    """Models of the median of true over fitted speed, and of the 90 % quantile of the error left.

    The last step, after Romano, Patterson and Candès (2019), "Conformalized quantile regression",
    shifts the second model until it covers nine in ten of the shots it was not fitted to.
    """
    kmh = rows[[f"fitted_{place}", f"true_{place}"]].to_numpy(float)
    known = np.isfinite(kmh).all(axis=1)
    inputs, (fitted, true) = x[known], kmh[known].T
    ratio = np.log(true / np.maximum(fitted, _LEAST_KMH))
    middle = QuantileRegressor(quantile=0.5, alpha=_CORRECTION_PRIOR, solver="highs")
    corrected = fitted * np.exp(cross_val_predict(middle, inputs, ratio, cv=folds))
    off = np.log(np.maximum(np.abs(corrected - true), _LEAST_KMH))
    outer = QuantileRegressor(quantile=_COVERS, alpha=_SPREAD_PRIOR, solver="highs")
    unseen = cross_val_predict(outer, inputs, off, cv=folds)
    missing = float(np.quantile((off - unseen)[rows["standard"].to_numpy(bool)[known]], _COVERS))
    middle.fit(inputs, ratio)
    outer.fit(inputs, off)
    return (
        _as_line(float(middle.intercept_), names, middle.coef_),
        _as_line(float(outer.intercept_) + missing, names, outer.coef_),
    )


def _scale(name: str, values: Floats) -> Scale:
    logarithm = name in _LOGARITHMS
    if logarithm:
        values = np.log(np.maximum(values, 0) + LOG_FROM)
    low, high = np.quantile(values, [0.01, 0.99])
    kept = np.clip(values, low, high)
    sd = max(float(kept.std()), 1e-9)
    return Scale(_short(low), _short(high), _short(kept.mean()), _short(sd), logarithm)


def _as_line(start: float, names: list[str], weights: Floats) -> LinearModel:
    kept = {n: _short(w) for n, w in zip(names, weights, strict=True) if abs(w) > 1e-5}
    return LinearModel(_short(start), kept)


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _promise(rows: pd.DataFrame, probability: Floats, sure_from: float) -> dict[str, Any]:
    """Cross-validated scores on the standard training shots."""
    standard = rows["standard"].to_numpy(bool)
    said, true = probability[standard], rows["is_goal"].to_numpy(bool)[standard]
    right, sure = (said > 0.5) == true, np.maximum(said, 1 - said) >= sure_from
    return {
        "shots": len(rows),
        "standard_shots": len(true),
        "accuracy": wilson(int(right.sum()), len(right)).to_dict(),
        "accuracy_if_sure": wilson(int(right[sure].sum()), int(sure.sum())).to_dict(),
        "abstains": float(1 - sure.mean()),
        "brier": float(((said - true) ** 2).mean()),
    }


def _measure(seed: int) -> dict[str, float] | None:
    """Features and truth of one shot; None where nothing can be fitted."""
    settings = vary(seed)
    shot = simulate_shot(seed, settings)
    try:
        found = fit_shot(ask(**shot.question()))
    except CannotFitError:
        return None
    return {
        "seed": seed,
        "standard": settings == STANDARD,
        "is_goal": shot.is_goal,
        "fitted_foot": found.features["speed_kmh"],
        "fitted_line": number_or_nan(found.line_speed_kmh),
        "true_foot": shot.speed_kmh if shot.has_speed else np.nan,
        "true_line": number_or_nan(shot.line_speed_kmh),
        **found.features,
    }


def main() -> None:
    """Train a head and write it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shots", type=int, default=TRAINING_SHOTS, help="simulated shots")
    parser.add_argument("--first-seed", type=int, default=FIRST_TRAINING_SEED)
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.shots)
    head = train(collect(seeds, options.workers))
    head = replace(head, trained={"seeds": [seeds.start, seeds.stop], **head.trained})
    head.save(options.out)
    print(f"{options.out}: {head.trained}")


if __name__ == "__main__":
    main()
