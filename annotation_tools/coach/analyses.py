"""Analyses that the page asks for: a queue of processes, one per core, and what came of each.

The unit is one analysis. It runs in a process of its own, so that the page answers meanwhile, and
leaves its stage in a file. The same video with the same corners is analysed once.
"""

import hashlib
import io
import multiprocessing
import os
import re
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from annotation_tools.serving.problem import ServingError
from workbench.errors import WorkbenchError
from workbench.saving import save_bytes, save_text

MOST_WAITING = 20
_FOLDERS = re.compile(r"(?<!\w)/(?:[^\s/:]+/)+")  # of this computer, which no page shall see


@dataclass
class Analysis:
    """One analysis, waiting, under way or done."""

    job_id: str
    stage_file: Path
    future: "Future[dict[str, Any]]" = field(default_factory=Future)


class Analyses:
    """The queue.

    Args:
        work_dir: Where what is made goes.
        settings: Passed to `analyse_video`, such as the teacher.
        workers: Analyses at the same time; one per core by default.
    """

    def __init__(
        self, work_dir: Path, settings: dict[str, Any] | None = None, workers: int | None = None
    ) -> None:
        self._work_dir, self._settings = work_dir, settings or {}
        self._workers = workers or os.cpu_count() or 1
        self._pool: ProcessPoolExecutor | None = None
        self._jobs: dict[str, Analysis] = {}
        self._lock = threading.Lock()

    def ask(self, video: Path, media_id: str, goal: dict[str, Any] | None = None) -> Analysis:
        """Put an analysis into the queue, unless it is there; one that failed is tried again.

        Raises:
            ServingError: If too many wait.
        """
        told = hashlib.sha256(f"{media_id} {goal}".encode()).hexdigest()[:16]
        with self._lock:
            known = self._jobs.get(told)
            if known is not None and not (known.future.done() and known.future.exception()):
                return known
            if sum(not one.future.done() for one in self._jobs.values()) >= MOST_WAITING:
                raise ServingError("too many clips are waiting", "try again in a minute", 429)
            if self._pool is None:
                context = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(self._workers, context, _end_with, (os.getpid(),))
            stage_file = self._work_dir / "stages" / told
            stage_file.unlink(missing_ok=True)
            job = Analysis(told, stage_file)
            job.future = self._pool.submit(
                _analyse, video, self._work_dir, goal, stage_file, self._settings
            )
            self._jobs[told] = job
            return job

    def state(self, job_id: str) -> dict[str, Any]:
        """Return how it stands, as JSON values: waiting (with its place), running, failed, done."""
        job = self.get(job_id)
        if job.future.done():
            error = job.future.exception()
            if isinstance(error, WorkbenchError):
                said = (_FOLDERS.sub("", one) for one in (error.problem, error.remedy))
                return {"state": "failed", **dict(zip(("problem", "remedy"), said, strict=True))}
            if error is not None:
                told = "the analysis failed", "choose another clip, and look at the terminal"
                return {"state": "failed", "problem": told[0], "remedy": told[1]}
            shown = {k: v for k, v in job.future.result().items() if k not in ("facts", "files")}
            return {"state": "done", **shown}
        if job.stage_file.is_file():
            return {"state": "running", "stage": job.stage_file.read_text(encoding="utf-8")}
        before = [one for one in self._jobs.values() if not one.future.done()]
        place = before.index(job) + 1 - self._workers
        return {"state": "waiting", "place": max(1, place)}

    def get(self, job_id: str) -> Analysis:
        """The analysis of this id.

        Raises:
            ServingError: If there is none (404).
        """
        if job_id not in self._jobs:
            raise ServingError("there is no such analysis", "choose the clip again", 404)
        return self._jobs[job_id]

    def result(self, job_id: str) -> dict[str, Any]:
        """What was found, with its facts and files.

        Raises:
            ServingError: If it is not there yet.
        """
        job = self.get(job_id)
        if not job.future.done() or job.future.exception():
            raise ServingError("this analysis is not done", "wait for it", 409)
        return job.future.result()


