"""The clipper's server: cuts come and go through the label store, exports run in the background."""

import math
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from annotation_tools.clipper.export import MODES, Cut, Exporter
from annotation_tools.clipper.proposals import WAYS, propose
from annotation_tools.clipper.timeline import Timelines
from annotation_tools.serving import (
    Guard,
    MediaIndex,
    ServingError,
    make_app,
    read_body,
    whole_number,
)
from annotation_tools.serving.keys import KeyTable, load_keys
from workbench.labels.classlist import DEFAULT_FILE, SPORTS, ClassList, load_classes
from workbench.style import class_colours

if TYPE_CHECKING:
    from workbench.labels.store import LabelStore

STATIC = Path(__file__).parent / "static"


def make_clipper(
    *,
    media: MediaIndex,
    store: "LabelStore",
    guard: Guard,
    out_dir: Path,
    annotator: str = "",
    keys: Path | None = None,
    classes_file: Path = DEFAULT_FILE,
) -> Starlette:
    """Make the clipper's application.

    Args:
        media: The videos to cut.
        store: Where cuts are kept.
        guard: Who may use it.
        out_dir: Where exported clips and their `clips.json` go.
        annotator: Who cuts, unless the page says otherwise.
        keys: The user's own keys.
        classes_file: What a cut can show; the four sports where there is no such file.
    """
    classes = load_classes(classes_file)
    timelines = Timelines(media)
    exporter = Exporter(media, out_dir)
    looking = threading.Lock()  # one video at a time: it takes every core

    def get_timeline(request: Request) -> Response:
        return JSONResponse(timelines.get(request.path_params["media_id"]))

    def get_proposals(request: Request) -> Response:
        asked = request.query_params
        path = media.get(request.path_params["media_id"]).path
        by = asked.get("by", "")
        if by not in WAYS:
            raise ServingError(f"no proposals by {by[:20]!r}", f"ask by {' or '.join(WAYS)}")
        start, end = (whole_number(request, name) for name in ("start", "end"))
        least_s, quiet_db = (_number(asked.get(name, "")) for name in ("least_s", "quiet_db"))
        with looking:
            return JSONResponse(propose(path, by, start, end, least_s, quiet_db))

    def get_snapshot(request: Request) -> Response:
        png = media.picture(request.path_params["media_id"], whole_number(request, "frame"))
        return Response(png, media_type="image/png")

    def get_exports(request: Request) -> Response:
        return JSONResponse({**exporter.status(), "exported": exporter.exported()})

    async def start_export(request: Request) -> Response:
        body = await read_body(request)
        mode, source_id, annotator = (body.get(key) for key in ("mode", "source_id", "annotator"))
        if mode not in MODES:
            raise ServingError(f"no export {mode!r}", f"use {' or '.join(MODES)}")
        if not isinstance(annotator, str) or not isinstance(source_id, str | None):
            raise ServingError("annotator or source_id is not text", "send them as text")
        cuts = await run_in_threadpool(_cuts, store, media, annotator, source_id)
        exporter.start(cuts, mode)
        return JSONResponse(exporter.status(), 202)

    async def stop_export(request: Request) -> Response:
        exporter.stop()
        return JSONResponse(exporter.status())

    return make_app(
        tool="clipper",
        static=STATIC,
        media=media,
        store=store,
        kinds=("cut",),
        guard=guard,
        annotator=annotator,
        extras={
            "sports": list(classes.names),
            "class_keys": _class_keys(classes, load_keys(STATIC / "keys.json", keys, "clipper")),
            "colours": class_colours(classes.names),
        },
        keys=keys,
        routes=[
            Route("/api/media/{media_id}/timeline", get_timeline),
            Route("/api/media/{media_id}/proposals", get_proposals),
            Route("/api/media/{media_id}/snapshot", get_snapshot),
            Route("/api/exports", get_exports, methods=["GET"]),
            Route("/api/exports", start_export, methods=["POST"]),
            Route("/api/exports/stop", stop_export, methods=["POST"]),
        ],
    )


def _class_keys(classes: ClassList, table: KeyTable) -> dict[str, list[str]]:
    """A key per class of one's own: that of the file where the clipper has none of it, or a digit.

    For the four sports the key table says it, and the user's changes of it.
    """
    if classes == SPORTS:
        return {}
    taken = {
        key.removeprefix("Key").removeprefix("Digit").lower()
        for action, row in table.items()
        if not action.startswith("sport_")
        for key in row["keys"]
    }
    free = iter(sorted(set("123456789") - taken - set(classes.class_to_key.values())))
    found = {}
    for name, key in classes.class_to_key.items():
        own = key if key not in taken else next(free, "")
        found[name] = [f"Digit{own}" if own.isdigit() else own] if own else []
    return found


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ServingError(f"{text[:20]!r} is no number", "give a number")
    return number


def _cuts(
    store: "LabelStore", media: MediaIndex, annotator: str, source_id: str | None
) -> list[Cut]:
    """The cuts that stand, in the order of the videos' names and of their frames."""
    standing = store.current("cut", annotator=annotator, source_id=source_id)
    cuts = [
        Cut(
            item_id=item_id,
            source_id=entry.source_id,
            start_frame=entry.value["start_frame"],
            end_frame=entry.value["end_frame"],
            name=entry.value["name"],
            sport=entry.value["sport"],
        )
        for (_, item_id), entry in standing.items()
        if entry.value is not None and entry.source_id is not None and entry.source_id in media
    ]
    return sorted(cuts, key=lambda cut: (media.get(cut.source_id).name, cut.start_frame))
