"""Ball tracks and labels made by hand, for tests of what reads them."""

import numpy as np

from workbench.detect.detections import CLASSES, from_coco
from workbench.detect.store import ClipDetections
from workbench.shots.ball.track import BallTrack

FPS = 30.0


def make_track(xy, frames=None, size_px=10.0):
    """A track of a ball of one size from places (N, 2), one per frame unless frames are given."""
    xy = np.asarray(xy, float)
    frames = np.arange(len(xy)) if frames is None else np.asarray(frames)
    sizes = np.full(len(xy), size_px)
    return BallTrack(frames, xy, np.column_stack([sizes, sizes]), sizes, np.ones(len(xy)))


def moved(track, *, factor=1.0, shift=(0.0, 0.0), later=0):
    """The track in another picture: places times a factor (one per axis), moved, frames later."""
    scale = np.abs(np.broadcast_to(factor, 2))
    return BallTrack(
        track.frames + later,
        track.xy * factor + shift,
        track.box_wh * scale,
        track.diameter_px * scale[0],
        track.score,
    )


def kicked(rest=20, flight=25, speed=(14.0, -9.0)):
    """A ball that lies still for `rest` frames and then flies off, in pixels per frame."""
    flying = np.arange(1, flight + 1)[:, None] * np.array(speed)
    return np.array([200.0, 300.0]) + np.concatenate([np.zeros((rest, 2)), flying])


def path(*legs, start=(100.0, 180.0)):
    """Legs of (frames, px per frame along x, along y), one after the other."""
    steps = np.concatenate([np.tile([x, y], (count, 1)) for count, x, y in legs])
    return np.concatenate([[start], start + np.cumsum(steps, axis=0)])


def arc(count, vx, vy, gravity):
    """Legs of a ball that falls, in pixels per frame and per frame squared."""
    return [(1, vx, vy + gravity * (t + 0.5)) for t in range(count)]


def labels_of(frames, wh=(640, 360)):
    """Labels of a clip from a list of COCO annotations per frame."""
    return ClipDetections("clip", "session", "test", *wh, tuple(map(found_of, frames)))


def found_of(annotations):
    """Detections of one frame from COCO annotations."""
    return tuple(from_coco(row, CLASSES[row["category_id"] - 1]) for row in annotations)
