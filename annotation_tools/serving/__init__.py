"""What every browser tool stands on: one Starlette application with guards, video and shared pages.

A tool is a folder of static files (`index.html`, ES modules, `keys.json`) and a few routes of its
own. `make_app` adds the rest; every address below is relative to the page, so that the tools also
run behind jupyter-server-proxy:

    ./                          the tool's index.html
    static/…                    the tool's other files
    shared/player.js            `Player`: a <video> that knows which frame it shows
    shared/keys.js              `Keys`: bindings from JSON, help on `?`
    shared/store.js             `Labels`: append, undo, redo; a retry queue that outlives the page
    shared/theme.css            the look: dark and light, focus visible, 390 to 1920 pixels wide
    media/{media_id}            the video file, with Range
    api/session                 tool, version, annotator, kinds and what else the page needs
    api/keys                    the key table: the tool's defaults with the user's changes
    api/media                   the videos: [{media_id, name, size_bytes}]
    api/media/{media_id}/frames         size, rate and the time stamp of every frame, packed
    api/media/{media_id}/image?frame=N&width=W   one frame as JPEG, exact
    api/labels                  GET: the history (kind, source_id, annotator narrow it down)
                                POST: append one label; the same entry_id twice is stored once

A media id is the digest of the video's content: opaque, the same after a restart, and the label
store's `source_id`. Errors are JSON `{"problem", "remedy"}`.

Example:
    >>> media = MediaIndex.from_folder(Path("data/demo/footage"))  # doctest: +SKIP
    >>> app = make_app(
    ...     tool="goals", static=HERE / "static", media=media, store=LabelStore(None),
    ...     kinds=("verdict",), guard=Guard.local(token="…", secret=b"…"),
    ...     routes=[Route("/api/queue", queue)], annotator="kim",
    ... )  # doctest: +SKIP
"""

from annotation_tools.serving.app import Body, make_app, read_body, whole_number
from annotation_tools.serving.guard import Guard
from annotation_tools.serving.media import MediaIndex, Medium
from annotation_tools.serving.problem import ServingError

__all__ = [
    "Body",
    "Guard",
    "MediaIndex",
    "Medium",
    "ServingError",
    "make_app",
    "read_body",
    "whole_number",
]
