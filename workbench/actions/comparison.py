"""Two sets of predictions side by side: an older version on the same clips, another domain.

The unit is a pair of `Predictions`. The test report compares scorers on equal clips; here it is
told which clips two scorers share, which of them changed hands, and what other footage costs.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from workbench.actions.predict import Predictions
from workbench.errors import DatasetError
from workbench.stats import Interval, choose_clusters, pooled_difference


def shared_clips(ours: Predictions, before: Predictions) -> tuple[Predictions, Predictions]:
    """Return two scorers' predictions on the test clips that both of them judged, labels as ours.

    Two versions of a dataset share the test sessions of the older one; labels that were mended
    since count as mended for both.

    Raises:
        DatasetError: If they share no clip, or differ in classes.
    """
    if ours.classes != before.classes:
        raise DatasetError(
            f"the classes {list(ours.classes)} and {list(before.classes)} differ",
            "compare models of the same classes",
        )
    common = [name for name in ours.clip_ids if name in set(before.clip_ids)]
    if not common:
        raise DatasetError(
            f"{ours.scorer!r} and {before.scorer!r} judged no clip in common",
            "make the new version from the old one, so that its test sessions stay",
        )
    mine, theirs = ours.take(common), before.take(common)
    return mine, replace(theirs, labels=mine.labels, sessions=mine.sessions)


def won_and_lost(ours: Predictions, before: Predictions) -> pd.DataFrame:
    """Return the clips that one of two scorers calls rightly and the other does not."""
    one, other = ours.to_frame(), before.take(ours.clip_ids).to_frame()
    right, was_right = ours.is_right(), other["predicted"].to_numpy() == np.array(ours.labels)
    table = pd.DataFrame(
        {
            "session": one["session"],
            "label": one["label"],
            "before": other["predicted"],
            "now": one["predicted"],
            "outcome": np.where(right, "won", "lost"),
        }
    )
    changed: pd.DataFrame = table[right != was_right]
    return changed.sort_values("outcome", ascending=False, kind="stable")


def accuracy_drop(here: Predictions, there: Predictions) -> Interval:
    """Return accuracy there minus accuracy here, of one scorer on clips of two domains.

    Nothing is paired: the clips differ, and the sessions of both are resampled.

    Raises:
        DatasetError: If a clip has no label, or the two differ in classes.
    """
    if here.classes != there.classes:
        raise DatasetError(
            f"the classes {list(here.classes)} and {list(there.classes)} differ",
            "compare predictions of one scorer",
        )
    right = np.concatenate([here.is_right(), there.is_right()])
    is_here = np.arange(len(right)) < len(here)
    clusters = choose_clusters(
        [
            *(("here", name) for name in here.sessions),
            *(("there", name) for name in there.sessions),
        ],
        [
            *(("here", name) for name in here.clip_ids),
            *(("there", name) for name in there.clip_ids),
        ],
    )
    return pooled_difference((right & is_here, is_here), (right & ~is_here, ~is_here), clusters)
