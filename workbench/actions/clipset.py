"""The clip-classification dataset: labelled clips as small frames, split by session.

The unit is one clip: a few frames, placed evenly over it, as one block of uint8 (F, H, W, 3). A
folder holds `frames.npy` (all blocks), `items.csv` (what each block is) and `dataset_meta.json`
(version, counts, origin). More and larger frames are stored than a network takes, so that training
can shift in time and crop in space. Clips nobody has labelled form the split "predict". Leaves
decoding to `workbench.footage` and variety to `augment`.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.actions.items import (
    PREDICT,
    Item,
    check_leakage,
    check_likeness,
    classes_in,
    count_clips,
    find_gaps,
    hash_items,
    list_sessions,
)
from workbench.actions.likeness import near_duplicates
from workbench.engines.each import ENGINE_VARIABLE, every
from workbench.engines.engine import Engine, Threads
from workbench.errors import DatasetError, FootageError
from workbench.footage.cache import cached_frames
from workbench.footage.clips import Clip, Origin
from workbench.footage.frames import uniform_indices
from workbench.saving import reading, replacing, save_json, save_text
from workbench.training.splits import SPLITS, pairs_that_share, split_sessions
from workbench.training.versions import META, meta_head, version_names

CLIPSET_FORMAT = "workbench-clipset/1"
TRACKS = "tracks.npy"  # beside the frames of clips of matches: what people and ball do
Frames = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Clipset:
    """A clip dataset, or one split of it; frames stay on disk until they are asked for.

    Example:
        >>> test = load_clipset(folder).take("test")  # doctest: +SKIP
        >>> test.frames(0).shape  # doctest: +SKIP
        (24, 72, 84, 3)
    """

    folder: Path
    meta: dict[str, Any]
    items: tuple[Item, ...]
    rows: tuple[int, ...]  # of the items in `blocks`
    blocks: Frames  # (N, F, H, W, 3), memory-mapped

    def __len__(self) -> int:
        return len(self.items)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of a model's outputs; "none" last."""
        return tuple(self.meta["classes"])

    @property
    def several(self) -> bool:
        """Whether a clip may show several classes at once."""
        return bool(self.meta.get("several", False))

    @property
    def version(self) -> str:
        """Hash of everything in the dataset: same version, same data."""
        return str(self.meta["version"])

    @property
    def caveat(self) -> str | None:
        """What this footage cannot show; belongs on the first line of any report."""
        caveat: str | None = self.meta["caveat"]
        return caveat

    @property
    def clip_ids(self) -> tuple[str, ...]:
        """Id of each clip."""
        return tuple(item.clip_id for item in self.items)

    @property
    def sessions(self) -> tuple[str, ...]:
        """Session of each clip."""
        return tuple(item.session for item in self.items)

    @property
    def session_to_split(self) -> dict[str, str]:
        """The split of each session with labelled clips."""
        return {item.session: item.split for item in self.items if item.split != PREDICT}

    @property
    def labels(self) -> tuple[str | None, ...]:
        """Class of each clip, None where nobody has said."""
        return tuple(item.label for item in self.items)

    def frames(self, place: int) -> Frames:
        """Return the stored frames of one clip (F, H, W, 3)."""
        return np.asarray(self.blocks[self.rows[place]])

    def tracks(self) -> npt.NDArray[np.float32]:
        """Return what people and ball do in each clip (N, ticks, D); see `matchtracks`.

        Raises:
            DatasetError: If the set was made without.
        """
        if not self.meta.get("tracks_by"):
            raise DatasetError(f"{self.folder} has no tracks", "cut the matches with boxes_by")
        found: npt.NDArray[np.float32] = np.load(self.folder / TRACKS)[list(self.rows)]
        return found

    def frames_of(self, clip_id: str) -> Frames:
        """Return the stored frames of the clip with this id.

        Raises:
            DatasetError: If there is no such clip.
        """
        try:
            return self.frames(self.clip_ids.index(clip_id))
        except ValueError:
            raise DatasetError(
                f"no clip {clip_id!r} in {self.folder}", "use the dataset that was predicted on"
            ) from None

    def targets(self) -> npt.NDArray[np.int64]:
        """Return each clip's place in `classes` (N,).

        Raises:
            DatasetError: If a clip has no label.
        """
        if None in self.labels:
            raise DatasetError("unlabelled clips have no targets", "take a labelled split")
        return np.array([self.classes.index(str(label)) for label in self.labels], dtype=np.int64)

    def marks(self) -> npt.NDArray[np.float32]:
        """Return 1 where a clip shows a class, else 0 (N, K)."""
        shown = [set(classes_in(label)) for label in self.labels]
        return np.array([[name in own for name in self.classes] for own in shown], np.float32)

    def take(self, split: str) -> "Clipset":
        """Return one split: train, valid, test or predict.

        Raises:
            DatasetError: If the split is empty.
        """
        places = [place for place, item in enumerate(self.items) if item.split == split]
        if not places:
            raise DatasetError(
                f"no clip of {self.folder} is in the split {split!r}",
                f"take one of {', '.join(dict.fromkeys(item.split for item in self.items))}",
            )
        items = tuple(self.items[place] for place in places)
        return replace(self, items=items, rows=tuple(self.rows[place] for place in places))

    def to_frame(self) -> pd.DataFrame:
        """Return clips per split and class, with the number of sessions."""
        counts = pd.DataFrame(count_clips(self.items, self.classes)).T.fillna(0).astype(int)
        sessions = {split: len(names) for split, names in list_sessions(self.items).items()}
        counts.insert(0, "sessions", pd.Series(sessions))
        counts.insert(1, "clips", pd.Series(Counter(item.split for item in self.items)))
        return counts[counts["clips"] > 0].rename_axis(index="split")

    def _repr_html_(self) -> str:
        notes = [f"version {self.version}", self.caveat, *self.meta["warnings"]]
        return self.to_frame().to_html() + "<br>".join(note for note in notes if note)


