"""The chain on real shots whose truth was read by eye: kick, foot and verdict, clip by clip.

Footage is not part of the project: a folder with videos and `truth.json` (file, cuts, and per shot
kick frame and range, foot, goal, corners as top-left, top-right, bottom-right, bottom-left at the
kick) is named, or found in $WORKBENCH_SHARED/footage/shots. Each shot is cut 1.5 s before to 2.5 s
after its kick, never across a cut, labelled by the teacher `auto` and analysed with the corners of
the truth.

    WORKBENCH_DETECTOR=yolox_nano.onnx python benchmarks/real_shots.py --work /tmp/real_shots

Takes and labels stay in the folder `--work`: a second run judges again with today's code. Labelling
takes about a second of one core per frame.
"""

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from workbench.detect.labelling import label_clips
from workbench.detect.teachers.registry import make_teacher
from workbench.footage.clips import Clip
from workbench.footage.cut import clip_row, cut_clip
from workbench.footage.steady import with_camera
from workbench.footage.video_info import probe
from workbench.labels.shotclicks import GoalClick
from workbench.shots.analyse import analyse_shot
from workbench.shots.analysed import ShotAnalysis
from workbench.shots.goal.clicked import clicked_goals
from workbench.shots.players.pose import MODELS_DIR, pose_finder
from workbench.stats import show, wilson

BEFORE_S, AFTER_S = 1.5, 2.5
KICK_WITHIN = 2  # frames
GOAL_WH_M = (7.32, 2.44)


@dataclass(frozen=True)
class Take:
    """One shot, cut out of its video, with its truth."""

    clip: Clip
    start: int  # its first frame in the video
    truth: dict[str, Any]

    @property
    def kicks(self) -> range | None:
        """The frames of the take in which the foot may have met the ball."""
        if self.truth["kick_frame"] is None:
            return None
        first, last = self.truth.get("kick_range") or [self.truth["kick_frame"]] * 2
        return range(first - self.start, last - self.start + 1)

    @property
    def click(self) -> GoalClick | None:
        """The goal as somebody would click it at the kick; None where a corner is out of view."""
        corners = self.truth.get("goal_corners_px")
        if not corners or None in corners or self.truth["kick_frame"] is None:
            return None
        top_left, top_right, bottom_right, bottom_left = (tuple(corner) for corner in corners)
        order = (bottom_left, top_left, top_right, bottom_right)
        return GoalClick(order, self.truth["kick_frame"] - self.start, GOAL_WH_M)


def main() -> None:
    """Print a row per take, and what holds of all."""
    shared = Path(os.environ.get("WORKBENCH_SHARED", "../shared")) / "footage/shots"
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("footage", nargs="?", type=Path, default=shared)
    parser.add_argument("--work", type=Path, required=True, help="where takes and labels stay")
    parser.add_argument("--pose", type=Path, default=MODELS_DIR, help="model of poses: .task")
    parser.add_argument("--only", default="", help="part of the names of the takes to look at")
    options = parser.parse_args()
    takes = [
        take
        for take in cut_takes(options.footage, options.work)
        if options.only in take.clip.clip_id
    ]
    clips = [take.clip for take in takes]
    teacher = make_teacher("auto")
    labels = label_clips(
        [c for c in clips if teacher.can_label(c)], options.work, options.work, teacher
    )
    labels_of = {own.clip_id: own for own in labels}
    clicks = {take.clip.clip_id: take.click for take in takes if take.click}
    goals = clicked_goals(clips, options.work, clicks)
    finder = pose_finder(model=options.pose)
    table = Table("take", "kick, off", "foot", "verdict", "because", box=None)
    kicks, feet, decided, right = [], [], [], []
    for take in takes:
        name = take.clip.clip_id
        if name not in labels_of:
            table.add_row(name, "", "", "", take.clip.camera_reason)
            continue
        goal = goals[name].view if name in goals else None
        shot = analyse_shot(
            *(take.clip, options.work, labels_of[name]),
            goal_wh_m=GOAL_WH_M, pose_finder=finder, goal=goal, views_dir=options.work,
        )  # fmt: skip
        off = _kick_off(take, shot)
        if take.kicks is not None:
            kicks.append(off is not None and off <= KICK_WITHIN)
        side = shot.foot.side if shot.foot else None
        if side and take.truth.get("foot"):
            feet.append(side == take.truth["foot"])
        verdict = shot.verdict
        if take.click:
            decided.append(not verdict.abstained)
            if not verdict.abstained and take.truth["goal"] is not None:
                right.append(verdict.is_goal == take.truth["goal"])
        said = "–" if verdict.abstained else ("goal" if verdict.is_goal else "no goal")
        told = f"{said} (true: {take.truth['goal']})"
        table.add_row(
            name, _or_dash(off), f"{side} ({take.truth.get('foot')})", told, verdict.reason
        )
    console = Console(width=160)
    console.print(table)
    for what, found in (
        (f"kick within {KICK_WITHIN} frames of the range read", kicks),
        ("foot right, of those told", feet),
        ("decided, of those with four corners", decided),
        ("right, of those decided", right),
    ):
        console.print(
            f"{what}: {show(wilson(sum(found), len(found)))} n={len(found)}", markup=False
        )


def cut_takes(footage: Path, work: Path) -> Iterator[Take]:
    """Cut a take per shot of the truth, once."""
    (work / "clips").mkdir(parents=True, exist_ok=True)
    for video in json.loads((footage / "truth.json").read_text())["shots"]:
        info = probe(footage / video["file"])
        borders = [0, *video["cut_frames"], info.frame_count]
        for number, truth in enumerate(video["shots"]):
            kick = truth["kick_frame"] or 0
            first = max(border for border in borders if border <= kick)
            end = min(border for border in borders if border > kick)
            start = max(first, round(kick - BEFORE_S * float(info.fps)))
            stop = min(end, round(kick + AFTER_S * float(info.fps)))
            stem = Path(video["file"]).stem
            path = work / "clips" / f"{stem}_{number}.mp4"
            if not path.exists():
                cut_clip(info.path, path, start, stop)
            row = clip_row(path.stem, probe(path), work, info, (start, stop), stem)
            yield Take(with_camera(row, path), start, truth)


def _kick_off(take: Take, shot: ShotAnalysis) -> int | None:
    """Frames from the range in which the kick was read; None where none is found, or is there."""
    if take.kicks is None or shot.kick_frame is None:
        return None
    found = round(float(shot.timeline.frame(shot.kick_frame)))
    return max(take.kicks[0] - found, found - take.kicks[-1], 0)


def _or_dash(value: int | None) -> str:
    return "–" if value is None else str(value)


if __name__ == "__main__":
    main()
