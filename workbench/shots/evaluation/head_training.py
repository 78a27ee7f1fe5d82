"""Training of the head of the 3D fit on simulated shots.

The unit is one table of training shots of several simulators: the features of the fit and the
truth. Interval widths and the threshold of abstention come from predictions for a simulator that
was left out, so that they hold in a world that nothing was fitted to; the held-out shots that
results are reported for are never used.

    python -m workbench.shots.evaluation.head_training --engine processes:2 --out head.json
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression, QuantileRegressor
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict

from workbench.engines.each import every
from workbench.footage.pinhole import Floats
from workbench.shots.fit3d.head import LOG_FROM, PLACES, Head, LinearModel, Place, Scale
from workbench.shots.fit3d.question import ask
from workbench.shots.judge import CannotFitError, fit_shot
from workbench.simulated.shots import STANDARD, SimulatedShot, SimulationSettings, simulate_shot
from workbench.simulated.tracked import SIMULATORS
from workbench.stats import wilson

FIRST_TRAINING_SEED = 10_000
TRAINING_SHOTS = 400  # of each simulator
VARIED_SHARE = 0.25  # of the usual ones, from phones and detectors unlike the standard ones

_ABSTAINS = 0.20  # of the shots of a simulator left out; then 97 % of the others are right
_COVERS = 0.9  # of the true speeds lie in their intervals
_GOAL_PRIOR = 0.1  # strengths of regularisation: scikit-learn's C, and alpha for the speeds
_CORRECTION_PRIOR, _SPREAD_PRIOR = 0.01, 0.003
_LEAST_KMH = 0.05  # smaller errors are taken for this
_LABELS = (
    "seed", "world", "kind", "is_goal", "caught_m", "boxes", "fitted_foot", "fitted_line",
    "true_foot", "true_line",
)  # fmt: skip
_LOGARITHMS = (
    "speed_kmh", "speed_sd_kmh", "line_speed_kmh", "line_speed_sd_kmh", "event_y_sd", "margin_sd",
    "cost_per_observation", "miss_px", "kick_distance", "camera_distance", "kick_sd_s",
)  # fmt: skip


def collect(seeds: Sequence[int], engine: str | None = None) -> pd.DataFrame:
    """Simulate and fit the shots of these seeds in every world; return those that can be fitted.

    Columns: seed, world (of `SIMULATORS`), kind, is_goal, caught_m (how far in front of the line a
    held ball was caught, NaN where none was), boxes (how many of people), fitted_foot, fitted_line,
    true_foot, true_line (km/h, NaN where there is no speed), and one for each feature.
    """
    shots = {f"{world} {seed}": (world, seed) for world in SIMULATORS for seed in seeds}
    measured = every(_measure, shots, "shots", engine=engine)
    return pd.DataFrame([row for row in measured.values() if row is not None])


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


def train(rows: pd.DataFrame) -> Head:
    """Train a head on rows of `collect`: models on all shots, their scores by worlds left out."""
    names = [str(name) for name in rows if name not in _LABELS]
    columns = {name: rows[name].to_numpy(float) for name in names}
    scales = {name: _scale(name, values) for name, values in columns.items()}
    x = np.column_stack([[scales[name].of(v) for v in columns[name]] for name in columns])
    is_goal, worlds = rows["is_goal"].to_numpy(bool), rows["world"].to_numpy(str)
    model = LogisticRegression(C=_GOAL_PRIOR, max_iter=5000)
    unseen = _unseen(model, x, is_goal, worlds, method="predict_proba")[:, 1]
    model.fit(x, is_goal)
    sure_from = float(np.quantile(np.maximum(unseen, 1 - unseen), _ABSTAINS))
    speeds = {place: _train_speed(rows, place, x, names) for place in PLACES}
    return Head(
        scales=scales,
        goal=_as_line(float(model.intercept_[0]), names, model.coef_[0]),
        correction={place: correction for place, (correction, _) in speeds.items()},
        spread={place: spread for place, (_, spread) in speeds.items()},
        sure_from=round(sure_from, 4),
        trained=_promise(rows, unseen, sure_from),
    )


def _unseen(model: Any, x: Floats, y: Any, worlds: Any, method: str = "predict") -> Floats:
    """Predictions for each world by models of the others."""
    return np.asarray(
        cross_val_predict(model, x, y, cv=LeaveOneGroupOut(), groups=worlds, method=method)
    )


def _train_speed(
    rows: pd.DataFrame, place: Place, x: Floats, names: list[str]
) -> tuple[LinearModel, LinearModel]:
    """Models of the median of true over fitted speed, and of the 90 % quantile of the error left.

    The last step, after Romano, Patterson and Candès (2019), "Conformalized quantile regression",
    shifts the second model until it covers nine in ten of the shots of worlds it was not fitted to.
    """
    kmh = rows[[f"fitted_{place}", f"true_{place}"]].to_numpy(float)
    known = np.isfinite(kmh).all(axis=1)
    inputs, (fitted, true), worlds = x[known], kmh[known].T, rows["world"].to_numpy(str)[known]
    ratio = np.log(true / np.maximum(fitted, _LEAST_KMH))
    middle = QuantileRegressor(quantile=0.5, alpha=_CORRECTION_PRIOR, solver="highs")
    corrected = fitted * np.exp(_unseen(middle, inputs, ratio, worlds))
    off = np.log(np.maximum(np.abs(corrected - true), _LEAST_KMH))
    outer = QuantileRegressor(quantile=_COVERS, alpha=_SPREAD_PRIOR, solver="highs")
    missing = float(np.quantile(off - _unseen(outer, inputs, off, worlds), _COVERS))
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


def _promise(rows: pd.DataFrame, said: Floats, sure_from: float) -> dict[str, Any]:
    """Scores on the training shots, each world by a head that was trained on the others."""
    true = rows["is_goal"].to_numpy(bool)
    right, sure = (said > 0.5) == true, np.maximum(said, 1 - said) >= sure_from
    return {
        "shots": {str(world): int(n) for world, n in rows["world"].value_counts().items()},
        "accuracy": wilson(int(right.sum()), len(right)).to_dict(),
        "accuracy_if_sure": wilson(int(right[sure].sum()), int(sure.sum())).to_dict(),
        "abstains": float(1 - sure.mean()),
        "brier": float(((said - true) ** 2).mean()),
    }


def _measure(shot_of: tuple[str, int]) -> dict[str, Any] | None:
    """Features and truth of one shot; None where nothing can be fitted."""
    world, seed = shot_of
    shot = simulate_shot(seed, vary(seed)) if world == "usual" else SIMULATORS[world](seed)
    try:
        found = fit_shot(ask(**shot.question()))
    except CannotFitError:
        return None
    return {
        "seed": seed,
        "world": world,
        "kind": shot.kind,
        "is_goal": shot.is_goal,
        "caught_m": _caught_m(shot),
        "boxes": len(shot.people),
        "fitted_foot": found.features["speed_kmh"],
        "fitted_line": number_or_nan(found.line_speed_kmh),
        "true_foot": shot.speed_kmh if shot.has_speed else np.nan,
        "true_line": number_or_nan(shot.line_speed_kmh),
        **found.features,
    }


def _caught_m(shot: SimulatedShot) -> float:
    """How far in front of the line a held ball was caught; NaN where none was."""
    frames = [frame for name, frame in shot.events if name == "held"]
    last = len(shot.positions_m) - 1
    return float(shot.positions_m[min(round(frames[0]), last), 1]) if frames else np.nan


def main() -> None:
    """Train a head and write it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shots", type=int, default=TRAINING_SHOTS, help="shots of each simulator")
    parser.add_argument("--first-seed", type=int, default=FIRST_TRAINING_SEED)
    parser.add_argument("--engine", help="here, processes:N, ray://HOST:PORT")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.shots)
    head = train(collect(seeds, options.engine))
    head = replace(head, trained={"seeds": [seeds.start, seeds.stop], **head.trained})
    head.save(options.out)
    print(f"{options.out}: {head.trained}")


if __name__ == "__main__":
    main()
