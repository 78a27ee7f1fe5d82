"""The chain from a clip and its labels to the analysis of its shot.

The unit is one clip with one shot at goal. Where the camera moves, the ball and the goal are seen
in the view of one frame; pictures that a recording repeats count once. A stage that finds nothing
gives a reason instead of an exception: a clip that lacks the evidence of a shot gets an analysis
that abstains, and says why and what would help. Labels may come from a teacher, a student or the
truth.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.detect.labelling import people_boxes
from workbench.detect.store import ClipDetections, load_detections
from workbench.engines.each import each, refuse_failures
from workbench.engines.engine import Engine, Failure
from workbench.errors import WorkbenchError
from workbench.footage.clips import Clip
from workbench.footage.frames import sample_frames, sample_readable, uniform_indices
from workbench.footage.steadyview import SteadyView, view_clip, view_path
from workbench.footage.timeline import Timeline, read_timeline
from workbench.footage.video_info import content_digest, probe
from workbench.labels.shotclicks import ShotClick, ShotClicks
from workbench.shots.analysed import (
    ShotAnalysis,
    analysis_key,
    by_picture,
    load_shot,
    save_failure,
    save_shot,
)
from workbench.shots.ball.followed import kicked_track, with_rest
from workbench.shots.ball.kicked import find_kicked
from workbench.shots.ball.resting import with_resting
from workbench.shots.ball.sightings import sight_balls
from workbench.shots.ball.track import ball_track, steady_track
from workbench.shots.evidence import missing_evidence, the_shot, with_flight
from workbench.shots.fit3d.question import ask
from workbench.shots.goal.corners import GoalView, find_corners, sharpen_corners
from workbench.shots.judge import judge_shot
from workbench.shots.players.people import People, follow_people
from workbench.shots.players.pose import PoseFinder, PoseTrack, find_poses
from workbench.shots.players.possession import find_possession, find_shooter
from workbench.shots.players.technique import Foot, TechniqueMeasure, find_foot, measure_technique
from workbench.shots.verdict import METHODS, Method, ShotError, ShotVerdict

_BALL_PER_BODY = 0.22 / 1.75  # of a ball whose size is not known
_POSE_REACH = 4  # frames before and after the contact whose poses of the shooter are estimated

_EMPTY_FROM = 15  # frames whose median shows the goal without people
_LABEL_IT = "label it (stage label_clips), with a teacher that works on any camera where it moves"
_EDGE_PX = 2.0  # boxes that touch the picture's edge are cut off


def labelled_clips(clips: Iterable[Clip], labels_dir: Path) -> dict[str, ClipDetections]:
    """Read the labels of those clips that have some, by clip id.

    Raises:
        DatasetError: If a label file is none.
    """
    paths = {clip: labels_dir / f"{clip.clip_id}.json" for clip in clips}
    return {
        clip.clip_id: load_detections(path, clip) for clip, path in paths.items() if path.is_file()
    }


def analyse_shot(
    clip: Clip,
    footage_dir: Path,
    labels: ClipDetections,
    *,
    goal_wh_m: tuple[float, float],
    pose_finder: PoseFinder | None = None,
    goal: GoalView | None = None,
    by_hand: ShotClick | None = None,
    views_dir: Path | None = None,
) -> ShotAnalysis:
    """Analyse the shot in a clip.

    Args:
        clip: Its file is relative to `footage_dir`.
        footage_dir: Folder of `clips.json`.
        labels: People, ball and goal in its frames.
        goal_wh_m: Width and height of the goal, inner edges.
        pose_finder: Who finds the shooter's pose; without one there is no foot and no technique.
        goal: Where the goal is in the view of the clip's reference frame, if that is known better
            than from the labels.
        by_hand: What a person has corrected of the shot; it wins over what is found.
        views_dir: Where labelling has left the clip's view; without it, frames are registered anew.

    Raises:
        FootageError: If the clip cannot be read.
    """
    video = footage_dir / clip.file
    view, goal = _views(clip, video, labels, goal, views_dir)
    timeline = _timeline(clip, video, view)
    view, labels, fps = view.on(timeline), by_picture(labels, timeline), timeline.fps
    people = follow_people(labels, fps)
    told = _by_picture(by_hand or ShotClick(), timeline)
    ball_px = _BALL_PER_BODY * _body_px(people)
    sight = partial(
        sight_balls, view=view, people=people, fps=fps, told=dict(told.ball), told_px=ball_px
    )
    may_be = sight(labels)
    with_rests = with_resting(labels, may_be, video, view, timeline)
    if with_rests is not labels:
        may_be = sight(with_rests)
    kicks = find_kicked(may_be, fps=fps)
    kicked = the_shot(kicks, may_be, goal, fps=fps, told_kick=told.kick_frame)
    seen = ball_track(labels, view) if kicked is None else kicked_track(may_be, kicked, fps=fps)
    if told.ball:
        seen = seen.placed(told.ball, ball_px)
    track = steady_track(seen, view)
    possession = find_possession(with_rest(seen, kicked) if kicked else seen, people)
    kick = told.kick_frame if kicked is None or told.kick_frame is not None else kicked.kick_frame
    shooter = None
    if kick is not None:
        is_told = told.kick_frame is not None
        shooter = find_shooter(possession, float(kick), fps=fps, however_far=is_told)
    pose: PoseTrack | None = None
    foot: Foot | None = None
    technique: tuple[TechniqueMeasure, ...] = ()
    if shooter is not None and pose_finder is not None:
        near = round(shooter.contact_frame)
        last = len(timeline.frames)
        wanted = range(max(0, near - _POSE_REACH), min(last, near + _POSE_REACH + 1))
        frames = {timeline.frames[one]: one for one in wanted if timeline.frames[one] >= 0}
        pose = find_poses(video, people, shooter.player, frames, pose_finder)
        foot = find_foot(_steady_pose(pose, view), track, shooter.contact_frame, goal.foot_px)
        foot = _told_foot(told) or foot
        technique = measure_technique(pose, foot, shooter.contact_frame, fps)
    shot = ShotAnalysis(
        clip=clip,
        timeline=timeline,
        view=view,
        labels=labels.found_by,
        goal=goal,
        goal_wh_m=goal_wh_m,
        track=track,
        people=people,
        kicked=kicked,
        possession=possession,
        shooter=shooter,
        pose=pose,
        foot=_told_foot(told) or foot,
        technique=technique,
        verdicts={},
        by_hand=by_hand,
    )
    return replace(shot, verdicts={method: judge_analysed(shot, method) for method in METHODS})


def judge_analysed(shot: ShotAnalysis, method: Method) -> ShotVerdict:
    """Return the verdict on what was found in a clip; it abstains where that cannot be judged."""
    found, told = (shot.view, shot.goal, shot.track, shot.kicked, shot.shooter), _told_kick(shot)
    lacks = missing_evidence(*found, told_kick=told)
    if lacks is not None or shot.goal.corners_px is None:
        assert lacks is not None
        start = "No shot here: " if lacks.no_shot else "Can't tell, because "
        reason = f"{start}{lacks.problem}."
        return ShotVerdict.abstaining(method, reason, lacks.remedy, no_shot=lacks.no_shot)
    seen = None if shot.shooter is None else round(shot.shooter.contact_frame)
    try:
        question = ask(
            shot.track,
            shot.goal.corners_px,
            goal_size_m=shot.goal_wh_m,
            fps=shot.fps,
            image_wh=shot.size_wh,
            people=boxes_in_view(shot.people, shot.clip, shot.view),
            kick_frame=seen if told is None else told,
            distance_m=None if shot.by_hand is None else shot.by_hand.distance_m,
        )
        return with_flight(judge_shot(question, method), shot.track, shot.kicked)
    except ShotError as error:
        return ShotVerdict.abstaining(method, f"Can't tell, because {error.problem}.")


def _views(
    clip: Clip, video: Path, labels: ClipDetections, goal: GoalView | None, views_dir: Path | None
) -> tuple[SteadyView, GoalView]:
    """The view of a clip, steadied where its goal is, and the goal in it."""
    people = people_boxes(labels)
    if goal is None or goal.corners_px is None:  # a click in another view
        path = view_path(views_dir, clip.clip_id) if views_dir else None
        whole = view_clip(clip, video, people=people, path=path, keep=False)
        seen = _goal_view(clip, video, labels, whole)
        goal = seen if goal is None or seen.corners_px is not None else goal
        if whole.frames is None or goal.corners_px is None:
            return whole, goal
    return view_clip(clip, video, people=people, goal_px=goal.corners_px), goal


def _timeline(clip: Clip, video: Path, view: SteadyView) -> Timeline:
    info = probe(video)
    times_s = (info.pts - info.pts[0]) * float(info.time_base)
    return read_timeline(times_s, view.repeats, float(clip.fps))


def _by_picture(told: ShotClick, timeline: Timeline) -> ShotClick:
    kick = None if told.kick_frame is None else timeline.picture(told.kick_frame)
    ball = tuple((timeline.picture(frame), place) for frame, place in told.ball)
    return replace(told, kick_frame=kick, ball=ball)


def _steady_pose(pose: PoseTrack, view: SteadyView) -> PoseTrack:
    """Poses in the steady view, in which a leg that stands does not move."""
    moved = {}
    for frame, one in pose.poses.items():
        there = view.to_reference(frame, list(one.joints.values()))
        if np.isfinite(there).all():
            places = [(float(x), float(y)) for x, y in there]
            joints = dict(zip(one.joints, places, strict=True))
            moved[frame] = replace(one, joints=joints)
    return replace(pose, poses=moved)


def _told_kick(shot: ShotAnalysis) -> int | None:
    told = shot.by_hand.kick_frame if shot.by_hand is not None else None
    return None if told is None else shot.timeline.picture(told)


def _told_foot(told: ShotClick) -> Foot | None:
    if told.foot is None:
        return None
    return Foot(told.foot, 1.0, f"Told by {told.annotator or 'hand'}.")


def _body_px(people: People) -> float:
    """The median height of people's boxes; 0 where nobody is seen."""
    table = people.table
    return float((table["y1"] - table["y0"]).median()) if len(table) else 0.0


