"""Hard examples: crops around what a network takes for a ball and is none.

In rendered clips the truth says so. In a video that nobody has labelled the surest answer of each
frame is left alone, since it may be the ball; so are its neighbours. Half of these crops get a ball
pasted in, for a crop without one teaches little about places.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from workbench.detect.ballnet.backgrounds import windows_of
from workbench.detect.ballnet.crops import SIDE, Crop, Film, Scene, grey_of, stack_frames
from workbench.detect.ballnet.finder import answers
from workbench.detect.ballnet.network import OFFSETS
from workbench.detect.ballnet.pasting import as_filmed, paste, shifts_of
from workbench.footage.clips import Clip

_TEMPTING = -1.5  # logit from which a false answer is worth learning from
_PER_FRAME = 3
_APART = 50.0  # pixels between two crops of a frame
_FAR = 70.0  # pixels from the surest answer of an unlabelled frame
_AWAY = 40.0
_CPU = torch.device("cpu")


def mined_clip(
    network: nn.Module, clip: Clip, footage_dir: Path, frames: int, rng: np.random.Generator
) -> list[Crop]:
    """False answers in some frames of a rendered clip, with its true balls."""
    assert clip.truth is not None
    film, scene = Film.read(footage_dir / clip.file), Scene.load(footage_dir / clip.truth)
    last, crops = min(len(film.frames), len(scene.balls)) - 1, []
    for frame in rng.permutation(last + 1)[:frames].tolist():
        greys = [film.greys[min(max(frame + off, 0), last)] for off in OFFSETS]
        stacked = stack_frames(film.frames[frame], greys)
        balls = scene.balls[frame]
        middles = (balls[:, :2] + balls[:, 2:]) / 2
        near = np.maximum(4.0, (balls[:, 2:] - balls[:, :2]).max(axis=1, initial=0))
        taken: list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]] = []
        for at in _tempting(network, stacked):
            is_true = (np.hypot(*(middles - at).T) <= near).any() if len(balls) else False
            if not is_true and _is_apart(at, taken) and len(taken) < _PER_FRAME:
                taken.append(at)
                x, y = at + rng.uniform(-_AWAY, _AWAY, 2)
                crops.append(film.cut(frame, (float(x), float(y)), balls))
    return crops


def mined_video(
    network: nn.Module, path: Path, windows: int, rng: np.random.Generator
) -> list[Crop]:
    """Probably false answers in an unlabelled video."""
    crops = []
    for window in windows_of(path, windows):
        images = window.images
        height, width = images[2].shape[:2]
        if min(height, width) < SIDE:
            continue
        greys = [grey_of(image) for place, image in enumerate(images) if place != 2]
        first, *others = [*_tempting(network, stack_frames(images[2], greys)), None]
        taken: list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]] = []
        for at in others:
            if at is None or first is None or len(taken) == _PER_FRAME:
                break
            if np.hypot(*(at - first)) >= _FAR and _is_apart(at, taken):
                taken.append(at)
                corner = at - SIDE / 2 + rng.uniform(-_AWAY, _AWAY, 2)
                x, y = (
                    int(np.clip(low, 0, side - SIDE))
                    for low, side in zip(corner, (width, height), strict=True)
                )
                square = [image[y : y + SIDE, x : x + SIDE] for image in images]
                balls = int(rng.choice(3, p=[0.5, 0.35, 0.15]))
                pictures, boxes = paste(square, shifts_of(square), balls, rng)
                crops.append(Crop(as_filmed(pictures, rng), boxes, unknown=True))
    return crops


def _tempting(
    network: nn.Module, stacked: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
) -> Iterator[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    """Middles of what a network takes for balls, the surest first."""
    (rows,) = answers(network, [stacked], _CPU)
    for logit, x0, y0, x1, y1 in rows.tolist():
        if logit >= _TEMPTING:
            yield np.array([(x0 + x1) / 2, (y0 + y1) / 2])


def _is_apart(
    at: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    taken: list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]],
) -> bool:
    return all(np.hypot(*(at - other)) >= _APART for other in taken)
