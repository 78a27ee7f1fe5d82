"""The coach's server: a gallery, an upload, the queue of analyses, and the coaches' words.

Sentences come as lines of JSON while a coach talks. Facts leave this computer only to the server
that was named at the start, pictures only if it was said that it sees.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from annotation_tools.coach.analyses import Analyses
from annotation_tools.serving import Guard, MediaIndex, make_app
from annotation_tools.serving.app import read_body
from annotation_tools.serving.media import Medium
from annotation_tools.serving.problem import ServingError
from annotation_tools.serving.ranges import VideoResponse

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from workbench.labels.store import LabelStore
    from workbench.shots.coach.coaches import Coach

STATIC = Path(__file__).parent / "static"
UPLOAD_BYTES = 100 << 20
_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".html": "text/html"}


def make_coach_page(
    *,
    media: MediaIndex,
    store: "LabelStore",
    guard: Guard,
    work_dir: Path,
    coaches: "Mapping[str, Coach]",
    settings: dict[str, Any] | None = None,
    upload_bytes: int = UPLOAD_BYTES,
) -> "Starlette":
    """Make the application.

    Args:
        media: The gallery.
        store: Of labels; the page writes none.
        guard: Who may use it.
        work_dir: Where uploads, analyses and pictures go.
        coaches: By what the toggle calls them; the first talks first.
        settings: Passed to `analyse_video`, such as the teacher.
        upload_bytes: Size of an uploaded video at most.
    """
    analyses = Analyses(work_dir, settings)
    own: dict[str, Medium] = {}  # uploaded since the start

    async def upload(request: Request) -> Response:
        from workbench.footage.clips import VIDEO_SUFFIXES

        suffix = Path(request.query_params.get("name", "")).suffix.lower()
        if suffix not in VIDEO_SUFFIXES:
            raise ServingError("the file is no video by its name", "choose an .mp4 or .mov", 415)
        folder = work_dir / "uploads"
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{id(request)}.part"
        try:
            size = 0
            with part.open("wb") as out:
                async for piece in request.stream():
                    size += len(piece)
                    if size > upload_bytes:
                        raise _too_large(upload_bytes)
                    out.write(piece)
            medium = await run_in_threadpool(_keep, part, folder, suffix)
        finally:
            part.unlink(missing_ok=True)
        own[medium.media_id] = medium
        return JSONResponse({"media_id": medium.media_id}, 201)

    def get_upload(request: Request) -> Response:
        medium = own.get(request.path_params["media_id"])
        if medium is None:
            raise ServingError("there is no such clip", "send it again", 404)
        return VideoResponse(medium.path, medium.media_type, medium.path.stat())

    async def analyse(request: Request) -> Response:
        body = await read_body(request)
        media_id, goal = str(body.get("media_id")), _goal(body.get("goal"))
        video = (own.get(media_id) or media.get(media_id)).path
        job = await run_in_threadpool(analyses.ask, video, media_id, goal)
        return JSONResponse({"job": job.job_id}, 202)

    def get_job(request: Request) -> Response:
        return JSONResponse(analyses.state(request.path_params["job"]))

    def get_file(request: Request) -> Response:
        files = analyses.result(request.path_params["job"])["files"]
        path = Path(files.get(request.path_params["name"], ""))
        if not path.is_file():
            raise ServingError("there is no such picture", "choose another", 404)
        if path.suffix == ".mp4":
            return VideoResponse(path, "video/mp4", path.stat())
        name = path.name if path.suffix == ".html" else None  # downloaded: a page of its own
        return FileResponse(path, media_type=_TYPES[path.suffix], filename=name)

    async def talk(request: Request) -> Response:
        from workbench.shots.coach.advice import advise

        body = await read_body(request)
        name = str(body.get("coach"))
        if name not in coaches:
            raise ServingError("there is no such coach", f"ask {' or '.join(coaches)}", 404)
        done = analyses.result(str(body.get("job")))
        strikes = [one for file, one in done["files"].items() if file.startswith("strike")]

        def lines() -> Iterator[str]:
            pictures = [Path(path).read_bytes() for path in strikes]
            for one in advise(done["facts"], coaches[name], pictures):
                said = {"part": one.part, "text": one.text, "replaced": one.replaced}
                yield json.dumps(said) + "\n"

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    return make_app(
        tool="coach",
        static=STATIC,
        media=media,
        store=store,
        kinds=(),
        guard=guard,
        extras={"coaches": list(coaches), "upload_mb": upload_bytes >> 20},
        uploads={"/api/upload": upload_bytes},
        routes=[
            Route("/api/upload", upload, methods=["POST"]),
            Route("/api/uploads/{media_id}", get_upload),
            Route("/api/analyse", analyse, methods=["POST"]),
            Route("/api/jobs/{job}", get_job),
            Route("/api/jobs/{job}/{name}", get_file),
            Route("/api/coach", talk, methods=["POST"]),
        ],
    )


def _keep(part: Path, folder: Path, suffix: str) -> Medium:
    """The uploaded video under the name of its content, if it is one."""
    from workbench.errors import FootageError
    from workbench.footage.video_info import content_digest, probe

    try:
        probe(part)
    except FootageError as error:  # its words name the path, which no page shall see
        raise ServingError("the file cannot be read as a video", error.remedy, 422) from None
    digest = content_digest(part)
    path = folder / f"{digest}{suffix}"
    part.replace(path)
    return Medium(digest, "your clip", path)


def _goal(told: Any) -> dict[str, Any] | None:
    if told is None:
        return None
    try:
        corners = [[float(x), float(y)] for x, y in told["corners_px"]]
        frame = int(told["frame"])
        if len(corners) != 4 or not 0 <= frame < 100_000:
            raise ValueError
    except (TypeError, ValueError, KeyError):
        raise ServingError("these are not four corners of a frame", "click them again") from None
    return {"corners_px": corners, "frame": frame}


def _too_large(most: int) -> ServingError:
    return ServingError(f"the video is larger than {most >> 20} MB", "cut the shot out of it", 413)
