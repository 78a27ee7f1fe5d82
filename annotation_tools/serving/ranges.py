"""Answering with a file, or with the parts of it that were asked for (RFC 9110 §13 and §14).

The unit is one request for one file. The file is read piece by piece as fast as it is taken, so
memory does not grow with it. A range without an end is answered with its first 4 MiB: browsers ask
for the rest as they play, and a proxy between us, which may hold the whole answer in memory before
it passes on the first byte, holds little. Knows nothing about who may read the file.
"""

import os
import re
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path

import anyio.to_thread
from starlette.datastructures import Headers
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

OPEN_RANGE_BYTES = 4 << 20
PIECE_BYTES = 512 << 10
STRONG_DATE_S = 2
MOST_RANGES = 32  # RFC 9110 §14.2 warns of requests for many; more are answered with the whole file


class UnsatisfiableError(Exception):
    """No range asked for lies in the file."""


def parse_ranges(
    header: str, size: int, open_bytes: int | None = OPEN_RANGE_BYTES
) -> list[range] | None:
    """Read a Range header into byte positions.

    Ranges that overlap or touch are joined, in the order asked for; those outside are left out.

    Args:
        header: The header's value, such as `bytes=0-499,-500`.
        size: The file's length in bytes.
        open_bytes: Most bytes to give where the header states no end; None for no limit.

    Returns:
        The ranges, or None where the header is to be ignored: another unit, or not a range set.

    Raises:
        UnsatisfiableError: If it is a range set of which nothing lies in the file.

    Example:
        >>> parse_ranges("bytes=0-1, -2", 10)
        [range(0, 2), range(8, 10)]
    """
    unit, equals, specs = header.partition("=")
    if unit.strip().lower() != "bytes" or not equals:
        return None
    asked = [spec.strip(" \t") for spec in specs.split(",")]
    asked = [spec for spec in asked if spec]  # lists may have empty elements (RFC 9110 §5.6.1)
    if not asked or len(asked) > MOST_RANGES:
        return None
    ranges: list[range] = []
    for spec in asked:
        match = re.fullmatch(r"([0-9]*)-([0-9]*)", spec)
        if match is None or spec == "-":
            return None
        first, last = (_number(digits) for digits in match.groups())
        if first is None:
            found = range(max(0, size - (last or 0)), size)
        elif last is None:
            found = range(first, size if open_bytes is None else min(size, first + open_bytes))
        elif last < first:
            return None
        else:
            found = range(first, min(size, last + 1))
        if len(found):
            ranges.append(found)
    if not ranges:
        raise UnsatisfiableError
    return _join(ranges)


def _number(digits: str) -> int | None:
    # Beyond any file, and int() refuses strings of thousands of digits.
    return None if not digits else int(digits) if len(digits) < 19 else 10**18


def _join(ranges: list[range]) -> list[range]:
    joined: list[range] = []
    for found in ranges:
        for other in [kept for kept in joined if _touch(kept, found)]:
            joined.remove(other)
            found = range(min(found.start, other.start), max(found.stop, other.stop))
        joined.append(found)
    return joined


def _touch(one: range, other: range) -> bool:
    return one.start <= other.stop and other.start <= one.stop


@dataclass(frozen=True)
class _State:
    """A file as it is now."""

    size: int
    modified_s: int
    etag: str

    @classmethod
    def of(cls, path: Path) -> "_State":
        state = path.stat()
        tag = f'"{state.st_ino:x}-{state.st_size:x}-{state.st_mtime_ns:x}"'
        return cls(state.st_size, int(state.st_mtime), tag)


