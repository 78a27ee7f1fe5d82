"""What to label next: labels that a model doubts, and clips that it cannot call.

The unit is one clip and the probabilities of a scorer that never saw its label: of held-out
sessions, or out of folds. A label that such a scorer finds improbable is wrong more often than
others (self-confidence, after Northcutt, Jiang and Chuang (2021), "Confident learning"); a clip
whose two best classes are near each other teaches most (margin sampling, after Scheffer et al.
2001).
"""

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from workbench.actions.baselines import Describe, describe_clips, motion_history
from workbench.actions.clipset import Clipset
from workbench.actions.predict import Predictions
from workbench.errors import DatasetError


def predict_out_of_folds(
    clipset: Clipset, describe: Describe = motion_history, *, folds: int = 5
) -> Predictions:
    """Return what a linear model says of every labelled clip, trained on other sessions each time.

    Raises:
        DatasetError: If the labelled clips are of one session or one class.
    """
    kept = [place for place, label in enumerate(clipset.labels) if label is not None]
    sessions = [clipset.sessions[place] for place in kept]
    labels = [str(clipset.labels[place]) for place in kept]
    if len(set(sessions)) < 2 or len(set(labels)) < 2:
        raise DatasetError(
            "labels of one session or one class cannot check each other",
            "label clips of another session and class",
        )
    targets = np.array([clipset.classes.index(label) for label in labels])
    features = describe_clips(clipset, describe)[kept]
    features = (features - features.mean(axis=0)) / (features.std(axis=0).mean() + 1e-9)
    probabilities = np.full((len(kept), len(clipset.classes)), 1 / len(clipset.classes))
    parts = GroupKFold(min(folds, len(set(sessions)))).split(features, targets, sessions)
    for train, held in parts:
        if len(set(targets[train].tolist())) < 2:
            continue  # nothing to learn from: these clips stay undecided
        model = LogisticRegression(C=0.01, max_iter=500).fit(features[train], targets[train])
        probabilities[held] = 0.0
        probabilities[np.ix_(held, model.classes_)] = model.predict_proba(features[held])
    return Predictions(
        "motion history + linear, out of folds",
        clipset.classes,
        tuple(clipset.clip_ids[place] for place in kept),
        tuple(sessions),
        tuple(labels),
        probabilities,
        clipset.version,
        clipset.caveat,
    )


def queue_to_label(*scorers: Predictions, limit: int | None = None) -> pd.DataFrame:
    """Return the clips worth a label, or another look at it, the most doubtful first.

    Labelled clips are ordered by how improbable their label is, clips without one by how near their
    two best classes are; both run from 0 to 1. Where several scorers judge a clip, their mean
    counts. Clips about which there is no doubt (label agreed with, no near rival) come last.

    Raises:
        DatasetError: If the scorers differ in classes, or two give a clip different labels.
    """
    tables: dict[str, list[npt.NDArray[np.float64]]] = {}
    label_of: dict[str, str | None] = {}
    for one in scorers:
        if one.classes != scorers[0].classes:
            raise DatasetError(f"{one.scorer!r} knows other classes", "use scorers of one dataset")
        for clip_id, label, row in zip(one.clip_ids, one.labels, one.probabilities, strict=True):
            if label_of.setdefault(clip_id, label) != label:
                raise DatasetError(
                    f"clip {clip_id!r} has two labels, {label_of[clip_id]!r} and {label!r}",
                    "use predictions on one version of the dataset",
                )
            tables.setdefault(clip_id, []).append(row)
    rows = []
    for clip_id, found in tables.items():
        mean, label = np.mean(found, axis=0), label_of[clip_id]
        first, second = np.sort(mean)[::-1][:2] if len(mean) > 1 else (1.0, 0.0)
        own = None if label is None else float(mean[scorers[0].classes.index(label)])
        doubt = 1 - (first - second) if own is None else 1 - own
        likeliest = scorers[0].classes[int(mean.argmax())]
        rows.append((clip_id, label or "", own, likeliest, float(first), float(doubt)))
    columns = ["clip_id", "label", "p(label)", "likeliest", "p(likeliest)", "doubt"]
    table = pd.DataFrame(rows, columns=columns).set_index("clip_id")
    return table.sort_values("doubt", ascending=False, kind="stable").head(limit or len(table))