def _end_with(parent: int) -> None:
    """Let this process end when the server does, however that ends."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def _analyse(
    video: Path,
    work_dir: Path,
    goal: dict[str, Any] | None,
    stage_file: Path,
    settings: dict[str, Any],
) -> dict[str, Any]:
    """What the page shows of one video; runs in a process of its own."""
    from workbench.footage.clips import origin_of
    from workbench.footage.frames import sample_frames
    from workbench.labels.shotclicks import GoalClick
    from workbench.shots import words
    from workbench.shots.coach.facts import facts_of
    from workbench.shots.coach.strike import strike_pictures
    from workbench.shots.evidence import WHERE_TO_CLICK
    from workbench.shots.onevideo import analyse_video
    from workbench.shots.pictures.figures import draw_goal_mouth, draw_pitch_map

    click = None
    if goal is not None:
        corners = tuple((float(x), float(y)) for x, y in goal["corners_px"])
        click = GoalClick(corners, int(goal["frame"]), None)
    done = analyse_video(
        video, work_dir, goal=click, on_stage=lambda stage: save_text(stage_file, stage), **settings
    )
    shot, facts = done.shot, facts_of(done.shot)
    verdict, files = shot.verdict, {"overlay.mp4": done.overlay, "shot.html": done.page}
    folder = done.page.parent
    because = words.reason_words(verdict) + words.remedy_words(verdict)
    if verdict.path is not None:
        for name, ax in (("goal", draw_goal_mouth(shot)), ("pitch", draw_pitch_map(shot))):
            files[f"{name}.png"] = _png(ax, folder / f"{shot.clip.clip_id}_{name}.png")
    for number, jpeg in enumerate(strike_pictures(shot, done.video)):
        files[f"strike{number}.jpg"] = folder / f"{shot.clip.clip_id}_strike{number}.jpg"
        save_bytes(files[f"strike{number}.jpg"], jpeg)
    frame = shot.clip.reference_frame
    if shot.goal.corners_px is None:  # to be clicked
        still = folder / f"{shot.clip.clip_id}_frame.jpg"
        save_bytes(still, _jpeg(sample_frames(done.video, [frame])[0]))
        files["frame.jpg"] = still
        # Corners are clicked on this page, too.
        because = because.replace(WHERE_TO_CLICK, "")
        facts = replace(facts, remedy=facts.remedy.replace(WHERE_TO_CLICK, ""))
    return {
        "files": {name: str(path) for name, path in files.items()},
        "pictures": sorted(files),
        "facts": facts,
        "result": facts.result,
        "headline": words.headline(verdict),
        "sure": words.sure_words(verdict) if facts.sure else "",
        "because": because,
        "speed": ""
        if verdict.speed_kmh is None
        else words.speed_words(verdict.speed_kmh, verdict.speed_interval_kmh),
        "foot": words.foot_words(shot.foot),
        "place": facts.place,
        "measures": [asdict(one) | {"standing": one.standing} for one in facts.measures],
        "no_technique": facts.no_technique,
        "pose": "" if shot.pose is None else shot.pose.method,
        "caveat": origin_of([shot.clip]).caveat or "",
        "clicks": {"frame": frame, "wh": shot.size_wh} if "frame.jpg" in files else None,
    }


def _png(ax: Any, path: Path) -> Path:
    import matplotlib.pyplot as plt

    figure, stream = ax.get_figure(root=True), io.BytesIO()
    figure.savefig(stream, format="png", dpi=110, bbox_inches="tight")
    plt.close(figure)
    save_bytes(path, stream.getvalue())
    return path


def _jpeg(image: Any) -> bytes:
    import cv2

    return bytes(cv2.imencode(".jpg", image[..., ::-1])[1].tobytes())
