"""Copies of a clip are found however they were made; other clips of the same scene are not."""

import cv2
import numpy as np
import pytest

from workbench.actions.likeness import near_duplicates

FRAMES, SIZE_WH = 16, (84, 72)


def film(seed: int, scene: int, moves: bool = True) -> np.ndarray:
    """A disc on a path of its own before a scene; 5 % more on each side than what is stored."""
    backdrop = np.random.default_rng([7, scene]).integers(40, 200, (7, 8, 3), dtype=np.uint8)
    width, height = SIZE_WH[0] * 2, SIZE_WH[1] * 2
    picture = cv2.resize(backdrop, (width, height), interpolation=cv2.INTER_CUBIC)
    rng = np.random.default_rng(seed)
    start, end, colour = rng.uniform(0.2, 0.8, 2), rng.uniform(0.1, 0.9, 2), rng.integers(0, 255, 3)
    bend = rng.uniform(-0.3, 0.3, 2)
    frames = []
    for time in np.linspace(0, 1, FRAMES):
        spot = start + (end - start) * time + bend * time * (1 - time) * 4
        frame = picture.copy()
        if moves:
            at = (spot * (width, height)).astype(int).tolist()
            cv2.circle(frame, at, 24, colour.tolist(), -1)
        frames.append(frame)
    return np.stack(frames)


def stored(film: np.ndarray) -> np.ndarray:
    return np.stack([cv2.resize(one, SIZE_WH, interpolation=cv2.INTER_AREA) for one in film])


def encoded_anew(film: np.ndarray, quality: int = 15) -> np.ndarray:
    flag = [cv2.IMWRITE_JPEG_QUALITY, quality]
    return np.stack([cv2.imdecode(cv2.imencode(".jpg", one, flag)[1], 1) for one in film])


def cropped(film: np.ndarray) -> np.ndarray:
    height, width = film.shape[1:3]
    return film[:, round(0.05 * height) : -round(0.05 * height), round(0.05 * width) :]


def mirrored(film: np.ndarray) -> np.ndarray:
    return film[:, :, ::-1]


COPIES = {
    "encoded anew": encoded_anew,
    "cropped by 5 %": cropped,
    "mirrored": mirrored,
    "all of it": lambda film: encoded_anew(cropped(mirrored(film)), 30),
    "brighter": lambda film: np.clip(film.astype(float) * 1.2 + 10, 0, 255).astype(np.uint8),
}


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_is_found(how):
    films = [film(number, scene=number % 3) for number in range(6)]
    clips = [stored(one) for one in [*films, COPIES[how](films[2])]]
    assert near_duplicates(len(clips), clips.__getitem__) == [(2, 6)]


def test_other_actions_before_the_same_camera_are_no_copies():
    clips = [stored(film(number, scene=0)) for number in range(12)]
    assert near_duplicates(len(clips), clips.__getitem__) == []


def test_where_nothing_moves_the_scene_decides():
    noise = np.random.default_rng(0)
    stills = [film(0, scene=scene, moves=False) for scene in (0, 0, 1)]
    grainy = [
        np.clip(one + noise.normal(0, 2, one.shape), 0, 255).astype(np.uint8) for one in stills
    ]
    clips = [stored(one) for one in grainy]
    assert near_duplicates(len(clips), clips.__getitem__) == [(0, 1)]


def test_few_clips_and_blank_ones_are_no_trouble():
    blank = np.zeros((FRAMES, *SIZE_WH[::-1], 3), np.uint8)
    assert near_duplicates(0, [].__getitem__) == []
    assert near_duplicates(1, [blank].__getitem__) == []
    assert near_duplicates(2, [blank, stored(film(1, 1))].__getitem__) == []