@dataclass(frozen=True)
class AnalysedShots:
    """The shots of some clips, and why others could not be analysed."""

    shots: list[ShotAnalysis] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)  # clip id to the reason


def analyse_shots(
    clips: Sequence[Clip],
    footage_dir: Path,
    labels: Mapping[str, ClipDetections],
    goal_wh_m: Mapping[str, tuple[float, float]],
    folder: Path,
    *,
    pose_finder: PoseFinder | None = None,
    goals: Mapping[str, GoalView] | None = None,
    by_hand: Mapping[str, ShotClick] | None = None,
    views_dir: Path | None = None,
    on_progress: Callable[[Clip], None] | None = None,
    engine: Engine | str | None = None,
) -> AnalysedShots:
    """Analyse the shots in clips; see `analyse_shot`.

    Each shot is saved as `folder/<clip id>.json` once it is analysed. A shot whose file is there
    already, made of the same labels, video, settings and code, is read instead, so that an analysis
    that was killed resumes after the last shot. A clip that cannot be analysed is left out and
    tried again the next time. Labels, goal sizes, `goals` and what people corrected are by clip id.
    `engine` says where shots are analysed (`make_engine`).
    """
    known, corrected = goals or {}, by_hand or {}
    by_id = {clip.clip_id: clip for clip in clips}

    def jobs() -> Iterator[tuple[str, _Job]]:
        for name, clip in by_id.items():
            settings = {
                "goal_wh_m": goal_wh_m[name],
                "goal": known.get(name),
                "by_hand": corrected.get(name),
            }
            path = folder / f"{name}.json"
            yield (
                name,
                _Job(clip, footage_dir, labels[name], settings, path, pose_finder, views_dir),
            )

    done: dict[str, Any] = {}
    failed: dict[str, str] = {}
    for ended in each(_analyse, jobs(), engine=engine):
        if isinstance(ended.result, Failure) and not ended.result.trace:
            failed[ended.name] = ended.result.reason
        else:
            done[ended.name] = ended.result
        if on_progress is not None:
            on_progress(by_id[ended.name])
    refuse_failures(done, "shots")
    return AnalysedShots([done[name] for name in by_id if name in done], failed)


