"""Matches cut into clips of 50 frames at 12.5 a second, each with every action that it shows.

The unit is a match with labels (`spotting.matches.LabelledMatch`); the result is a clip set whose
clips show several classes, or none. Whole matches go to train, valid and test. Of each clip evenly
spaced threes of neighbouring frames are stored, as many as a network shall look at, of the middle
of the picture alone where the camera keeps the ball: at full size a ball of two pixels is still
there. Rows of `matchtracks` may lie beside them, all 50 of a clip.
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt

from workbench.actions.clipset import TRACKS, Clipset, finish_clipset
from workbench.actions.items import Item, count_clips, several_classes
from workbench.actions.matchtracks import Tracks, match_tracks
from workbench.actions.spotting.greyframes import STACK, TICK_S, GreyFrames, frames_of_ticks
from workbench.actions.spotting.matches import LabelledMatch
from workbench.errors import DatasetError
from workbench.footage.clips import BUILT_IN_FOOTAGE, OWN_FOOTAGE
from workbench.footage.decoder import decode_frames
from workbench.footage.frames import Developer
from workbench.footage.packets import read_packets
from workbench.saving import replacing
from workbench.simulated.matches.making import MADE

CLIP_TICKS = 50
CLIP_S = CLIP_TICKS * TICK_S


def cut_matches(
    parts: Mapping[str, Sequence[LabelledMatch]],
    out_dir: Path,
    *,
    looks: int = 16,
    picture_wh: tuple[int, int] = (256, 144),
    size_wh: tuple[int, int] = (112, 72),
    overlap: float = 0.0,
    boxes_by: str | None = None,
) -> Clipset:
    """Cut matches into clips and save them as a clip set.

    Args:
        parts: Matches by split: train, valid, test.
        out_dir: The folder of the clip set.
        looks: Threes of neighbouring frames that are stored of a clip, 16 at most.
        picture_wh: Of the whole picture.
        size_wh: Of the part in its middle that is stored.
        overlap: Share of a clip that the next one shows again; of matches to train on alone.
        boxes_by: Whose boxes `matchtracks` gets; None: no rows of it.

    Raises:
        DatasetError: If no match is as long as a clip, or the sizes are impossible.
    """
    if not 1 <= looks <= CLIP_TICKS // STACK or not 0 <= overlap < 1:
        raise DatasetError(
            f"{looks} looks at a clip, overlap {overlap}", "give 1 to 16 looks and 0 to below 1"
        )
    if any(small > large for small, large in zip(size_wh, picture_wh, strict=True)):
        raise DatasetError(f"{size_wh} of a picture of {picture_wh}", "store a part of the picture")
    starts = [
        (split, match, first)
        for split, matches in parts.items()
        for match in matches
        if (first := _starts(match, overlap if split == "train" else 0.0))
    ]
    if not starts:
        raise DatasetError(f"no match is as long as a clip, {CLIP_S:.0f} s", "give longer ones")
    ticks = _stored_ticks(looks)
    items: list[Item] = []
    tracks: list[Tracks] = []
    with replacing(out_dir / "frames.npy") as part:
        shape = (sum(len(first) for _, _, first in starts), len(ticks), *size_wh[::-1], 3)
        blocks = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
        for split, match, first in starts:
            own = blocks[len(items) : len(items) + len(first)]
            _fill(own, match, first, ticks, picture_wh)
            for block, start in zip(own, first, strict=True):
                digest = hashlib.sha256(np.ascontiguousarray(block).data).hexdigest()
                name = f"{match.name.replace('/', '_')}_{start:06d}"
                label = _label(match, start)
                items.append(Item(name, match.name, match.name, split, label, digest))
            if boxes_by is not None:
                whole = match_tracks(match.video, boxes_by)
                tracks += [whole[start : start + CLIP_TICKS] for start in first]
        blocks.flush()
        del blocks, own, block
    with replacing(out_dir / TRACKS) as part:
        np.save(part, np.array(tracks, np.float32))
    classes = starts[0][1].events.classes
    is_built_in = all((match.video.parent / MADE).exists() for _, match, _ in starts)
    origin = BUILT_IN_FOOTAGE if is_built_in else OWN_FOOTAGE
    counts = count_clips(items, classes)
    lacks = {
        split: ", ".join(name for name in classes if not counts[split][name]) for split in parts
    }
    return finish_clipset(
        out_dir, items, classes, len(ticks), size_wh, origin, several=True, tracks_by=boxes_by,
        warnings=[f"{split} shows no {names}" for split, names in lacks.items() if names],
    )  # fmt: skip


def _starts(match: LabelledMatch, overlap: float) -> list[int]:
    """First ticks of a match's clips."""
    ticks = GreyFrames(read_packets(match.video)).ticks
    step = max(1, round(CLIP_TICKS * (1 - overlap)))
    return list(range(0, ticks - CLIP_TICKS + 1, step))


def _stored_ticks(looks: int) -> npt.NDArray[np.int64]:
    """Ticks of a clip that are stored: so many threes, each around the middle of an equal part."""
    middles = (np.arange(looks) + 0.5) * CLIP_TICKS / looks
    first = np.floor(middles - STACK / 2).astype(np.int64)
    return (first[:, None] + np.arange(STACK)).ravel()


def _label(match: LabelledMatch, start: int) -> str:
    events = match.events.take(match.events.is_shown)
    at_s = events.position_ms / 1000 - start * TICK_S
    inside = events.label[(at_s >= 0) & (at_s < CLIP_S)]
    return several_classes({events.classes[place] for place in inside.tolist()})


def _fill(
    blocks: npt.NDArray[np.uint8],
    match: LabelledMatch,
    starts: Sequence[int],
    ticks: npt.NDArray[np.int64],
    picture_wh: tuple[int, int],
) -> None:
    """Read the frames of a match's clips, each decoded once, into their blocks (N, F, h, w, 3)."""
    table = read_packets(match.video)
    frames = frames_of_ticks(table, np.array(starts)[:, None] + ticks)
    wanted: dict[int, list[tuple[int, int]]] = {}
    for (clip, place), shown in np.ndenumerate(frames):
        wanted.setdefault(int(shown), []).append((clip, place))
    develop = Developer(table, picture_wh)
    high, wide = blocks.shape[2:4]
    left, top = (picture_wh[0] - wide) // 2, (picture_wh[1] - high) // 2
    image = np.full((high, wide, 3), 128, np.uint8)
    with closing(decode_frames(table, sorted(wanted))) as decoded:  # type: ignore[type-var]
        for frame, picture in decoded:
            if picture is not None:  # else a player shows the one before, too
                image = develop(picture)[top : top + high, left : left + wide]
            for clip, place in wanted[frame]:
                blocks[clip, place] = image
