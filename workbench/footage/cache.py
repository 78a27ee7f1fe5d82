"""A cache of small decoded frames: training reads a clip in every epoch.

The unit is one array of frames of one video at one size, in an .npy file whose name is a digest of
what went in. The video's *content* counts, not its path, so moving or copying footage keeps the
cache. Deleting the folder is always safe.
"""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FootageError
from workbench.footage.frames import sample_frames
from workbench.footage.video_info import content_digest
from workbench.saving import replacing

log = logging.getLogger(__name__)

# Raise when the same request would give other pixels: another scaler, another colour conversion.
CACHE_FORMAT = "workbench-frames/2"


def cached_frames(
    path: Path | str,
    indices: Sequence[int] | NDArray[np.integer],
    size_wh: tuple[int, int],
    cache_dir: Path | str,
) -> NDArray[np.uint8]:
    """Read frames as `sample_frames` does, from the cache where they are there already.

    Several processes may share a cache: an entry appears whole, and whoever comes second writes the
    same bytes again. An entry that is damaged is made anew. `cache_dir` is a folder of its own.

    Returns:
        (N, H, W, 3) RGB, mapped from the file and read-only: pages are loaded when touched and
        shared between processes.

    Raises:
        FootageError: As `sample_frames`; nothing is cached then.

    Example:
        >>> images = cached_frames("clip.mp4", range(16), (112, 112), "cache")  # doctest: +SKIP
    """
    path = Path(path)
    wanted = np.asarray(indices, dtype=np.int64)
    width, height = size_wh
    shape = (len(wanted), height, width, 3)
    request = f"{CACHE_FORMAT} {content_digest(path)} {width}x{height} {wanted.tolist()}"
    name = hashlib.sha256(request.encode()).hexdigest()[:40]
    entry = Path(cache_dir) / name[:2] / f"{name}.npy"
    images = _load(entry, shape)
    if images is not None:
        return images
    fresh = sample_frames(path, wanted, size_wh)
    try:
        with replacing(entry) as part:
            np.save(part, fresh)
    except OSError as error:
        raise FootageError(
            f"cannot write the frame cache {entry.parent} ({error.strerror})",
            "free some space, or choose another cache folder",
        ) from None
    fresh.setflags(write=False)
    images = _load(entry, shape)
    return fresh if images is None else images


def _load(entry: Path, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    if not entry.exists():
        return None
    try:
        images: NDArray[np.uint8] = np.load(entry, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        log.warning("cache entry %s is damaged (%s); making it anew", entry, error)
        return None
    if images.shape != shape or images.dtype != np.uint8:
        log.warning("cache entry %s does not hold what its name says; making it anew", entry)
        return None
    return images