@dataclass(frozen=True)
class _Job:
    """One shot to analyse, as another process is told of it."""

    clip: Clip
    footage_dir: Path
    labels: ClipDetections
    settings: Mapping[str, Any]
    path: Path
    pose_finder: PoseFinder | None
    views_dir: Path | None


def _analyse(job: _Job) -> ShotAnalysis:
    finder, told = job.pose_finder, (job.clip, job.footage_dir, job.labels)
    try:
        digest = content_digest(job.footage_dir / job.clip.file)
        named = {"pose_finder": finder.name if finder is not None else None}
        key = analysis_key(job.clip, digest, job.labels, {**job.settings, **named})
        shot = load_shot(job.path, job.clip, job.labels, key)
        if shot is None:
            shot = analyse_shot(*told, pose_finder=finder, views_dir=job.views_dir, **job.settings)
            save_shot(job.path, shot, key)
    except WorkbenchError as error:
        save_failure(job.path, error)
        raise
    save_failure(job.path, None)
    return shot


def not_analysed(
    clips: Iterable[Clip],
    labels: Mapping[str, ClipDetections],
    analysed: AnalysedShots,
    left_out: Mapping[str, str],
) -> pd.DataFrame:
    """List what of the footage has no analysis: why, and what would help.

    Args:
        clips: All of the footage.
        labels: By clip id.
        analysed: What came of those that have labels.
        left_out: Parts of the footage that are in no clip, as `clips.load_left_out` gives them.
    """
    rows = []
    done = {shot.clip.clip_id for shot in analysed.shots}
    for clip in clips:
        name = clip.clip_id
        if name in analysed.failed:
            why, _, help_ = analysed.failed[name].rpartition(": ")
            rows.append((name, why, help_))
        elif clip.sport not in (None, "soccer"):
            rows.append((name, f"It shows {clip.sport}.", "give it the sport soccer, if it is"))
        elif name not in labels:
            why = "It has no labels." if clip.is_steadiable else clip.camera_reason
            rows.append((name, why, _LABEL_IT))
        elif name not in done:
            rows.append((name, "Nobody looked at it.", "run this stage again"))
    for what, told in left_out.items():
        why, _, help_ = told.partition(": ")
        rows.append((what, f"{why[:1].upper()}{why[1:]}.", help_))
    columns = ["what", "why", "what would help"]
    return pd.DataFrame(rows, columns=columns).set_index("what")


