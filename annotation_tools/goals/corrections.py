"""What the page asks to correct a shot: the goal that counts in a clip, and what was found.

The unit is one clip, by the id that its labels carry. Clicks come from the label database; which of
them serve a clip is worked out as for an analysis (`shots.goal.clicked`).
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from annotation_tools.goals.model_verdicts import ModelVerdicts
from annotation_tools.serving.problem import ServingError
from workbench.errors import FootageError

if TYPE_CHECKING:
    from workbench.labels.store import LabelStore

NO_GOAL: dict[str, Any] = {"corners_px": None, "camera": "unsteady", "reason": "", "is_own": False}
_FOUND = ("kick_frame", "foot", "corners_px", "goal")
_KEPT = 16  # clips whose goal was followed


def correction_routes(
    folder: Path,
    videos: Mapping[str, Path],
    store: "LabelStore",
    read_model: Callable[[], ModelVerdicts | None],
) -> list[BaseRoute]:
    """Make the routes.

    Args:
        folder: Of the clips, with its `clips.json` where there is one.
        videos: The file of every clip.
        store: Where clicks are kept.
        read_model: Reads what the last run found.
    """
    from workbench.labels.shotclicks import standing_clicks

    def asked_clip(request: Request) -> str:
        item_id = request.query_params.get("item_id", "")
        if item_id not in videos:
            raise ServingError("there is no such clip here", "choose one from the list", 404)
        return item_id

    def get_clicked(request: Request) -> Response:
        clicks = standing_clicks(store)
        return JSONResponse(sorted({*clicks.goals, *clicks.shots} & set(videos)))

    def get_goal(request: Request) -> Response:
        return JSONResponse(_goal_of(asked_clip(request), folder, store))

    def get_frames(request: Request) -> Response:
        item_id = asked_clip(request)
        goal = _goal_of(item_id, folder, store)
        if goal["corners_px"] is None:
            return JSONResponse({"frames": []})
        corners = tuple((x, y) for x, y in goal["corners_px"])
        try:
            return JSONResponse({"frames": _follow(videos[item_id], goal["frame"], corners)})
        except FootageError:
            return JSONResponse({"frames": []})

    def get_found(request: Request) -> Response:
        item_id, model = asked_clip(request), read_model()
        row = {} if model is None else model.item_to_verdict.get(item_id, {})
        return JSONResponse({name: row.get(name) for name in _FOUND})

    return [
        Route("/api/clicked", get_clicked),
        Route("/api/goal", get_goal),
        Route("/api/goal/frames", get_frames),
        Route("/api/found", get_found),
    ]


def _goal_of(item_id: str, folder: Path, store: "LabelStore") -> dict[str, Any]:
    """The corners that count in a clip, in the frame in which they are there."""
    from workbench.footage.clips import load_clips
    from workbench.labels.shotclicks import standing_clicks
    from workbench.shots.goal.clicked import clicked_goal

    clicks = standing_clicks(store).goals
    rows = load_clips(folder) if (folder / "clips.json").is_file() else []
    clip = next((row for row in rows if row.clip_id == item_id), None)
    goal = NO_GOAL | {"camera": clip.camera if clip else "fixed"}
    if own := clicks.get(item_id):
        corners, size = own.corners_px, own.goal_wh_m
        who = f"Clicked by {own.annotator}." if own.annotator else ""
        said = {"frame": own.frame, "reason": who, "is_own": True}
        return goal | said | {"corners_px": corners, "goal_wh_m": size}
    found = clicked_goal(clip, rows, folder, clicks) if clip else None
    if clip is None or found is None:
        return goal
    corners_px = found.view.corners_px
    return goal | {
        "corners_px": None if corners_px is None else corners_px.round(2).tolist(),
        "frame": clip.reference_frame,
        "goal_wh_m": found.goal_wh_m,
        "reason": found.view.reason,
    }


@lru_cache(maxsize=_KEPT)
def _follow(
    video: Path, frame: int, corners_px: tuple[tuple[float, float], ...]
) -> list[list[list[float]] | None]:
    """The corners in every frame of a clip; None where the picture cannot be registered."""
    from workbench.footage.packets import read_packets
    from workbench.footage.planemaps import move_points
    from workbench.footage.steady import steady

    found: list[list[list[float]] | None] = [None] * read_packets(video).frame_count
    for number, seen in steady(video, frame, goal_px=corners_px):
        if seen.to_frame is not None:
            found[number] = move_points(seen.to_frame, corners_px).round(1).tolist()
    return found
