"""One video of one's own, from the file to its analysed shot, its overlay video and its page.

The unit is one video with one shot. Of several takes the longest counts; a long one is cut around
its likeliest kick. A clip of built-in footage is analysed on its truth, and says so: what is
learned from it is how words are made, not how well shots are seen. What was done before is read
again.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from workbench.detect.labelling import label_clips
from workbench.detect.store import ClipDetections, load_truth
from workbench.detect.teachers.registry import make_teacher
from workbench.errors import FootageError
from workbench.footage.clips import Clip, load_clips
from workbench.footage.cut import clip_row, cut_clip
from workbench.footage.cuts import find_takes
from workbench.footage.steady import with_camera
from workbench.footage.video_info import VideoInfo, content_digest, probe
from workbench.labels.shotclicks import GoalClick
from workbench.saving import save_json
from workbench.shots.analyse import analyse_shots
from workbench.shots.analysed import ShotAnalysis
from workbench.shots.evaluation.technique import TruePoses
from workbench.shots.evaluation.truth import load_true_shot
from workbench.shots.goal.clicked import clicked_goals
from workbench.shots.kickwindows import around_kicks
from workbench.shots.pictures.page import save_pictures
from workbench.shots.players.pose import MODELS_DIR, PoseFinder, pose_finder

GOAL_WH_M = (7.32, 2.44)
_WHOLE_S = 8.0  # a video up to this length is one clip
_LONGEST_S = 120.0
STAGES = ("read the video", "find people and balls", "fit the flight", "draw the pictures")


@dataclass(frozen=True)
class AnalysedVideo:
    """A shot and where its pictures are."""

    shot: ShotAnalysis
    video: Path  # the clip
    overlay: Path
    page: Path


def analyse_video(
    video: Path,
    work_dir: Path,
    *,
    goal: GoalClick | None = None,
    goal_wh_m: tuple[float, float] = GOAL_WH_M,
    teacher: str = "auto",
    pose: str = "auto",
    pose_model: Path = MODELS_DIR,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> AnalysedVideo:
    """Analyse the shot in a video, step by step.

    Args:
        video: Any video up to two minutes; a clip of built-in footage is known by its `clips.json`.
        work_dir: Where clip, labels, analysis and pictures go; each video has files of its own.
        goal: Its corners as somebody clicked them in a frame of the clip.
        goal_wh_m: Inner width and height of the goal, where the click does not say it.
        teacher: Who finds people and balls, of `detect.teachers`.
        pose: Who finds the shooter's pose.
        pose_model: A .task file, or its folder.
        on_stage: Called with each of `STAGES` as it begins.

    Raises:
        WorkbenchError: If the video cannot be read, is too long, or shows nothing to analyse.
    """
    on_stage(STAGES[0])
    known = _built_in(video)
    clip, footage = known or _own_clip(video, work_dir, teacher)
    name, clicks = clip.clip_id, {} if goal is None else {clip.clip_id: goal}
    on_stage(STAGES[1])
    finder: PoseFinder
    if known:
        labels = load_truth([clip], footage)[0]
        truth = load_true_shot(clip, footage)
        goal_wh_m, finder = truth.goal_wh_m if truth else goal_wh_m, TruePoses(clip, footage)
    else:
        labels = _labelled(clip, footage, work_dir / "labels", teacher)
        finder = pose_finder(pose, pose_model)
    on_stage(STAGES[2])
    clicked = clicked_goals([clip], footage, clicks)
    sizes = {one: found.goal_wh_m or goal_wh_m for one, found in clicked.items()}
    analysed = analyse_shots(
        [clip], footage, {name: labels}, {name: goal_wh_m} | sizes, work_dir / "analyses",
        pose_finder=finder, goals={one: found.view for one, found in clicked.items()},
        views_dir=work_dir / "labels",
    )  # fmt: skip
    if not analysed.shots:
        problem, _, remedy = analysed.failed[name].partition(": ")
        raise FootageError(problem, remedy or "choose another video")
    on_stage(STAGES[3])
    shot, out = analysed.shots[0], work_dir / "pictures"
    page, analysis = out / f"{name}.html", work_dir / "analyses" / f"{name}.json"
    if not page.is_file() or page.stat().st_mtime < analysis.stat().st_mtime:
        save_pictures([shot], footage, out)
    return AnalysedVideo(shot, footage / clip.file, out / f"{name}.mp4", page)


def _built_in(video: Path) -> tuple[Clip, Path] | None:
    """The clip of built-in footage that a file is, with its folder."""
    folder = video.resolve().parent.parent
    if not (folder / "clips.json").is_file():
        return None
    clips = [one for one in load_clips(folder) if one.truth and one.sport == "soccer"]
    same = [one for one in clips if (folder / one.file).resolve() == video.resolve()]
    return (same[0], folder) if same and load_true_shot(same[0], folder) else None


def _own_clip(video: Path, work_dir: Path, teacher: str) -> tuple[Clip, Path]:
    info = probe(video)
    if info.duration_s > _LONGEST_S:
        problem = f"{video.name} is {info.duration_s:.0f} s long, more than {_LONGEST_S:.0f}"
        raise FootageError(problem, "cut the shot out of it (workbench serve clipper)")
    name = f"{video.stem[:40]}_{content_digest(video)[:8]}"
    path = work_dir / "clips" / f"{name}.mp4"
    window = work_dir / "clips" / f"{name}.json"
    if not (path.is_file() and window.is_file()):
        start, stop = _window(info, teacher)
        path.parent.mkdir(parents=True, exist_ok=True)
        cut_clip(info.path, path, start, stop)
        save_json(window, {"start": start, "stop": stop})
    cut = probe(path)
    row = clip_row(name, cut, work_dir, info, (0, cut.frame_count), name)
    return with_camera(replace(row, source=row.file), path), work_dir


def _window(info: VideoInfo, teacher: str) -> tuple[int, int]:
    """Frames [start, end) with the shot: of the longest take, around its likeliest kick."""
    start, end = max(find_takes(info.path).takes, key=lambda take: take[1] - take[0])
    most = round(_WHOLE_S * float(info.fps))
    if end - start <= most:
        return start, end
    proposed = around_kicks(make_teacher(teacher))(info, start, end)
    return proposed[0] if proposed else (start, start + most)


def _labelled(clip: Clip, footage: Path, labels_dir: Path, teacher: str) -> ClipDetections:
    looks = make_teacher(teacher)
    if not looks.can_label(clip):
        raise FootageError(
            f"nothing can be found in this video: {clip.camera_reason.rstrip('.')}",
            "film from one place, or name a detector in $WORKBENCH_DETECTOR",
        )
    return label_clips([clip], footage, labels_dir, looks)[0]