def unused_clicks(
    clicks: ShotClicks, clips: Iterable[Clip], shots: Iterable[ShotAnalysis]
) -> list[str]:
    """Return the clips that have clicks of their own, yet were not analysed."""
    clicked = {clip.clip_id for clip in clips} & {*clicks.goals, *clicks.shots}
    return sorted(clicked - {shot.clip.clip_id for shot in shots})


def boxes_in_view(people: People, clip: Clip, view: SteadyView) -> pd.DataFrame:
    """Return everybody's boxes in the steady view, as `ask` takes them.

    One row per person and frame with `frame`, `player`, `x0`, `y0`, `x1`, `y1`, and `whole`:
    whether no edge of its own picture cuts the box. Boxes keep their shape; their feet move.
    """
    table = people.table
    rows = []
    for frame, name, x0, y0, x1, y1 in table.itertuples(index=False):
        middle = [(x0 + x1) / 2, y1]
        x, y = view.to_reference(frame, middle)[0]
        scale = view.scale(frame, middle)
        half, high = scale * (x1 - x0) / 2, scale * (y1 - y0)
        whole = y0 > _EDGE_PX and y1 < clip.height - _EDGE_PX
        rows.append((frame, name, x - half, y - high, x + half, y, whole))
    return pd.DataFrame(rows, columns=[*table.columns, "whole"]).dropna()


def _goal_view(clip: Clip, video: Path, labels: ClipDetections, view: SteadyView) -> GoalView:
    found = find_corners(labels, view)
    if found.corners_px is None:
        return found
    got = sample_readable(video, uniform_indices(clip.frame_count, _EMPTY_FROM))
    images = got.images
    if view.frames is not None:
        still = sample_frames(video, [view.reference])[0]
        pairs = zip(got.frames, got.images, strict=True)
        images = np.stack([view.image(frame, image, still) for frame, image in pairs])
    empty = np.median(images, axis=0)  # removes moving people
    return sharpen_corners(found, empty.astype(np.uint8))
