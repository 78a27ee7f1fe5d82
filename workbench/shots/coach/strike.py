"""Pictures of the strike, for a coach who sees: the shooter before, at and after the contact."""

import io
from pathlib import Path

from PIL import Image as Picture

from workbench.shots.analysed import ShotAnalysis
from workbench.shots.pictures.keyframes import cut_moments, key_moments

_MOMENTS = ("run-up", "contact")


def strike_pictures(shot: ShotAnalysis, video: Path) -> list[bytes]:
    """Return JPEGs of the run-up and the contact, the shooter cut out; none without a kick.

    Raises:
        FootageError: If the clip cannot be read.
    """
    moments = [one for one in key_moments(shot) if one.name in _MOMENTS]
    pictures = []
    for image in cut_moments(shot, video, moments):
        stream = io.BytesIO()
        Picture.fromarray(image).save(stream, "JPEG", quality=85)
        pictures.append(stream.getvalue())
    return pictures
