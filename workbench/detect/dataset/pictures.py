"""Pictures as they are shown: found by name, and with the turn applied that EXIF asks for.

The unit is one image file. Cameras store a picture as the sensor lies and note how it is to be
turned; browsers, labelling tools and OpenCV turn it, Pillow and trainers do not.
"""

import io
import os
from collections import defaultdict
from functools import cached_property
from pathlib import Path

from PIL import ExifTags, Image, ImageOps

from workbench.errors import DatasetError
from workbench.footage.clips import video_name

UPRIGHT = 1  # of EXIF's orientations
_SIDEWAYS = (5, 6, 7, 8)  # width and height change places
_JPEG_QUALITY = 95


class Pictures:
    """The pictures of a folder, found by the name that a COCO file has for them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def _named(self) -> dict[str, list[Path]]:
        """All files by name; read only for names that may be spelt in several ways."""
        named = defaultdict(list)
        for folder, _, files in os.walk(self.folder):
            for path in (Path(folder) / file for file in files):
                named[video_name(str(path.relative_to(self.folder)))].append(path)
        return named

    def find(self, name: str) -> list[Path]:
        """The files that may be meant: one, unless there is none or some are called alike."""
        path = self.folder / name
        # Path.is_file raises for names that are too long.
        exact = [path] if os.path.isfile(path) else []  # noqa: PTH113
        return exact if exact and name.isascii() else self._named.get(name, exact)


def orientation_of(image: Image.Image) -> int:
    """Return EXIF's orientation, 1–8; 1 where there is none that can be read."""
    try:
        # The base class's: for PNG, Pillow would decode the picture to look behind it.
        found = Image.Image.getexif(image).get(ExifTags.Base.Orientation)
    except Exception:  # whatever damaged EXIF leads to: others cannot read it, either
        return UPRIGHT
    return found if isinstance(found, int) and found in range(1, 9) else UPRIGHT


def sizes_of(image: Image.Image) -> tuple[tuple[int, int], ...]:
    """Width and height of a picture as it is shown and, where they differ, as it is stored."""
    if orientation_of(image) in _SIDEWAYS and image.format != "TIFF":  # which Pillow turns
        return image.size[::-1], image.size
    return (image.size,)


def read_upright(path: Path, labelled_wh: tuple[int, int]) -> tuple[bytes, bool]:
    """Return a picture's file as all readers show it alike, and whether it was turned.

    The bytes are those of the file unless EXIF asks for a turn. Then the pixels are turned, unless
    the labels' size is that of the pixels as they are stored; the tag goes.

    Args:
        path: An image file.
        labelled_wh: Width and height of the picture that was labelled.

    Raises:
        DatasetError: If it is to be turned and cannot be decoded, or written in its format.
    """
    with Image.open(path) as image:
        if orientation_of(image) == UPRIGHT:
            return path.read_bytes(), False
        shown_wh, *stored_wh = sizes_of(image)
        is_as_stored = labelled_wh in stored_wh and labelled_wh != shown_wh
        form = "JPEG" if image.format == "MPO" else image.format  # of phones, several in one
        out = io.BytesIO()
        try:
            pixels = image.copy() if is_as_stored else ImageOps.exif_transpose(image)
            colours = image.info.get("icc_profile")
            pixels.info.clear()  # some formats write what is in there, the tag included
            pixels.save(out, form, subsampling=0, quality=_JPEG_QUALITY, icc_profile=colours)
        except Exception as error:  # whatever a damaged picture leads to
            problem = f"{path} is to be turned, as its EXIF says, and cannot be ({error})"
            raise DatasetError(problem, "turn it in an image editor") from None
    return out.getvalue(), not is_as_stored
