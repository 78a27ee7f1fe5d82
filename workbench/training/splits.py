"""Which sessions train a model, which choose its checkpoint, which judge it.

The unit is the session: clips of one outing share light, kit, camera and people, and a clip whose
neighbour was trained on is no test. Knows nothing about frames or files.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence

import numpy as np

from workbench.errors import DatasetError

SPLITS = ("train", "valid", "test")
_DRAWS = 4000  # random splits to choose from; 24 sessions of 4 classes come within 2 % of the aim


def split_sessions(
    sessions: Sequence[str],
    labels: Sequence[str],
    fractions: Sequence[float] = (0.6, 0.2, 0.2),
    *,
    together: Iterable[tuple[str, str]] = (),
    kept: Mapping[str, str] | None = None,
    seed: int = 0,
) -> dict[str, str]:
    """Give every session a split, each class as near to `fractions` as whole sessions allow.

    Takes the best of many seeded random splits: one where every class is in every split, if there
    is any, and then the one whose shares are nearest. Sessions and labels are those of each clip;
    pairs of sessions that must not be parted, say because they share a clip, are `together`, and
    `kept` says of sessions in which split they are already: they stay there.

    Raises:
        DatasetError: If there are fewer than three separable sessions, no split trains on all
            classes, or two sessions that must not be parted are kept apart.

    Example:
        >>> split_sessions(["a", "b", "c"], ["x", "x", "x"])["a"] in SPLITS
        True
    """
    shares = np.asarray(fractions, dtype=float)
    if shares.shape != (3,) or (shares <= 0).any() or not np.isclose(shares.sum(), 1):
        raise DatasetError(
            f"split fractions {tuple(fractions)}", "give three positive numbers that add up to 1"
        )
    session_to_group = _group(sessions, together)
    groups = sorted(set(session_to_group.values()))
    classes = sorted(set(labels))
    if len(groups) < len(SPLITS):
        raise DatasetError(
            f"{len(groups)} separable session(s) cannot make train, valid and test",
            "film or label at least three sessions; a session is never split",
        )
    counts = np.zeros((len(groups), len(classes)))
    for session, label in zip(sessions, labels, strict=True):
        counts[groups.index(session_to_group[session]), classes.index(label)] += 1

    assigned = _draw_assignments(len(groups), shares, np.random.default_rng(seed))
    for group, split in _kept_groups(session_to_group, kept or {}).items():
        assigned[:, groups.index(group)] = SPLITS.index(split)
    membership = assigned[:, None, :] == np.arange(len(SPLITS))[:, None]  # (draws, 3, groups)
    held = membership.astype(float) @ counts  # clips by draw, split and class
    absent = (held == 0).sum(axis=2)  # classes that a split lacks
    off = ((held / counts.sum(axis=0) - shares[:, None]) ** 2).sum(axis=(1, 2))
    # A class that is not trained on outweighs any number that are not tested, and so on down.
    best = int(np.lexsort((off, absent.sum(axis=1), absent[:, 0]))[0])
    if absent[best, 0]:
        raise DatasetError(
            "no split by session trains on every class", "film each class in more sessions"
        )
    group_to_split = {group: SPLITS[assigned[best, place]] for place, group in enumerate(groups)}
    return {session: group_to_split[group] for session, group in session_to_group.items()}


def split_or_train(sessions: Sequence[str], *, seed: int = 0) -> dict[str, str]:
    """Split unlabelled sessions as `split_sessions` does; with fewer than three, all are "train".

    For datasets that are worth having even where nothing can be tested.

    Example:
        >>> split_or_train(["a", "a", "b"])
        {'a': 'train', 'b': 'train'}
    """
    names = sorted(set(sessions))
    if len(names) < len(SPLITS):
        return dict.fromkeys(names, "train")
    return split_sessions(sessions, ["any"] * len(sessions), seed=seed)


def pairs_that_share(keys: Iterable[Hashable], sessions: Iterable[str]) -> list[tuple[str, str]]:
    """Return pairs of sessions that share a key, such as a clip's content or its source video."""
    key_to_sessions: dict[Hashable, list[str]] = defaultdict(list)
    for key, session in zip(keys, sessions, strict=True):
        if session not in key_to_sessions[key]:
            key_to_sessions[key].append(session)
    return [(names[0], other) for names in key_to_sessions.values() for other in names[1:]]


def _group(sessions: Iterable[str], together: Iterable[tuple[str, str]]) -> dict[str, str]:
    session_to_group = {session: session for session in sorted(set(sessions))}
    for first, second in together:
        kept, merged = sorted((session_to_group[first], session_to_group[second]))
        for session, group in session_to_group.items():
            if group == merged:
                session_to_group[session] = kept
    return session_to_group


def _kept_groups(session_to_group: Mapping[str, str], kept: Mapping[str, str]) -> dict[str, str]:
    """The groups that hold a session which stays where it is, and where that is."""
    group_to_session: dict[str, str] = {}
    for session, group in sorted(session_to_group.items()):
        if session in kept:
            other = group_to_session.setdefault(group, session)
            if kept[other] != kept[session]:
                raise DatasetError(
                    f"sessions {other!r} ({kept[other]}) and {session!r} ({kept[session]}) share "
                    "a video or nearly the same clip",
                    "take the clip that they share out of one of them",
                )
    return {group: kept[session] for group, session in group_to_session.items()}


def _draw_assignments(groups: int, shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return random splits (draws, groups) as 0, 1, 2; valid and test always have a group."""
    valid, test = (max(1, round(groups * share)) for share in shares[1:])
    while valid + test > groups - 1:  # train keeps one, too
        valid, test = max(1, valid - 1), max(1, test - 1)
    places = np.repeat([0, 1, 2], [groups - valid - test, valid, test])
    return rng.permuted(np.tile(places, (_DRAWS, 1)), axis=1)
