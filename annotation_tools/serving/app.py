"""The application around a tool: its pages, the videos, the labels, and errors as JSON.

The unit is one tool. See the package's docstring for the addresses it serves.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from annotation_tools.serving.guard import BODY_LIMIT_BYTES, TOO_LARGE, Guard, GuardMiddleware
from annotation_tools.serving.keys import load_keys
from annotation_tools.serving.media import MediaIndex
from annotation_tools.serving.problem import ServingError, refusal
from annotation_tools.serving.ranges import VideoResponse
from workbench import __version__
from workbench.errors import WorkbenchError
from workbench.labels.database import LabelStoreError
from workbench.labels.records import Entry

if TYPE_CHECKING:
    from workbench.labels.store import LabelStore

log = logging.getLogger(__name__)

SHARED = Path(__file__).parent / "static"
UNREADABLE, TRY_AGAIN = 422, 503  # the page keeps a label that met 503 and sends it again

Body = dict[str, Any]


class _Pages(StaticFiles):
    """Static files that a browser asks about each time, so that an update shows at once."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        response = super().file_response(*arguments, **options)
        response.headers["cache-control"] = "no-cache"
        return response


def make_app(
    *,
    tool: str,
    static: Path,
    media: MediaIndex,
    store: "LabelStore",
    kinds: Sequence[str],
    guard: Guard,
    routes: Sequence[BaseRoute] = (),
    annotator: str = "",
    extras: Mapping[str, Any] | None = None,
    keys: Path | None = None,
    uploads: Mapping[str, int] | None = None,
) -> Starlette:
    """Make the application of a tool.

    Args:
        tool: Its name, such as "goals"; labels say they were made with it.
        static: The tool's pages: `index.html`, `keys.json` and what they load.
        media: The videos it may show.
        store: Where labels go.
        kinds: The kinds of label the tool may write, such as ("verdict",).
        guard: Who may use it.
        routes: The tool's own routes, such as `Route("/api/queue", queue)`.
        annotator: Who labels, unless the page says otherwise.
        extras: What else the page shall find in `api/session`.
        keys: A JSON file with the user's own keys, `{"goals": {"goal": ["y", "1"]}}`.
        uploads: Paths to which files may be sent, and of how many bytes at most.

    Returns:
        The application, for uvicorn or a test client.
    """
    session = {
        "tool": tool,
        "version": __version__,
        "annotator": annotator,
        "kinds": list(kinds),
        **(extras or {}),
    }
    bindings = load_keys(static / "keys.json", keys, tool)

    async def index(request: Request) -> Response:
        return FileResponse(static / "index.html", headers={"cache-control": "no-cache"})

    async def get_session(request: Request) -> Response:
        return JSONResponse(session)

    async def get_keys(request: Request) -> Response:
        return JSONResponse(bindings)

    own: list[BaseRoute] = [
        Route("/", index),
        Route("/api/session", get_session),
        Route("/api/keys", get_keys),
        *_media_routes(media),
        *_label_routes(media, store, kinds, tool),
        Mount("/shared", _Pages(directory=SHARED)),
        Mount("/static", _Pages(directory=static)),
    ]
    return Starlette(
        routes=[*routes, *own],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=guard.hosts, www_redirect=False),
            Middleware(GuardMiddleware, guard=guard, tool=tool, uploads=uploads),
        ],
        exception_handlers={
            WorkbenchError: _explain,
            HTTPException: _explain_status,
            Exception: _apologise,
        },
    )


