"""Losses by stage: the same shots judged again with one thing that was found replaced by the truth.

The unit is one shot and one replacement. If giving the true corners makes the verdicts better, the
corners are where the chain loses; if nothing does, it is the fit. Works on built-in footage, whose
truth is known; leaves the counting of everything else to `chain`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.shots.analyse import standing_people
from workbench.shots.analysed import ShotAnalysis
from workbench.shots.ball.track import ball_track
from workbench.shots.evaluation.truth import TrueShot, load_true_shot
from workbench.shots.judge import judge_shot
from workbench.shots.verdict import ShotError, ShotVerdict
from workbench.stats import Interval, choose_clusters, mcnemar, pooled_share, wilson

AS_FOUND = "as found"
REPLACED = (AS_FOUND, "true kick", "true corners", "true ball", "all three true")


def judge_with_truth(shots: Sequence[ShotAnalysis], footage_dir: Path) -> pd.DataFrame:
    """Judge every shot in 3D with nothing, one thing, and everything replaced by the truth.

    Returns:
        One row per shot and replacement: clip_id, session, given, p, right, abstained, and
        speed_off (absolute error in km/h, NaN without a speed).
    """
    rows = []
    for shot in shots:
        truth = load_true_shot(shot.clip, footage_dir)
        if truth is None:
            continue
        names = {"clip_id": shot.clip.clip_id, "session": shot.clip.session}
        for given in REPLACED:
            verdict = shot.verdicts["3d"] if given == AS_FOUND else _judge(shot, truth, given)
            rows.append(names | {"given": given} | _facts(verdict, truth))
    return pd.DataFrame(rows)


def loss_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return accuracy, Brier score and speed error for each replacement, against as found."""
    base = rows[rows["given"] == AS_FOUND]
    lines = {}
    for given, own in rows.groupby("given", sort=False):
        squared = (own["p"] - own["is_goal"]) ** 2
        lines[given] = {
            "goal right": str(share_right(own)),
            "against as found": str(mcnemar(base["right"], own["right"])),
            "Brier score": f"{squared.mean():.3f}",
            "speed off, km/h (median)": f"{own['speed_off'].median():.1f}",
            "abstains": f"{int(own['abstained'].sum())} of {len(own)}",
        }
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis("given")


def share_right(rows: pd.DataFrame) -> Interval:
    """Return the share of verdicts that are right in some rows of one replacement."""
    clusters = choose_clusters(rows["session"].tolist(), rows["clip_id"].tolist())
    return pooled_share(rows["right"], None, clusters) or wilson(0, 0)


def _judge(shot: ShotAnalysis, truth: TrueShot, given: str) -> ShotVerdict | None:
    everything = given == REPLACED[-1]
    corners = truth.corners_px if everything or given == "true corners" else shot.goal.corners_px
    track = ball_track(truth.labels) if everything or given == "true ball" else shot.track
    kick: float | None = shot.shooter.contact_frame if shot.shooter is not None else None
    if everything or given == "true kick":
        kick = truth.contact_frame
    if corners is None:
        return None
    try:
        return judge_shot(
            track, corners, goal_size_m=shot.goal_wh_m, fps=shot.fps, image_wh=shot.size_wh,
            people=standing_people(shot.people, shot.clip),
            kick_frame=None if kick is None else round(kick),
        )  # fmt: skip
    except ShotError:
        return None


def _facts(verdict: ShotVerdict | None, truth: TrueShot) -> dict[str, Any]:
    if verdict is None:  # what cannot be judged: p = 0.5, counted as no goal
        right = not truth.is_goal
        told = {"p": 0.5, "right": right, "abstained": True, "speed_off": np.nan}
    else:
        speed = verdict.speed_kmh
        told = {
            "p": verdict.goal_probability,
            "right": verdict.is_goal == truth.is_goal,
            "abstained": verdict.abstained,
            "speed_off": np.nan if speed is None else abs(speed - truth.speed_kmh),
        }
    return told | {"is_goal": truth.is_goal}
