"""Hard examples: crops around what a network takes for a ball and is none.

In rendered clips the truth says so, in clicked frames the clicks. In a video that nobody has
labelled the surest answer of each frame is left alone, since it may be the ball; so are its
neighbours. Half of these crops get a ball pasted in, for a crop without one teaches little about
places.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from workbench.detect.ballnet.crops import SIDE, Crop, Film, Image, Scene, stack_frames
from workbench.detect.ballnet.finder import answers
from workbench.detect.ballnet.network import OFFSETS, Boxes
from workbench.detect.ballnet.ownvideos import (
    Clicked,
    Window,
    clicked_windows,
    crop_about,
    windows_of,
)
from workbench.detect.ballnet.pasting import as_filmed, paste, shifts_of
from workbench.footage.clips import Clip

_TEMPTING = -1.5  # logit from which a false answer is worth learning from
_PER_FRAME = 3
_APART = 50.0  # pixels between two crops of a frame
_FAR = 70.0  # pixels from the surest answer of an unlabelled frame
_AWAY = 40.0
Point = NDArray[np.float64]  # x, y

_CPU = torch.device("cpu")


def mined_clip(
    network: nn.Module, clip: Clip, footage_dir: Path, frames: int, rng: np.random.Generator
) -> list[Crop]:
    """False answers in some frames of a rendered clip, with its true balls."""
    assert clip.truth is not None
    film, scene = Film.read(footage_dir / clip.file), Scene.load(footage_dir / clip.truth)
    last = min(len(film.frames), len(scene.balls)) - 1
    crops: list[Crop] = []
    for frame in rng.permutation(last + 1)[:frames].tolist():
        greys = [film.greys[min(max(frame + off, 0), last)] for off in OFFSETS]
        balls = scene.balls[frame]
        tempting = _tempting(network, stack_frames(film.frames[frame], greys))
        for at in _spread(at for at in tempting if not _is_on(at, balls)):
            x, y = at + rng.uniform(-_AWAY, _AWAY, 2)
            crops.append(film.cut(frame, (float(x), float(y)), balls))
    return crops


def mined_video(
    network: nn.Module, path: Path, windows: int, rng: np.random.Generator
) -> list[Crop]:
    """Probably false answers in an unlabelled video."""
    crops: list[Crop] = []
    for window in windows_of(path, windows):
        if min(window.images[2].shape[:2]) >= SIDE:
            found = list(_tempting(network, window.stacked()))
            far = (at for at in found[1:] if np.linalg.norm(at - found[0]) >= _FAR)
            crops += [_with_balls(window, at, rng) for at in _spread(far)]
    return crops


def mined_clicks(
    network: nn.Module, path: Path, clicked: list[Clicked], rng: np.random.Generator
) -> list[Crop]:
    """False answers in the clicked frames of a video, with the balls that were clicked."""
    crops: list[Crop] = []
    for window, balls in clicked_windows(path, clicked):
        stacked = window.stacked()
        for at in _spread(at for at in _tempting(network, stacked) if not _is_on(at, balls)):
            crops.append(crop_about(stacked, at + rng.uniform(-_AWAY, _AWAY, 2), balls))
    return crops


def _with_balls(window: Window, at: Point, rng: np.random.Generator) -> Crop:
    """A crop about a point, in half of the cases with balls pasted in."""
    height, width = window.images[2].shape[:2]
    corner = at - SIDE / 2 + rng.uniform(-_AWAY, _AWAY, 2)
    x, y = np.clip(corner, 0, [width - SIDE, height - SIDE]).astype(int).tolist()
    square = [image[y : y + SIDE, x : x + SIDE] for image in window.images]
    balls = int(rng.choice(3, p=[0.5, 0.35, 0.15]))
    pictures, boxes = paste(square, shifts_of(square), balls, rng)
    return Crop(as_filmed(pictures, rng), boxes, unknown=True)


def _tempting(network: nn.Module, stacked: Image) -> Iterator[Point]:
    """Middles of what a network takes for balls, the surest first."""
    (rows,) = answers(network, [stacked], _CPU)
    for logit, x0, y0, x1, y1 in rows.tolist():
        if logit >= _TEMPTING:
            yield np.array([(x0 + x1) / 2, (y0 + y1) / 2])


def _is_on(at: Point, balls: Boxes) -> bool:
    middles = (balls[:, :2] + balls[:, 2:]) / 2
    near = np.maximum(4.0, (balls[:, 2:] - balls[:, :2]).max(axis=1, initial=0))
    return bool((np.linalg.norm(middles - at, axis=1) <= near).any())


def _spread(points: Iterable[Point]) -> list[Point]:
    """The first few points that lie apart from each other."""
    taken: list[Point] = []
    for at in points:
        is_apart = all(np.linalg.norm(at - other) >= _APART for other in taken)
        if is_apart and len(taken) < _PER_FRAME:
            taken.append(at)
    return taken
