"""A goal clicked in one clip, in the pictures of other clips of its session.

The unit is a goal's corners (4, 2) in one frame of a video. The picture around them is registered
to a frame of another video (`footage.registration`); where that fails, nobody knows where the goal
is there and it has to be clicked again.
"""

from pathlib import Path

from numpy.typing import ArrayLike

from workbench.errors import FootageError
from workbench.footage.frames import sample_frames
from workbench.footage.pinhole import Floats
from workbench.footage.planemaps import move_points
from workbench.footage.registration import Registrar


def carry_corners(
    corners_px: ArrayLike, clicked: Path, frame: int, other: Path, other_frame: int
) -> Floats | None:
    """Find corners clicked in one video in a frame of another; None where it shows another view.

    Args:
        corners_px: Corners (4, 2) in full-size pixels, in any order, which is kept.
        clicked: The video they were clicked in.
        frame: The frame of it.
        other: Another video, or the same.
        other_frame: The frame of it that corners are wanted for; say a clip's `reference_frame`.

    Example:
        >>> carry_corners(corners, Path("a.mp4"), 41, Path("b.mp4"), 45)  # doctest: +SKIP
    """
    try:
        was, now = sample_frames(clicked, [frame])[0], sample_frames(other, [other_frame])[0]
    except FootageError:
        return None
    if was.shape != now.shape:
        return None
    found = Registrar(was, goal_px=corners_px).register(now)
    return None if found.to_frame is None else move_points(found.to_frame, corners_px)