def build_clipset(
    clips: Sequence[Clip],  # `sport` is the label
    footage_dir: Path,  # what `Clip.file` is relative to
    out_dir: Path,
    *,
    origin: Origin,
    frames: int = 24,  # stored per clip
    size_wh: tuple[int, int] = (84, 72),
    classes: Sequence[str] | None = None,  # names and order; None: those that occur, "none" last
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2),
    kept: Mapping[str, str] | None = None,  # the split that a session has in an earlier version
    facts: Mapping[str, Any] | None = None,  # what else the meta file says
    several: bool = False,  # a clip may show several classes: labels are `items.several_classes`
    seed: int = 0,
    cache_dir: Path | None = None,  # of decoded frames between builds; None: beside `out_dir`
    jobs: int = 1,  # clips decoded at a time, in threads, where there is no other engine
    engine: Engine | str | None = None,  # who decodes clips; None: WORKBENCH_ENGINE, else threads
) -> Clipset:
    """Decode clips to small frames, split them by session, and save the dataset.

    Clips keep their aspect: they are scaled until they cover `size_wh` and cropped to its middle.
    A clip that cannot be read is left out and listed under "skipped". Where every labelled clip
    comes with a split, those splits are kept. Sessions that share a source video, or nearly the
    same clip (encoded anew, cropped a little, mirrored), are never parted. The same input gives the
    same bytes; a killed build goes on from the frames already decoded.

    Two or three times as many frames as the network takes leave room for time jitter; a multiple
    keeps its plain view evenly spaced. A size of an eighth more than the network takes, or a little
    over, leaves room for crops: (84, 72) suits 64×64; (144, 126) suits 112×112.

    Raises:
        DatasetError: If no clip can be read, a label is not among `classes`, two clips of the same
            content have different labels, given splits leak, kept ones would, or
            sessions are too few.
    """
    if len({clip.clip_id for clip in clips}) < len(clips):
        raise DatasetError("a clip id is used twice", "give every clip its own id")
    names = _class_names(clips, classes, several)
    read = partial(
        _read_block,
        footage_dir=footage_dir,
        count=frames,
        size_wh=size_wh,
        cache_dir=cache_dir or out_dir.parent / "frame_cache",
    )
    engine = engine or os.environ.get(ENGINE_VARIABLE) or Threads(jobs)
    fingerprints, skipped = _fingerprint(clips, read, footage_dir, engine)
    rows = [clip for clip in clips if clip.clip_id in fingerprints]
    rows.sort(key=lambda clip: clip.clip_id)
    if not rows:
        raise DatasetError(
            f"none of the {len(clips)} clips can be read"
            + (f" ({skipped[0]['reason']})" if skipped else ""),
            "check the footage folder",
        )
    duplicates = _find_duplicates(rows, fingerprints)
    labelled = [clip for clip in rows if clip.sport is not None]
    pairs = near_duplicates(len(labelled), lambda place: read(labelled[place]))
    alike = [(labelled[one], labelled[other]) for one, other in pairs]
    split_of = _assign_splits(rows, fingerprints, alike, fractions, kept or {}, seed)
    check_likeness(alike, split_of)
    items = tuple(
        Item(
            clip.clip_id,
            clip.session,
            clip.source,
            split_of[clip.clip_id],
            clip.sport,
            fingerprints[clip.clip_id],
        )
        for clip in rows
    )
    check_leakage(items)
    with replacing(out_dir / "frames.npy") as part:
        shape = (len(rows), frames, size_wh[1], size_wh[0], 3)
        blocks = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
        for row, clip in enumerate(rows):
            blocks[row] = read(clip)
        blocks.flush()
        del blocks
    return finish_clipset(
        out_dir, items, names, frames, size_wh, origin,
        fractions=list(fractions), seed=seed, duplicates=duplicates, skipped=skipped,
        near_duplicates=[[one.clip_id, other.clip_id] for one, other in alike],
        **({"several": True} if several else {}), **(facts or {}),
    )  # fmt: skip


