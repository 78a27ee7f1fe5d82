"""The front page's server: the tools below it, the reports, and an overview that is always new."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from annotation_tools.coach.app import UPLOAD_BYTES
from annotation_tools.front.overview import (
    clipper_rows,
    coach_rows,
    goal_rows,
    rater_rows,
    report_rows,
)
from annotation_tools.serving import Guard, MediaIndex, make_app
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.labels.store import LabelStore

STATIC = Path(__file__).parent / "static"
# A report is a page of its own with scripts in it. Sandboxed, it is of no origin: it can neither
# read this server's addresses nor use its cookie.
REPORT_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' "
    "data:; media-src 'self' data:; font-src data:; base-uri 'none'; form-action 'none'; "
    "sandbox allow-scripts allow-popups allow-popups-to-escape-sandbox allow-downloads"
)
_JOBS = {
    "clipper": ("Clipper", "Cut clips out of long videos, to the frame."),
    "goals": ("Goal labeller", "Say which clips show a goal, and when; mark events; settle."),
    "coach": ("Coach", "See what was measured of a shot, and hear what to work on."),
    "rater": ("Rater", "Give clips stars or classes. A notebook in JupyterLab."),
}


@dataclass(frozen=True)
class Place:
    """Where a tool is, or why it is not there."""

    folder: Path | None = None
    media: MediaIndex | None = None
    app: Starlette | None = None
    problem: WorkbenchError | None = None


class _Reports(StaticFiles):
    """The reports folder, every page of it sandboxed."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        response = super().file_response(*arguments, **options)
        response.headers["content-security-policy"] = REPORT_POLICY
        response.headers["cache-control"] = "no-cache"
        return response


def make_front(
    *,
    places: Mapping[str, Place],
    store: "LabelStore",
    guard: Guard,
    clips_out: Path,
    reports: Path,
    annotator: str = "",
) -> Starlette:
    """Make the front page's application, with the tools mounted below it.

    Args:
        places: The clipper, the goal labeller and the coach, by name; their applications are
            guarded by this one, so make them with `Guard.behind_proxy()`.
        store: Where labels are kept.
        guard: Who may use it.
        clips_out: Where the clipper exports to.
        reports: The folder of the runs, of `workbench run`; it may be absent.
        annotator: Who labels, unless the page says otherwise.
    """

    def get_overview(request: Request) -> Response:
        who = request.query_params.get("annotator") or annotator
        found = {
            "clipper": clipper_rows(places["clipper"].media, store, who, clips_out),
            "goals": goal_rows(places["goals"].folder, places["goals"].media, store, who),
            "coach": coach_rows(places["coach"].media),
            "rater": rater_rows(store, who),
        }
        tools = []
        for tool, (title, job) in _JOBS.items():
            problem = places[tool].problem if tool in places else None
            has_page = tool in places and places[tool].app is not None
            tools.append(
                {
                    "title": title,
                    "job": job,
                    "href": f"{tool}/" if has_page else None,
                    "facts": found[tool].facts,
                    "missing": _said(problem) if problem else "",
                }
            )
        waits = [row for rows in found.values() for row in rows.waits]
        return JSONResponse(
            {
                "tools": tools,
                "waits": waits,
                "reports": report_rows(reports),
                "index": "reports/index.html" if (reports / "index.html").is_file() else None,
            }
        )

    return make_app(
        tool="front",
        static=STATIC,
        media=MediaIndex([]),
        store=store,
        kinds=(),
        guard=guard,
        annotator=annotator,
        uploads={"/coach/api/upload": UPLOAD_BYTES},
        routes=[
            Route("/api/overview", get_overview),
            *(Mount(f"/{tool}", place.app) for tool, place in places.items() if place.app),
            Mount("/reports", _Reports(directory=reports, check_dir=False)),
        ],
    )


def _said(problem: WorkbenchError) -> str:
    return f"{problem.problem}: {problem.remedy}, then start this page again"
