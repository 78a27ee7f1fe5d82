"""A digest that identifies a video by its content, whatever its name and folder."""

import hashlib
from functools import lru_cache
from pathlib import Path

from workbench.errors import FootageError

END_BYTES = 1 << 20  # of each end of the file; an encoder that changes a video changes both


def content_digest(path: Path | str) -> str:
    """A digest of a file's size, first and last mebibyte: quick even for a whole match.

    Raises:
        FootageError: If the file cannot be read.
    """
    path = Path(path)
    try:
        state = path.stat()
        return _digest(path, state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise FootageError(
            f"{path} cannot be read ({error.strerror})", "give the path of a video file"
        ) from None


@lru_cache(maxsize=4096)
def _digest(path: Path, size_bytes: int, mtime_ns: int) -> str:
    del mtime_ns  # part of the key only
    digest = hashlib.sha256(str(size_bytes).encode())
    with path.open("rb") as video:
        digest.update(video.read(END_BYTES))
        if size_bytes > END_BYTES:
            video.seek(max(END_BYTES, size_bytes - END_BYTES))
            digest.update(video.read(END_BYTES))
    return digest.hexdigest()
