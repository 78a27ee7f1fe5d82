"""The rows of a clip dataset: what each block of frames is, and what must hold between them.

The unit is one clip's row. Knows nothing about pixels or files.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from workbench.errors import DatasetError
from workbench.footage.clips import Clip
from workbench.training.splits import SPLITS

PREDICT = "predict"  # the split of clips that nobody has labelled
_AND = "|"  # between the classes of a clip that shows several


@dataclass(frozen=True)
class Item:
    """What one block of frames is."""

    clip_id: str
    session: str
    source: str  # the video the clip was cut from
    split: str  # train, valid, test, predict
    label: str | None
    fingerprint: str  # SHA-256 of the stored frames


def classes_in(label: str | None) -> tuple[str, ...]:
    """Return the classes that a label names: one, or several, or none, of a clip that may."""
    return tuple(filter(None, label.split(_AND))) if label else ()


def several_classes(names: Iterable[str]) -> str:
    """Return the label of a clip that shows these classes; of none it is no empty text."""
    return _AND.join(sorted(names)) or _AND


def check_leakage(items: Sequence[Item]) -> None:
    """Make sure that no session, source video or clip content is in two splits.

    Raises:
        DatasetError: If one is, naming it.
    """
    for what in ("session", "source", "fingerprint"):
        seen: dict[str, Item] = {}
        for item in items:
            if item.split == PREDICT:  # is never scored
                continue
            other = seen.setdefault(getattr(item, what), item)
            if other.split != item.split:
                raise DatasetError(
                    f"clips {other.clip_id!r} ({other.split}) and {item.clip_id!r} ({item.split}) "
                    f"share their {'content' if what == 'fingerprint' else what}",
                    "let the dataset choose the splits: clear them in the clip list",
                )


def check_likeness(alike: Sequence[tuple[Clip, Clip]], split_of: Mapping[str, str]) -> None:
    """Make sure that no two clips that show nearly the same film are in two splits.

    Raises:
        DatasetError: If two are, naming them.
    """
    for clips in alike:
        one, other = (f"{clip.clip_id!r} ({split_of[clip.clip_id]})" for clip in clips)
        if split_of[clips[0].clip_id] != split_of[clips[1].clip_id]:
            raise DatasetError(
                f"clips {one} and {other} show nearly the same film",
                "let the dataset choose the splits, or drop one of the two",
            )


def hash_items(
    items: Sequence[Item], classes: Sequence[str], frames: int, size_wh: Sequence[int]
) -> str:
    """Return the version of a dataset: a hash of all that is in it."""
    content = [list(classes), frames, list(size_wh), [asdict(item) for item in items]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]


def count_clips(items: Sequence[Item], classes: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return the number of clips per split and class."""
    counts = Counter((item.split, name) for item in items for name in classes_in(item.label))
    table = {split: {name: counts[split, name] for name in classes} for split in SPLITS}
    unlabelled = sum(item.split == PREDICT for item in items)
    return {**table, PREDICT: {"unlabelled": unlabelled}} if unlabelled else table


def list_sessions(items: Sequence[Item]) -> dict[str, list[str]]:
    """Return the sessions of each split."""
    splits = dict.fromkeys((*SPLITS, PREDICT))
    return {
        split: sorted({item.session for item in items if item.split == split}) for split in splits
    }


def find_gaps(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return what a reader of `count_clips` should be warned of: classes that a split lacks."""
    gaps = [(split, name) for split in SPLITS for name, count in counts[split].items() if not count]
    if len(gaps) == sum(len(counts[split]) for split in SPLITS):
        return []  # nothing is labelled
    return [f"no clip of class {name!r} in {split}" for split, name in gaps]
