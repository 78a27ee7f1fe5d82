"""Saving files so that a reader sees the old content or the new, never half of either.

Knows bytes, text and JSON, which it also reads; knows nothing about what they mean.
"""

import errno
import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from workbench.errors import DatasetError, SavingError, WorkbenchError

_NO_SPACE = "free some space on that disk, or name a folder on another"
_NOT_OURS = "make it writable, or name another folder"
_REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _NO_SPACE),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _NOT_OURS),
    **dict.fromkeys((errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG), "name another folder"),
    errno.EIO: "look after the disk, or name a folder on another",
}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Make what keeps a block from writing `path`, or anything below it, one line with a remedy.

    Raises:
        SavingError: For a full disk, a folder that is read-only, a file where a folder should be.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _REMEDIES:
            raise
        said = os.strerror(error.errno)
        raise SavingError(f"{path} cannot be written ({said})", _REMEDIES[error.errno]) from error


# What code raises that takes JSON for something it is not.
_MISREAD = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path`; the file written there takes its place when the block ends well.

    The temporary file keeps the suffix, because encoders choose their container by it. If the block
    raises, the temporary file is removed and whatever was at `path` stays as it was.

    Raises:
        SavingError: If the disk is full, or the folder read-only.

    Example:
        >>> with replacing(Path("cut.mp4")) as part:  # doctest: +SKIP
        ...     encode(frames, part)
    """
    part = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
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
    # Halves of surrogate pairs stand for bytes of a file name that are no UTF-8.
    save_bytes(path, content.encode(errors="backslashreplace"))


def save_json(path: Path, content: Any, indent: int | None = 1) -> None:
    """Write `content` as JSON in one step.

    Keys keep the order they were given in, so that the same content gives the same bytes.

    Raises:
        ValueError: If `content` holds NaN or infinity, which JSON does not have.
    """
    text = json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False) + "\n"
    save_bytes(path, text.encode(errors="backslashreplace"))  # halves of pairs, as JSON writes them


@contextmanager
def reading(
    path: Path,
    what: str = "JSON",
    remedy: str = "make it anew",
    error: type[WorkbenchError] = DatasetError,
    *,
    absent: str | None = None,
    once: bool = False,
) -> Iterator[Any]:
    """Yield what the JSON file `path` holds; whatever goes wrong in the block is one error.

    Every Unicode encoding is read, with or without a byte order mark.

    Args:
        path: The file.
        what: What it should be, as in "is not a clip list".
        remedy: For the error; one that the block raises keeps its own.
        error: Its type.
        absent: The remedy where there is no file, if it is another.
        once: Refuse a name that is twice in one object, where JSON takes the last.

    Raises:
        WorkbenchError: Of the type `error` and with the path, if the file cannot be read, or does
            not hold what the block expects.

    Example:
        >>> with reading(Path("clips.json"), "a clip list") as content:  # doctest: +SKIP
        ...     rows = content["clips"]
    """
    try:
        yield json.loads(path.read_bytes(), object_pairs_hook=_once if once else None)
    except WorkbenchError as reason:
        raise error(f"{path}: {reason.problem}", reason.remedy) from None
    except (FileNotFoundError, NotADirectoryError) as reason:
        raise error(f"{reason.filename or path} does not exist", absent or remedy) from None
    except OSError as reason:
        raise error(f"{path} cannot be read ({reason.strerror or reason})", remedy) from None
    except KeyError as reason:
        raise error(f"{path} is not {what} (no {reason})", remedy) from None
    except _MISREAD as reason:
        raise error(f"{path} is not {what} ({' '.join(str(reason).split())})", remedy) from None


def read_object(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file; None where there is none that can be read."""
    with suppress(DatasetError), reading(path) as content:
        return {**content}
    return None


def to_json(value: Any) -> Any:
    """Turn values, arrays and dataclasses into JSON values; what is not finite becomes null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(entry) for key, entry in value.items()}
    if hasattr(value, "tolist"):  # numpy's, which is not loaded for this alone
        return to_json(value.tolist())
    if isinstance(value, list | tuple):
        return [to_json(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def from_json(kind: Any, value: Any) -> Any:
    """Turn what `to_json` made of a value of this type into the value again."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        [kind] = [one for one in inner if one is not NoneType]
        return None if value is None else from_json(kind, value)
    if kind is float:
        return math.nan if value is None else float(value)
    if getattr(origin, "__name__", "") == "ndarray":
        import numpy as np

        return np.array(value, dtype=get_args(inner[1])[0])
    if origin is tuple:
        kinds = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        return tuple(from_json(one, entry) for one, entry in zip(kinds, value, strict=True))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        name = int if inner[0] is int else str
        return {name(key): from_json(inner[1], entry) for key, entry in value.items()}
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{key: from_json(hints[key], entry) for key, entry in value.items()})
    assert kind in (Any, str, int, bool) or origin is Literal
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name, value in pairs:
        if name in content:
            raise ValueError(f"{name!r} is there twice")
        content[name] = value
    return content