def _media_routes(media: MediaIndex) -> list[BaseRoute]:
    """The videos and their frames. Starlette runs these functions in threads: they read files."""

    def list_media(request: Request) -> Response:
        rows = [
            {"media_id": one.media_id, "name": one.name, "size_bytes": one.path.stat().st_size}
            for one in media
            if one.path.is_file()
        ]
        return JSONResponse(rows)

    def get_video(request: Request) -> Response:
        medium = media.get(request.path_params["media_id"])
        try:
            state = medium.path.stat()
        except OSError:
            raise ServingError(f"{medium.name} is gone", "restart the tool", 410) from None
        return VideoResponse(medium.path, medium.media_type, state)

    def get_frames(request: Request) -> Response:
        return JSONResponse(media.frame_table(request.path_params["media_id"]))

    def get_image(request: Request) -> Response:
        frame, width = (whole_number(request, name) for name in ("frame", "width"))
        jpeg = media.image(request.path_params["media_id"], frame, width)
        return Response(jpeg, media_type="image/jpeg", headers=_KEEP)

    return [
        Route("/api/media", list_media),
        Route("/api/media/{media_id}/frames", get_frames),
        Route("/api/media/{media_id}/image", get_image),
        Route("/media/{media_id}", get_video),
    ]


def _label_routes(
    media: MediaIndex, store: "LabelStore", kinds: Sequence[str], tool: str
) -> list[BaseRoute]:
    """The history of labels, and one more label."""
    known_sources: set[str] = set()

    def get_labels(request: Request) -> Response:
        names = ("kind", "item_id", "annotator", "source_id")
        asked = {name: request.query_params.get(name) for name in names}
        return JSONResponse([entry.to_row() for entry in store.history(**asked)])

    def append(body: Body) -> Entry:
        source_id = body.get("source_id")
        if isinstance(source_id, str) and source_id not in known_sources:
            store.add_source(media.source(source_id))
            known_sources.add(source_id)
        entry = Entry(
            body["kind"],
            body.get("item_id", ""),
            body.get("value"),
            annotator=body.get("annotator", ""),
            tool=tool,
            source_id=source_id,
            entry_id=body.get("entry_id", ""),
            undoes=body.get("undoes"),
        )
        return store.append(entry)

    async def append_label(request: Request) -> Response:
        body = await read_body(request)
        if body.get("kind") not in kinds:
            problem = f"this tool does not write labels of kind {str(body.get('kind'))[:40]!r}"
            raise ServingError(problem, f"send {' or '.join(kinds)}", UNREADABLE)
        entry = await run_in_threadpool(append, body)
        return JSONResponse(entry.to_row(), 201)

    return [
        Route("/api/labels", get_labels, methods=["GET"]),
        Route("/api/labels", append_label, methods=["POST"]),
    ]


async def read_body(request: Request) -> Body:
    """The JSON object in a request's body.

    Raises:
        ServingError: If the body is not a JSON object, or larger than a label can be.
    """
    content = b""
    async for piece in request.stream():
        content += piece
        if len(content) > BODY_LIMIT_BYTES:  # its length was not announced, or not the truth
            raise ServingError(*TOO_LARGE, 413)
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        raise ServingError("the body is not JSON", "send one JSON object") from None
    if not isinstance(body, dict):
        raise ServingError("the body is not a JSON object", "send one JSON object")
    return body


_KEEP = {"cache-control": "private, max-age=86400"}  # a frame of a content id never changes


def whole_number(request: Request, name: str) -> int:
    """The number from 0 that a query names.

    Raises:
        ServingError: If it is none.
    """
    text = request.query_params.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise ServingError(f"{name} is {text[:20]!r}", "give a whole number")
    return int(text)


async def _explain(request: Request, error: Exception) -> Response:
    assert isinstance(error, WorkbenchError)
    status = UNREADABLE
    if isinstance(error, ServingError):
        status = error.status
    elif isinstance(error, LabelStoreError):
        status = TRY_AGAIN
    return refusal(status, error.problem, error.remedy)


async def _explain_status(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = refusal(error.status_code, error.detail, "see the tool's own page")
    answer.headers.update(error.headers or {})
    return answer


async def _apologise(request: Request, error: Exception) -> Response:
    # The traceback goes to the log; the page gets a line, and no paths of this computer.
    return refusal(
        500, "the server failed at this request", "see its terminal; saved labels are safe"
    )
