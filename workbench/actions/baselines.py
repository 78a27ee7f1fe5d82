"""Baselines that a network must beat to have learned something; each takes seconds.

The unit is one clip, as a short vector; a linear model does the rest. Each baseline yields the same
`Predictions` as the network, on the same clips.

* majority: always the commonest class. Below it, a score means nothing.
* mean frame, single frame: no motion. Near the network's score, the footage gives itself away.
* motion history: where something moved when, on a 16×16 grid. Near the network's score, the
  network is not worth its cost.
"""

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from workbench.actions.clipset import Clipset, Frames
from workbench.actions.predict import Predictions
from workbench.errors import DatasetError

Features = npt.NDArray[np.float64]
Describe = Callable[[Frames], Features]

_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)  # inverse regularisation; the best on validation is taken
HISTORY_CHANGES = ("finer grid", "blind to when", "mirrored, too")  # see `HistoryTrial`


def motion_history(frames: Frames, periods: int = 4, grid: int = 16) -> Features:
    """Return where a clip moves in each part of its duration (periods · grid · grid,).

    Mean absolute change of brightness per cell, in units of the clip's own mean, so that dark or
    slow clips weigh as much as others.
    """
    gray = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])
    change = np.abs(np.diff(gray.astype(np.float32), axis=0))
    parts = [part.mean(axis=0) for part in np.array_split(change, periods) if len(part)]
    cells = [cv2.resize(part, (grid, grid), interpolation=cv2.INTER_AREA) for part in parts]
    history = np.asarray(cells, dtype=np.float64)
    scaled: Features = np.sqrt(history / (history.mean() + 1e-6))
    return scaled.ravel()


def mean_frame(frames: Frames, grid: int = 12) -> Features:
    """Return the mean colour per cell (grid · grid · 3,): place, light and kit, no motion."""
    picture = frames.astype(np.float32).mean(axis=0)
    cells = cv2.resize(picture, (grid, grid), interpolation=cv2.INTER_AREA)
    return np.asarray(cells, dtype=np.float64).ravel() / 255