class RangeResponse(Response):
    """Answers GET and HEAD with a file: whole, in parts, unchanged (304), or not at all (412, 416).

    Args:
        path: The file.
        media_type: Its type, such as video/mp4.
        open_bytes: As for `parse_ranges`.
    """

    def __init__(
        self, path: Path, media_type: str, open_bytes: int | None = OPEN_RANGE_BYTES
    ) -> None:
        super().__init__(media_type=media_type)
        self.path = path
        self.open_bytes = open_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        state = await anyio.to_thread.run_sync(_State.of, self.path)
        answer = self._answer(scope["method"], Headers(scope=scope), state)
        answer.headers["etag"] = state.etag
        answer.headers["last-modified"] = formatdate(state.modified_s, usegmt=True)
        answer.headers["accept-ranges"] = "bytes"
        answer.headers["cache-control"] = "private, no-cache"
        await answer(scope, receive, send)

    def _answer(self, method: str, headers: Headers, state: _State) -> Response:
        status = _precondition(headers, state)
        if status is not None:
            return Response(status_code=status)
        ranges = None
        # A HEAD ignores Range (RFC 9110 §14.2).
        if method == "GET" and "range" in headers and _range_applies(headers, state):
            try:
                ranges = parse_ranges(headers["range"], state.size, self.open_bytes)
            except UnsatisfiableError:
                return Response(status_code=416, headers={"content-range": f"bytes */{state.size}"})
        kind = str(self.media_type)
        if ranges is None:
            parts: list[bytes | range] = [range(state.size)]
            return self._stream(parts if method == "GET" else [], 200, kind, state.size)
        if len(ranges) == 1:
            answer = self._stream([ranges[0]], 206, kind, len(ranges[0]))
            answer.headers["content-range"] = _content_range(ranges[0], state.size)
            return answer
        boundary = secrets.token_hex(16)
        parts = []
        for found in ranges:
            head = (
                f"\r\n--{boundary}\r\nContent-Type: {kind}\r\n"
                f"Content-Range: {_content_range(found, state.size)}\r\n\r\n"
            )
            parts += [head.encode(), found]
        parts.append(f"\r\n--{boundary}--\r\n".encode())
        length = sum(len(part) for part in parts)
        return self._stream(parts, 206, f"multipart/byteranges; boundary={boundary}", length)

    def _stream(
        self, parts: Sequence[bytes | range], status: int, kind: str, length: int
    ) -> Response:
        headers = {"content-length": str(length), "content-type": kind}
        return StreamingResponse(_read(self.path, parts), status, headers)


async def _read(path: Path, parts: Sequence[bytes | range]) -> AsyncIterator[bytes]:
    if not parts:
        return
    file = await anyio.to_thread.run_sync(lambda: path.open("rb", buffering=0))
    try:
        for part in parts:
            if isinstance(part, bytes):
                yield part
                continue
            for start in range(part.start, part.stop, PIECE_BYTES):
                count = min(PIECE_BYTES, part.stop - start)
                piece = await anyio.to_thread.run_sync(os.pread, file.fileno(), count, start)
                yield piece
                if len(piece) < count:  # the file shrank; the client sees a short answer
                    return
    finally:
        file.close()


def _content_range(found: range, size: int) -> str:
    return f"bytes {found.start}-{found.stop - 1}/{size}"


def _precondition(headers: Headers, state: _State) -> int | None:
    """The status a precondition calls for, in the order of RFC 9110 §13.2.2."""
    if "if-match" in headers:
        if not _lists(headers["if-match"], state.etag, weakly=False):
            return 412
    elif "if-unmodified-since" in headers:
        limit = _date(headers["if-unmodified-since"])
        if limit is not None and state.modified_s > limit.timestamp():
            return 412
    if "if-none-match" in headers:
        return 304 if _lists(headers["if-none-match"], state.etag, weakly=True) else None
    if "if-modified-since" in headers:
        since = _date(headers["if-modified-since"])
        return 304 if since is not None and state.modified_s <= since.timestamp() else None
    return None


def _range_applies(headers: Headers, state: _State) -> bool:
    """Whether If-Range still holds: by a strong tag, or by the very date we gave out."""
    condition = headers.get("if-range", "").strip()
    if not condition:
        return True
    if condition.startswith(('"', "W/")):
        return condition == state.etag
    # A date is as good as a tag only if the file has had time to change after it (§8.8.2.2).
    stated = _date(condition)
    is_strong = state.modified_s + STRONG_DATE_S < time.time()
    return stated is not None and stated.timestamp() == state.modified_s and is_strong


def _lists(header: str, etag: str, *, weakly: bool) -> bool:
    tags = [tag.strip() for tag in header.split(",")]
    if weakly:
        tags = [tag.removeprefix("W/") for tag in tags]
    return "*" in tags or etag in tags


def _date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None
