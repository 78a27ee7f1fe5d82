"""The goal labeller's server: which clips there are, on which people or models disagree."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from annotation_tools.goals.corrections import correction_routes
from annotation_tools.goals.model_verdicts import (
    ModelVerdicts,
    find_verdicts,
    load_model_verdicts,
)
from annotation_tools.serving import Guard, MediaIndex, make_app
from annotation_tools.serving.problem import ServingError
from workbench.labels.values import LabelError

if TYPE_CHECKING:
    from workbench.labels.store import LabelStore

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"


def make_goals(
    *,
    media: MediaIndex,
    store: "LabelStore",
    guard: Guard,
    folder: Path,
    annotator: str = "",
    keys: Path | None = None,
    verdicts: Path | None = None,
) -> Starlette:
    """Make the goal labeller's application.

    Args:
        media: The clips.
        store: Where verdicts are kept.
        guard: Who may use it.
        folder: Of the clips; its `clips.json`, if there is one, says what they are called.
        annotator: Who labels, unless the page says otherwise.
        keys: The user's own keys.
        verdicts: A model's verdicts, for review mode, read again each time they are asked for; by
            default `verdicts.json` in `folder`, else in the folder `shots` beside it, where a run
            of `analyse_shots` writes them.

    Raises:
        LabelError: If the model's verdicts cannot be read, or a name in them may be several clips.
        FootageError: If there is a `clips.json` that cannot be read, or two videos share an id.
        LabelStoreError: If verdicts under ids of an earlier version cannot be moved to today's.
    """
    from workbench.footage.clips import label_ids
    from workbench.labels.earlier_ids import move_labels

    video_to_id = label_ids(folder, (medium.name for medium in media.files))
    video_to_source = {medium.name: medium.media_id for medium in media.files}
    if moved := move_labels(store, "verdict", video_to_id, video_to_source):
        log.info("%d verdicts were moved to the ids of today", moved)
    item_ids = set(video_to_id.values())
    videos = {video_to_id[one.name]: one.path for one in media.files}
    items = [
        {"item_id": video_to_id[one.name], "media_id": one.media_id, "name": one.name}
        for one in media.files
    ]

    def read_model() -> ModelVerdicts | None:
        path = verdicts or find_verdicts(folder)
        return None if path is None else load_model_verdicts(path, video_to_id)

    def model_now() -> ModelVerdicts | None:
        try:
            return read_model()
        except LabelError:  # its words name the path, which no page shall see
            raise ServingError(
                "the model's verdicts cannot be read any more", "run analyse_shots again", 409
            ) from None

    read_model()  # what is wrong is said at the start

    async def get_items(request: Request) -> Response:
        return JSONResponse(items)

    def get_model(request: Request) -> Response:
        model = model_now()
        if model is None:
            return JSONResponse({"model": None, "verdicts": {}, "unknown": []})
        return JSONResponse(
            {
                "model": model.model,
                "verdicts": dict(model.item_to_verdict),
                "unknown": model.unknown,
            }
        )

    def get_disagreements(request: Request) -> Response:
        from workbench.labels.agreement import disagreements

        among_people = list(disagreements(store, "verdict", item_ids))
        model = model_now()
        model_said = {} if model is None else model.item_to_verdict
        with_model = {
            item_id
            for (_, item_id), entry in store.current("verdict").items()
            if entry.value is not None
            and item_id in item_ids.difference(among_people)
            and item_id in model_said
            and model_said[item_id]["verdict"] != entry.value["verdict"]
        }
        return JSONResponse(among_people + sorted(with_model))

    return make_app(
        tool="goals",
        static=STATIC,
        media=media,
        store=store,
        kinds=("verdict", "corners", "shot"),
        guard=guard,
        annotator=annotator,
        keys=keys,
        routes=[
            Route("/api/items", get_items),
            Route("/api/model", get_model),
            Route("/api/disagreements", get_disagreements),
            *correction_routes(folder, videos, store, model_now),
        ],
    )