def single_frame(frames: Frames, cells: int = 8, angles: int = 9) -> Features:
    """Return shape and colour of the middle frame: gradient directions per cell, mean colours.

    The shape part is Dalal and Triggs' (2005) histogram of oriented gradients, normalised by cell.
    """
    frame = frames[len(frames) // 2].astype(np.float32) / 255
    gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    down, right = np.gradient(gray)
    strength, angle = np.hypot(down, right), np.arctan2(down, right) % np.pi
    sector = np.minimum((angle / np.pi * angles).astype(int), angles - 1)
    votes = [
        cv2.resize(strength * (sector == a), (cells, cells), interpolation=cv2.INTER_AREA)
        for a in range(angles)
    ]
    histogram = np.stack(votes, axis=-1)
    histogram /= np.linalg.norm(histogram, axis=-1, keepdims=True) + 0.01
    return np.concatenate([histogram.ravel().astype(np.float64), mean_frame(frame[None] * 255, 4)])


DESCRIPTIONS: dict[str, Describe] = {
    "mean frame + linear": mean_frame,
    "single frame + linear": single_frame,
    "motion history + linear": motion_history,
}


def majority_baseline(clipset: Clipset) -> Predictions:
    """Call every test clip by the commonest class of the training split."""
    targets, judged = clipset.take("train").targets(), clipset.take("test")
    shares = np.bincount(targets, minlength=len(clipset.classes)) / len(targets)
    return _predictions("majority class", judged, np.tile(shares, (len(judged), 1)))


def linear_baseline(
    clipset: Clipset, describe: Describe, name: str, *, mirror: bool = True
) -> Predictions:
    """Fit logistic regression to a description of each clip, and call the test clips with it.

    The validation clips choose the regularisation. With `mirror`, mirrored clips are trained on as
    well, as the network does. `describe` maps stored frames (F, H, W, 3) to a vector.

    Raises:
        DatasetError: If the training split has a single class.
    """
    train, valid, judged = (clipset.take(part) for part in ("train", "valid", "test"))
    targets = train.targets()
    if len(set(targets.tolist())) < 2:
        raise DatasetError("the training split has a single class", "label clips of another class")
    features = describe_clips(train, describe)
    if mirror:
        features = np.concatenate([features, describe_clips(train, lambda f: describe(_mirror(f)))])
        targets = np.concatenate([targets, targets])
    models = [_linear(features, strength) for strength in _STRENGTHS]
    valid_features, valid_targets = describe_clips(valid, describe), valid.targets()
    called = (model.fit(features, targets).predict(valid_features) for model in models)
    scores = [f1_score(valid_targets, one, average="macro", zero_division=0) for one in called]
    chosen = models[int(np.argmax(scores))]  # at a tie the most regularised
    probabilities = np.zeros((len(judged), len(clipset.classes)))
    probabilities[:, chosen.classes_] = chosen.predict_proba(describe_clips(judged, describe))
    return _predictions(name, judged, probabilities)


class HistoryTrial:
    """The motion history with some of `HISTORY_CHANGES`, judged in a second: for an ablation.

    A finer grid has 16×16 cells instead of 8×8; blind to when, it sums the clip up in one part
    instead of four; mirrored clips are learned from, too. Each seed draws the training sessions
    anew, with replacement.
    """

    def __init__(self, clipset: Clipset, seeds: int = 3, seed: int = 0) -> None:
        self._train, self.judged, self._seeds = clipset.take("train"), clipset.take("test"), seeds
        self._seed, self._known = seed, dict[tuple[int, int, str], Features]()

    def __call__(self, on: frozenset[str]) -> Features:
        """Return which test clips are called right (S, N)."""
        periods = 1 if "blind to when" in on else 4
        grid = 16 if "finer grid" in on else 8
        train, judged = (self._of(periods, grid, what) for what in ("train", "test"))
        mirrored = self._of(periods, grid, "mirrored") if "mirrored, too" in on else train
        targets, sessions = self._train.targets(), np.array(self._train.sessions)
        rows = []
        for number in range(self._seeds):
            rng = np.random.default_rng([self._seed, number])
            drawn = rng.choice(np.unique(sessions), len(np.unique(sessions)))
            clips = np.concatenate([np.flatnonzero(sessions == one) for one in drawn])
            features = np.concatenate([train[clips], mirrored[clips]])
            model = _linear(features, 1e-2).fit(features, np.tile(targets[clips], 2))
            rows.append(model.predict(judged) == self.judged.targets())
        return np.array(rows, float)

    def _of(self, periods: int, grid: int, what: str) -> Features:
        key = periods, grid, what
        if key not in self._known:
            describe: Describe = partial(motion_history, periods=periods, grid=grid)
            clips = self.judged if what == "test" else self._train
            self._known[key] = describe_clips(
                clips, (lambda f: describe(_mirror(f))) if what == "mirrored" else describe
            )
        return self._known[key]


def run_baselines(clipset: Clipset, *, mirror: bool = True) -> list[Predictions]:
    """Return the majority row and a linear row for each of `DESCRIPTIONS`."""
    rows = DESCRIPTIONS.items()
    linear = [linear_baseline(clipset, describe, name, mirror=mirror) for name, describe in rows]
    return [majority_baseline(clipset), *linear]


def describe_clips(clipset: Clipset, describe: Describe) -> Features:
    """Return the description of every clip of a set (N, D)."""
    return np.stack([describe(clipset.frames(clip)) for clip in range(len(clipset))])


def _linear(features: Features, strength: float) -> Pipeline:
    # One scale for all features: dividing each by its own spread would blow up the quiet ones.
    spread = float(features.std(axis=0).mean()) + 1e-9
    return make_pipeline(
        StandardScaler(with_std=False), LogisticRegression(C=strength / spread**2, max_iter=500)
    )


def _mirror(frames: Frames) -> Frames:
    return np.ascontiguousarray(frames[:, :, ::-1])


def _predictions(name: str, judged: Clipset, probabilities: Features) -> Predictions:
    return Predictions(
        name,
        judged.classes,
        judged.clip_ids,
        judged.sessions,
        judged.labels,
        probabilities,
        judged.version,
        judged.caveat,
    )
