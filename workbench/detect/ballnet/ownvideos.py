"""Crops of videos of one's own: unlabelled ones with balls pasted in, and clicked balls.

The unit is a window of five frames at one of the sizes that the finder looks at. A file of clicks
is CSV with the columns video, frame, x, y, size: pixels of the video, size the ball's diameter;
`video` is relative to the file. Two clicks a second are enough: between two frames with one ball
each, at most a second apart, the ball moves in a straight line. A clicked frame has all its balls
clicked, except that a row without x says: no ball here.
"""

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.detect.ballnet.crops import SIDE, Crop, Image, grey_of, inside, moved, stack_frames
from workbench.detect.ballnet.finder import shrunk
from workbench.detect.ballnet.network import Boxes
from workbench.detect.ballnet.pasting import pasted_crop
from workbench.errors import DatasetError
from workbench.footage.frames import iter_frames, uniform_indices
from workbench.footage.video_info import content_digest, probe

SHORT_SIDES = (360, 540)  # pixels; a video is never enlarged
_JUMP = 60  # frames between two windows from which it is faster to jump than to decode on
_MOST_CHANGE = 35.0  # grey levels between the first and the last frame: more is a cut
_SUFFIXES = {".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v"}


def videos_in(folder: Path) -> list[Path]:
    """The videos of a folder, also deeper ones.

    Raises:
        DatasetError: If there is none.
    """
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    if not found:
        raise DatasetError(f"no video in {folder}", "give a folder with videos of your own")
    return found


def name_of(video: Path) -> str:
    """What files made of a video are called: two videos of one name stay apart."""
    return f"{video.stem}_{content_digest(video)[:8]}"


@dataclass(frozen=True)
class Window:
    """Five frames of a video at one of its sizes."""

    frame: int  # the middle one
    scale: float  # of the size, against the video's
    images: tuple[Image, ...]  # (H, W, 3) each

    def stacked(self) -> Image:
        """What the network sees of it, (H, W, 7)."""
        greys = [grey_of(image) for place, image in enumerate(self.images) if place != 2]
        return stack_frames(self.images[2], greys)


def windows_of(path: Path, count: int) -> Iterator[Window]:
    """Yield windows spread over a video, at each of its sizes; none across a cut."""
    frames = probe(path).frame_count
    if frames < 5:
        return
    middles = np.clip(uniform_indices(frames, count), 2, frames - 3)
    for window in windows_at(path, np.unique(middles).tolist()):
        if not _is_cut(window.images):
            yield window


def windows_at(path: Path, middles: Sequence[int]) -> Iterator[Window]:
    """Yield the windows about some frames, in order, at each size of a video.

    At its ends a frame is repeated; a window with a frame that cannot be decoded is left out.
    Frames near each other are decoded in one go.
    """
    info = probe(path)
    last, scales = info.frame_count - 1, scales_of(info.width, info.height)
    for part in _stretches(sorted(middles)):
        held: dict[int, list[Image]] = {}
        wanted, first = deque(part), max(0, part[0] - 2)
        stop = min(last, part[-1] + 2) + 1
        for frame in iter_frames(path, start=first, stop=stop, skip_lost=True):
            held[frame.index] = [shrunk(frame.image, scale) for scale in scales]
            while wanted and frame.index >= min(last, wanted[0] + 2):
                middle = wanted.popleft()
                around = [min(max(middle + off, 0), last) for off in range(-2, 3)]
                if all(one in held for one in around):
                    for place, scale in enumerate(scales):
                        yield Window(middle, scale, tuple(held[one][place] for one in around))
            oldest = (wanted[0] if wanted else stop) - 2
            held = {one: images for one, images in held.items() if one >= oldest}


def _stretches(frames: Sequence[int]) -> Iterator[list[int]]:
    """Frames in groups that are worth a jump of their own."""
    part = list(frames[:1])
    for frame in frames[1:]:
        if frame - part[-1] > _JUMP:
            yield part
            part = []
        part.append(frame)
    if part:
        yield part


