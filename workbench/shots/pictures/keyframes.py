"""Key frames of a shot: run-up, contact, flight, line, after.

The unit is one moment: its name, its frame, and the part of the picture where it happens. Knows
nothing about how moments were found.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from workbench.detect.drawing import Image
from workbench.footage.frames import sample_readable
from workbench.footage.pinhole import to_pixels
from workbench.shots.analysed import ShotAnalysis
from workbench.shots.pictures.figures import say_why_not
from workbench.shots.pictures.overlay import ShotOverlay
from workbench.shots.words import event_words
from workbench.style import axes_or_new

_RUN_UP_S, _AFTER_S = 0.4, 0.4
_CROP_WH = (3, 4)  # upright: five beside each other make a wide strip, one fills a phone
_LEAST_SHARE = 0.5  # of the picture's shorter side, so that one still sees where it happens


@dataclass(frozen=True)
class Moment:
    """One of the pictures that tell a shot."""

    name: str
    frame: int
    focus_px: tuple[float, float]  # what it is about
    reach_px: float  # how much around it should be seen


def key_moments(shot: ShotAnalysis) -> list[Moment]:
    """Return the moments of a shot that are known, in order, each frame once.

    Without a kick there is nothing to tell: the list is empty.
    """
    kick, end = shot.kick_frame, shot.arrival_frame
    if kick is None:
        return []
    times = [("run-up", kick - _RUN_UP_S * shot.fps), ("contact", kick)]
    if end is not None:
        at_end = next(event_words(one) for one in shot.verdict.events if one.frame == end)
        times += [("flight", (kick + end) / 2), (at_end, end), ("after", end + _AFTER_S * shot.fps)]
    moments: list[Moment] = []
    for name, time in times:
        frame = min(max(0, round(time)), shot.frame_count - 1)
        if frame not in [moment.frame for moment in moments]:
            moments.append(Moment(name, frame, *_where(shot, name, frame)))
    return moments


def cut_moments(shot: ShotAnalysis, video: Path, moments: list[Moment]) -> list[Image]:
    """Return a cut-out (H, W, 3) of each moment with the shot drawn over it; all of one size.

    A moment whose frame cannot be read gets a grey picture.

    Raises:
        FootageError: If the clip cannot be read.
    """
    if not moments:
        return []
    got = sample_readable(video, [shot.timeline.frame(moment.frame) for moment in moments])
    frame_to_image = dict(zip(got.frames, got.images, strict=True))
    overlay, images = ShotOverlay(shot), []
    for moment in moments:
        frame = shot.timeline.frame(moment.frame)
        image = frame_to_image.get(frame)
        if image is None:
            image = np.full((shot.clip.height, shot.clip.width, 3), 127, np.uint8)
        painted = overlay.paint(image, frame, card=False)
        images.append(_crop(painted, moment.focus_px, moment.reach_px))
    return images


def draw_key_frames(shot: ShotAnalysis, video: Path, ax: Axes | None = None) -> Axes:
    """Draw the strip of key frames.

    Raises:
        FootageError: If the clip cannot be read.
    """
    moments = key_moments(shot)
    ax = axes_or_new(ax, (10, 3.1), layout="constrained")
    ax.set_title("What happened, in pictures?", loc="left")
    if not moments:
        return say_why_not(ax, "No kick was found.")
    ax.set_axis_off()
    images = cut_moments(shot, video, moments)
    height = max(image.shape[0] for image in images)
    gap, left = round(0.04 * height), 0
    for moment, image in zip(moments, images, strict=True):
        right = left + image.shape[1] * height / image.shape[0]
        ax.imshow(image, extent=(left, right, height, 0), interpolation="lanczos")
        since_s = (moment.frame - moments[0].frame) / shot.fps
        ax.text(left, height * 1.02, moment.name, va="top", fontsize=10, fontweight="bold")
        ax.text(right, height * 1.02, f"{since_s:.2f} s", va="top", ha="right", fontsize=9)
        left = right + gap
    ax.set(xlim=(0, left - gap), ylim=(1.1 * height, 0))
    return ax


def _where(shot: ShotAnalysis, name: str, frame: int) -> tuple[tuple[float, float], float]:
    """Middle and reach of what a moment is about: shooter at first, then ball and goal."""
    shorter = min(shot.size_wh)
    if name in ("run-up", "contact") and shot.shooter is not None:
        table = shot.people.table
        rows = table[table["player"] == shot.shooter.player]
        if len(rows):
            nearest = int(np.argmin(np.abs(rows["frame"].to_numpy() - frame)))
            x0, y0, x1, y1 = rows[["x0", "y0", "x1", "y1"]].to_numpy(float)[nearest]
            return ((x0 + x1) / 2, (y0 + y1) / 2), max(_LEAST_SHARE * shorter, 1.4 * (y1 - y0))
    goal = shot.goal.corners_px
    if goal is None or name in ("run-up", "contact", "flight"):
        return _ball_at(shot, frame), 0.6 * shorter
    goal = shot.view.to_frame(frame, goal)
    if not np.isfinite(goal).all():
        return _ball_at(shot, frame), 0.6 * shorter
    middle = goal.mean(axis=0)
    extent = goal.max(axis=0) - goal.min(axis=0)
    wanted = max(1.2 * extent[0] * _CROP_WH[1] / _CROP_WH[0], 1.6 * extent[1])
    return (float(middle[0]), float(middle[1])), max(_LEAST_SHARE * shorter, float(wanted))


def _ball_at(shot: ShotAnalysis, frame: int) -> tuple[float, float]:
    path = shot.verdict.path
    if path is not None and path.frames[0] <= frame <= path.frames[-1]:
        place = int(np.argmin(np.abs(path.frames - frame)))
        ball = to_pixels(path.camera, path.positions_m[place])[0]
    elif len(shot.track):
        ball = shot.track.xy[np.argmin(np.abs(shot.track.frames - frame))]
    else:
        ball = np.array(shot.size_wh) / 2
    there = shot.view.to_frame(frame, ball)[0]
    x, y = there if np.isfinite(there).all() else np.array(shot.size_wh) / 2
    return float(x), float(y)


def _crop(image: Image, focus_px: tuple[float, float], reach_px: float) -> Image:
    """Cut out an upright part as high as `reach_px`, moved inside; enlarged to the common size."""
    height, width = image.shape[:2]
    share = min(1.0, height / reach_px, width / (reach_px * _CROP_WH[0] / _CROP_WH[1]))
    tall, wide = round(share * reach_px), round(share * reach_px * _CROP_WH[0] / _CROP_WH[1])
    x = min(max(0, round(focus_px[0] - wide / 2)), width - wide)
    y = min(max(0, round(focus_px[1] - tall / 2)), height - tall)
    return np.ascontiguousarray(image[y : y + tall, x : x + wide])
