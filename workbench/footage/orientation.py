"""How the stored picture is turned into the shown one, as the camera was held."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import numpy as np
from av.sidedata.sidedata import SideData
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame
from numpy.typing import NDArray


@dataclass(frozen=True)
class Orientation:
    """Transpose first, then mirror; phones store the sensor's view and a matrix that says how."""

    transposed: bool = False
    mirrored_x: bool = False
    mirrored_y: bool = False

    @property
    def clockwise_deg(self) -> int:
        """Degrees the stored picture is turned clockwise; a mirror image is not counted."""
        if self.transposed:
            return 90 if self.mirrored_x else 270
        return 180 if self.mirrored_x and self.mirrored_y else 0

    @property
    def is_mirror_image(self) -> bool:
        """Whether no rotation alone gives the shown picture."""
        return (self.transposed + self.mirrored_x + self.mirrored_y) % 2 == 1

    def swap(self, wh: tuple[int, int]) -> tuple[int, int]:
        """Translate a size between stored and shown."""
        return (wh[1], wh[0]) if self.transposed else wh

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Turn a stored image (H, W, 3) into the shown one."""
        if self.transposed:
            image = image.transpose(1, 0, 2)
        image = image[:: -1 if self.mirrored_y else 1, :: -1 if self.mirrored_x else 1]
        return np.ascontiguousarray(image)


def orientation_of(frame: VideoFrame) -> Orientation:
    """Read the display matrix of a decoded frame."""
    # PyAV's stub calls the container of side data a dictionary, which it is not.
    side_data = cast("Iterable[SideData]", frame.side_data)
    matrices = [data for data in side_data if data.type == SideDataType.DISPLAYMATRIX]
    if not matrices:
        return Orientation()
    # Nine 32-bit numbers, rows (a b u), (c d v), (x y w): x' = a·x + c·y, y' = b·x + d·y.
    a, b, _, c, d, *_ = np.frombuffer(bytes(matrices[0]), np.int32).tolist()
    if abs(b) > abs(a):
        return Orientation(transposed=True, mirrored_x=c < 0, mirrored_y=b < 0)
    return Orientation(mirrored_x=a < 0, mirrored_y=d < 0)
