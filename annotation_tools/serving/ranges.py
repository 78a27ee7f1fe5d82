"""Videos over HTTP: Starlette's file answers, with an end given to every byte range.

The unit is one request for one file. Starlette answers Range, If-Range and HEAD and reads the file
piece by piece. Browsers ask for "the rest from here" and take as much as they play; a proxy between
us and them may hold the whole answer in memory before it passes on the first byte. So a range
without an end gets one, 4 MiB on, and the browser asks again. Knows nothing about who may read.
"""

import os
import re
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.responses import FileResponse
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Receive, Scope, Send

OPEN_RANGE_BYTES = 4 << 20
PIECE_BYTES = 512 << 10
MOST_RANGES = 32  # RFC 9110 §14.2 warns of requests for many; more are answered with the whole file


def clamp_ranges(header: str, size: int, open_bytes: int = OPEN_RANGE_BYTES) -> str | None:
    """Give every range of a Range header an end, and leave out those outside the file.

    Args:
        header: The header's value, such as `bytes=0-499,-500`.
        size: The file's length in bytes.
        open_bytes: Most bytes to give where the header states no end.

    Returns:
        The header as Starlette shall see it, or None where it is to be ignored: another unit, or
        not a range set (RFC 9110 §14.2). If nothing asked for lies in the file it comes back as it
        is, and the answer is 416.

    Example:
        >>> clamp_ranges("bytes=10-, -2", 1 << 30, open_bytes=5)
        'bytes=10-14,-2'
    """
    unit, _, specs = header.partition("=")
    asked = [spec.strip(" \t") for spec in specs.split(",") if spec.strip(" \t")]
    if unit.strip().lower() != "bytes" or not 0 < len(asked) <= MOST_RANGES:
        return None
    clamped = []
    for spec in asked:
        match = re.fullmatch(r"(\d{0,18})-(\d{0,18})", spec, re.ASCII)
        if match is None or spec == "-":
            return None
        first, last = match.groups()
        if first and last and int(last) < int(first):
            return None
        if first and not last:
            spec = f"{first}-{int(first) + open_bytes - 1}"
        if int(first) < size if first else int(last) > 0:
            clamped.append(spec)
    return f"bytes={','.join(clamped)}" if clamped else header


class VideoResponse(FileResponse):
    """Answers GET and HEAD with a video: whole, in ranges, unchanged (304), or not at all (416).

    Args:
        path: The file.
        media_type: Its type, such as video/mp4.
        state: What the file system says about the file.
        open_bytes: As for `clamp_ranges`.
    """

    chunk_size = PIECE_BYTES

    def __init__(
        self,
        path: Path,
        media_type: str,
        state: os.stat_result,
        open_bytes: int = OPEN_RANGE_BYTES,
    ) -> None:
        keep = {"cache-control": "private, no-cache"}
        super().__init__(path, headers=keep, media_type=media_type, stat_result=state)
        self.size = state.st_size
        self.open_bytes = open_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = MutableHeaders(raw=list(scope["headers"]))
        if StaticFiles().is_not_modified(self.headers, headers):
            await NotModifiedResponse(self.headers)(scope, receive, send)
            return
        asked = headers.get("range")
        if asked is not None:
            # A HEAD ignores Range (RFC 9110 §14.2).
            ranges = clamp_ranges(asked, self.size, self.open_bytes)
            if ranges is None or scope["method"] != "GET":
                del headers["range"]
            else:
                headers["range"] = ranges
        await super().__call__({**scope, "headers": headers.raw}, receive, send)