def scales_of(width: int, height: int) -> list[float]:
    """How much a video is shrunk for each short side that is looked at; it is never enlarged.

    Example:
        >>> scales_of(1280, 720), scales_of(426, 240)
        ([0.5, 0.75], [1.0])
    """
    return sorted({min(1.0, side / min(width, height)) for side in SHORT_SIDES})


def _is_cut(images: Sequence[Image]) -> bool:
    first, last = images[0].astype(int), images[-1].astype(int)
    return bool(np.abs(first - last).mean() > _MOST_CHANGE)


def pasted_crops(path: Path, windows: int, per_window: int, rng: np.random.Generator) -> list[Crop]:
    """Crops of a video with balls pasted in."""
    crops = []
    for window in windows_of(path, windows):
        height, width = window.images[0].shape[:2]
        if min(height, width) >= SIDE:
            for _ in range(per_window):
                y, x = (int(rng.integers(0, side - SIDE + 1)) for side in (height, width))
                square = [image[y : y + SIDE, x : x + SIDE] for image in window.images]
                crops.append(pasted_crop(square, rng))
    return crops


COLUMNS = ("video", "frame", "x", "y", "size")
_LONGEST_LINE_S = 1.0
_ALIKE = 0.7  # correlation of a ball between two clicks with the one that was clicked
_EVERY = 3  # frames between two examples of a line
_AWAY = 60.0
_AT_A_BALL, _ANYWHERE = 3, 1  # crops of a frame at each size


@dataclass(frozen=True)
class Clicked:
    """The balls of one frame of a video."""

    video: Path
    frame: int
    balls: tuple[tuple[float, float, float], ...]  # x, y, diameter in pixels