def finish_clipset(
    out_dir: Path,
    items: Sequence[Item],
    classes: Sequence[str],
    frames: int,
    size_wh: tuple[int, int],
    origin: Origin,
    **facts: Any,
) -> Clipset:
    """Write what makes a folder of stored frames a clip set; `facts` are what else it says."""
    version, counts = hash_items(items, classes, frames, size_wh), count_clips(items, classes)
    meta = {
        **meta_head(out_dir, CLIPSET_FORMAT, version, origin),
        "classes": list(classes),
        "counts": counts,
        "sessions": list_sessions(items),
        "frames": frames,
        "size_wh": list(size_wh),
        "warnings": find_gaps(counts),
        **facts,
    }
    table = pd.DataFrame([asdict(item) for item in items])
    save_text(out_dir / "items.csv", table.to_csv(index=False))
    save_json(out_dir / META, meta)  # last: it vouches for the other two
    return load_clipset(out_dir)


def load_clipset(folder: Path) -> Clipset:
    """Open a saved dataset; of a folder with versions of one, the newest.

    Raises:
        DatasetError: If it is absent, incomplete, or was changed by hand.
    """
    if versions := version_names(folder):
        folder = folder / versions[-1]
    with reading(folder / META, "a clip set's", "build the clip set anew") as meta:
        # Classes called "none" or "NA" are names here, not missing values.
        table = pd.read_csv(folder / "items.csv", dtype=str, keep_default_na=False)
        blocks = np.load(folder / "frames.npy", mmap_mode="r")
        rows = table.to_dict("records")
        items = tuple(Item(**{**row, "label": row["label"] or None}) for row in rows)  # type: ignore[arg-type]
        version = hash_items(items, meta["classes"], meta["frames"], meta["size_wh"])
        whole = version == meta["version"] and len(blocks) == len(items)
    if not whole:
        raise DatasetError(f"the files of {folder} do not belong together", "build it anew")
    check_leakage(items)
    return Clipset(folder, meta, items, tuple(range(len(items))), blocks)


