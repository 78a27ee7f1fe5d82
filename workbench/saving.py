"""Saving files so that a reader sees the old content or the new, never half of either.

Knows bytes, text and JSON, which it also reads; knows nothing about what they mean.
"""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path`; the file written there takes its place when the block ends well.

    The temporary file keeps the suffix, because encoders choose their container by it. If the block
    raises, the temporary file is removed and whatever was at `path` stays as it was.

    Example:
        >>> with replacing(Path("cut.mp4")) as part:  # doctest: +SKIP
        ...     encode(frames, part)
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def save_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` in one step, making missing folders."""
    with replacing(path) as part:
        part.write_bytes(content)


def save_text(path: Path, content: str) -> None:
    """Write `content` to `path` as UTF-8 in one step, making missing folders."""
    save_bytes(path, content.encode())


def save_json(path: Path, content: Any, indent: int | None = 1) -> None:
    """Write `content` as JSON in one step.

    Keys keep the order they were given in, so that the same content gives the same bytes.

    Raises:
        ValueError: If `content` holds NaN or infinity, which JSON does not have.
    """
    save_text(path, json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False) + "\n")


def read_object(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file; None where there is none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