def load_clicks(path: Path) -> list[Clicked]:
    """Read a file of clicks.

    Raises:
        DatasetError: If a column, number, video or frame is missing.
    """
    frames: dict[tuple[Path, int], list[tuple[float, float, float]]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if missing := set(COLUMNS) - set(reader.fieldnames or ()):
                raise DatasetError(
                    f"{path} has no column {sorted(missing)[0]}", f"give {', '.join(COLUMNS)}"
                )
            for line, row in enumerate(reader, start=2):
                try:
                    balls = frames.setdefault((path.parent / row["video"], int(row["frame"])), [])
                    if row["x"]:
                        balls.append((float(row["x"]), float(row["y"]), float(row["size"])))
                except ValueError as error:
                    raise DatasetError(f"{path}, line {line}: {error}", "give numbers") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read ({error})", "give a CSV file") from None
    counts: dict[Path, int] = {}
    for video, frame in frames:
        if video not in counts:
            if not video.is_file():
                raise DatasetError(f"{path} names {video}, which is not there", "correct its path")
            counts[video] = probe(video).frame_count
        if not 0 <= frame < counts[video]:
            raise DatasetError(
                f"{path}: {video} has no frame {frame}", f"it has {counts[video]}, counted from 0"
            )
    return [Clicked(video, frame, tuple(balls)) for (video, frame), balls in sorted(frames.items())]


def with_lines(clicked: list[Clicked], fps: float) -> Iterator[Clicked]:
    """Yield the clicked frames of one video, and frames on straight lines between them."""
    yield from clicked
    for before, after in pairwise(clicked):
        gap = after.frame - before.frame
        if len(before.balls) == len(after.balls) == 1 and gap <= _LONGEST_LINE_S * fps:
            for frame in range(before.frame + _EVERY, after.frame, _EVERY):
                share = (frame - before.frame) / gap
                ball = np.array(before.balls[0]) * (1 - share) + np.array(after.balls[0]) * share
                yield Clicked(before.video, frame, (tuple(ball.tolist()),))


def clicked_windows(video: Path, clicked: list[Clicked]) -> Iterator[tuple[Window, Boxes]]:
    """Yield the windows of a video's clicked frames at each of its sizes, and the balls in them.

    Frames between two clicks count where the ball moves less than its size between the two and
    looks as it did when it was clicked: a thrown ball flies in a curve, a juggled one comes back.
    """
    own = {one.frame: one.balls for one in clicked}
    balls = {
        one.frame: one.balls
        for one in with_lines(clicked, float(probe(video).fps or 30))
        if one.frame in own or _is_near(one, clicked)
    }
    looks: dict[tuple[int, float], Image] = {}  # of a clicked frame at a size: its only ball
    waiting: list[tuple[Window, Boxes]] = []  # until the click after it is seen
    for window in windows_at(video, list(balls)):
        if min(window.images[2].shape[:2]) < SIDE:
            continue
        boxes: Boxes = np.array(
            [[x - d / 2, y - d / 2, x + d / 2, y + d / 2] for x, y, d in balls[window.frame]],
            np.float32,
        ).reshape(-1, 4) * np.float32(window.scale)
        if window.frame not in own:
            waiting.append((window, boxes))
            continue
        yield window, boxes
        if len(boxes) == 1:
            looks[window.frame, window.scale] = _look(window, boxes[0])
        for between, there in (one for one in waiting if one[0].scale == window.scale):
            nearest = min(own, key=lambda frame: abs(frame - between.frame))
            look = looks.get((nearest, window.scale))  # none where the click cannot be decoded
            if look is not None and _is_alike(look, _look(between, there[0])):
                yield between, there
        waiting = [one for one in waiting if one[0].scale != window.scale]


def _look(window: Window, box: NDArray[np.float32]) -> Image:
    """The ball's place in a window, with as much again around it."""
    x0, y0, x1, y1 = box
    side = max(7, round(2 * float(x1 - x0)))
    middle = float((x0 + x1) / 2) - 0.5, float((y0 + y1) / 2) - 0.5
    return np.asarray(cv2.getRectSubPix(window.images[2], (side, side), middle), np.uint8)


def _is_alike(clicked: Image, now: Image) -> bool:
    same = cv2.resize(now, clicked.shape[1::-1])
    return float(cv2.matchTemplate(clicked, same, cv2.TM_CCOEFF_NORMED).max()) >= _ALIKE


def clicked_crops(video: Path, clicked: list[Clicked], rng: np.random.Generator) -> list[Crop]:
    """Crops of one video's clicked frames: about a ball, and anywhere."""
    crops: list[Crop] = []
    for window, balls in clicked_windows(video, clicked):
        stacked = window.stacked()
        middles = [rng.uniform([0, 0], stacked.shape[1::-1]) for _ in range(_ANYWHERE)]
        for _ in range(_AT_A_BALL if len(balls) else 0):
            box = balls[rng.integers(len(balls))]
            middles.append((box[:2] + box[2:]) / 2 + rng.uniform(-_AWAY, _AWAY, 2))
        crops += [crop_about(stacked, middle, balls) for middle in middles]
    return crops


def _is_near(one: Clicked, clicked: list[Clicked]) -> bool:
    """Whether a frame was clicked, or the ball stays about where it was clicked."""
    if one in clicked:
        return True
    ((x, y, size),) = one.balls
    nearest = min(clicked, key=lambda other: abs(other.frame - one.frame))
    return any(np.hypot(x - at_x, y - at_y) <= size for at_x, at_y, _ in nearest.balls)


def crop_about(stacked: Image, middle: NDArray[np.float64], balls: Boxes) -> Crop:
    """The crop of a stacked picture about a point, moved inwards where it would leave it."""
    height, width = stacked.shape[:2]
    x, y = (
        int(np.clip(at - SIDE / 2, 0, side - SIDE))
        for at, side in zip(middle, (width, height), strict=True)
    )
    own = inside(moved(balls, -x, -y), SIDE)
    return Crop(stacked[y : y + SIDE, x : x + SIDE].copy(), own)