def _class_names(
    clips: Sequence[Clip], classes: Sequence[str] | None, several: bool
) -> tuple[str, ...]:
    labels = {clip.sport for clip in clips if clip.sport is not None}
    present = {name for label in labels for name in classes_in(label)}
    if not several and present != labels:
        raise DatasetError(
            f"label {min(labels - present)!r} names several classes", "build it with several=True"
        )
    if classes is None:
        return tuple(sorted(present, key=lambda name: (name == "none", name)))
    if strangers := sorted(present - set(classes)):
        raise DatasetError(f"label {strangers[0]!r} is no class", f"add it to {list(classes)}")
    return tuple(classes)


def _read_block(
    clip: Clip, *, footage_dir: Path, count: int, size_wh: tuple[int, int], cache_dir: Path
) -> Frames:
    width, height = size_wh
    scale = max(width / clip.width, height / clip.height)
    # A hair less before rounding up: 640 × 0.2 must give 128 whatever the float says.
    covering = (
        max(width, ceil(clip.width * scale - 1e-6)),
        max(height, ceil(clip.height * scale - 1e-6)),
    )
    indices = uniform_indices(clip.frame_count, count)
    frames = cached_frames(footage_dir / clip.file, indices, covering, cache_dir)
    left, top = (covering[0] - width) // 2, (covering[1] - height) // 2
    return frames[:, top : top + height, left : left + width]


def _hash_block(clip: Clip, *, read: partial[Frames]) -> str | FootageError:
    try:
        return hashlib.sha256(np.ascontiguousarray(read(clip)).data).hexdigest()
    except FootageError as error:
        return error


def _fingerprint(
    clips: Sequence[Clip], read: partial[Frames], footage_dir: Path, engine: Engine | str
) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Decode every clip once; return content hashes by clip id, and what could not be read."""
    work = partial(_hash_block, read=read)
    outcomes = every(work, {clip.clip_id: clip for clip in clips}, "clips", engine=engine)
    hashes = {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, str)}
    skipped = [
        {"clip_id": name, "reason": str(outcome).replace(f"{footage_dir}/", "")}
        for name, outcome in sorted(outcomes.items())
        if isinstance(outcome, FootageError)
    ]
    return hashes, skipped


def _find_duplicates(clips: Sequence[Clip], fingerprints: dict[str, str]) -> list[list[str]]:
    alike: dict[str, list[Clip]] = {}
    for clip in clips:
        alike.setdefault(fingerprints[clip.clip_id], []).append(clip)
    repeated = [group for group in alike.values() if len(group) > 1]
    for group in repeated:
        labels = sorted({clip.sport for clip in group if clip.sport is not None})
        if len(labels) > 1:
            ids = " and ".join(repr(clip.clip_id) for clip in group)
            raise DatasetError(
                f"clips {ids} have the same content but are labelled {' and '.join(labels)}",
                "correct the labels, or drop all but one",
            )
    return [[clip.clip_id for clip in group] for group in repeated]


def _assign_splits(
    clips: Sequence[Clip],
    fingerprints: dict[str, str],
    alike: Sequence[tuple[Clip, Clip]],  # never parted
    fractions: tuple[float, float, float],
    kept: Mapping[str, str],
    seed: int,
) -> dict[str, str]:
    split_of = {clip.clip_id: PREDICT for clip in clips}
    labelled = [clip for clip in clips if clip.sport is not None]
    given = {clip.split for clip in labelled}
    if not labelled:
        return split_of
    if given <= set(SPLITS):
        return split_of | {clip.clip_id: str(clip.split) for clip in labelled}
    if given != {None}:
        raise DatasetError(
            "some labelled clips have a split and some have none",
            f"give all of them one of {', '.join(SPLITS)}, or none",
        )
    sessions = [clip.session for clip in labelled]
    session_to_split = split_sessions(
        sessions,
        [str(clip.sport) for clip in labelled],
        fractions,
        together=[
            *pairs_that_share([clip.source for clip in labelled], sessions),
            *pairs_that_share([fingerprints[clip.clip_id] for clip in labelled], sessions),
            *((one.session, other.session) for one, other in alike),
        ],
        kept=kept,
        seed=seed,
    )
    return split_of | {clip.clip_id: session_to_split[clip.session] for clip in labelled}
