"""The goal labeller's server: which clips there are, for whom, and which wait for a last word."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
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
from annotation_tools.goals.waiting import waiting
from annotation_tools.serving import Guard, MediaIndex, make_app
from annotation_tools.serving.problem import ServingError
from workbench.labels.values import LabelError

if TYPE_CHECKING:
    from workbench.labels.store import LabelStore

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True)
class Round:
    """How a round of labelling goes: who gets which clips, and what of them is shown."""

    blind: bool = False  # in an order of the annotator's own, without names, without review
    team: Sequence[str] = ()  # who shares the clips; nobody: each sees all
    each: int = 2  # people to a clip, where there is a team
    truth: str | None = None  # whose answers are known: those clips go to everybody in the team
    events: Sequence[str] = ()  # labels of events, in the order of their keys
    tolerance_frames: int | None = None  # events farther apart are two; None: as `labels agreement`


def make_goals(
    *,
    media: MediaIndex,
    store: "LabelStore",
    guard: Guard,
    folder: Path,
    annotator: str = "",
    keys: Path | None = None,
    verdicts: Path | None = None,
    labelling: Round | None = None,
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
        labelling: How this round goes.

    Raises:
        LabelError: If the model's verdicts cannot be read, a name in them may be several clips, or
            the clips cannot be shared out in this team.
        FootageError: If there is a `clips.json` that cannot be read, or two videos share an id.
        LabelStoreError: If verdicts under ids of an earlier version cannot be moved to today's.
    """
    from workbench.footage.clips import label_ids
    from workbench.labels.earlier_ids import move_labels
    from workbench.labels.timing import TOLERANCE_FRAMES

    labelling = labelling or Round()
    tolerance = labelling.tolerance_frames
    tolerance = TOLERANCE_FRAMES if tolerance is None else tolerance
    video_to_id = label_ids(folder, (medium.name for medium in media.files))
    video_to_source = {medium.name: medium.media_id for medium in media.files}
    if moved := move_labels(store, "verdict", video_to_id, video_to_source):
        log.info("%d verdicts were moved to the ids of today", moved)
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
        model = model_now()
        model_said = {} if model is None else model.item_to_verdict
        return JSONResponse(waiting(store, video_to_id, video_to_source, model_said, tolerance))

    return make_app(
        tool="goals",
        static=STATIC,
        media=media,
        store=store,
        kinds=("verdict", "settled_verdict", "event", "corners", "shot"),
        guard=guard,
        annotator=annotator,
        extras={
            "blind": labelling.blind,
            "team": list(labelling.team),
            "assigned": _assigned(store, labelling, [item["item_id"] for item in items]),
            "events": _event_labels(store, labelling, set(video_to_source.values())),
            "tolerance_frames": tolerance,
        },
        keys=keys,
        routes=[
            Route("/api/items", get_items),
            Route("/api/model", get_model),
            Route("/api/disagreements", get_disagreements),
            *correction_routes(folder, videos, store, model_now),
        ],
    )


def _assigned(
    store: "LabelStore", labelling: Round, item_ids: list[str]
) -> dict[str, tuple[str, ...]] | None:
    if not labelling.team:
        return None
    from workbench.labels.assignment import assign
    from workbench.labels.knownanswers import known_answers

    known = known_answers(store, "verdict", labelling.truth)
    return assign(item_ids, labelling.team, labelling.each, known)


def _event_labels(store: "LabelStore", labelling: Round, source_ids: set[str]) -> list[str]:
    """The labels of events: those that were named, then those that people have used here."""
    used = [
        entry.value["label"]
        for entry in store.current("event", source_id=source_ids).values()
        if entry.value is not None
    ]
    return list(dict.fromkeys([*labelling.events, *sorted(set(used))]))
