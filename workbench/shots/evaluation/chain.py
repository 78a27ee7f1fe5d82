"""Scores of every stage of the chain, from labels to verdict, against the truth.

The unit is one row of facts per shot and label source: what each stage found beside what was true.
Counts once, derives every table from the rows, and compares two label sources, or the two methods,
on the same shots only; nothing but the labels differs between sources. A foot or a shooter that was
not told counts as wrong, a verdict with its better guess, also where it abstains. Truth comes from
built-in footage; people's verdicts are the business of `people`.

Intervals (95 %) are by session where there are enough, else by clip (`stats`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from workbench.detect.dataset.coco import load_dataset
from workbench.errors import DatasetError
from workbench.shots.analysed import ShotAnalysis
from workbench.shots.evaluation.truth import TrueShot, load_true_shot
from workbench.stats import (
    Clusters,
    Floats,
    Interval,
    PairedTest,
    Weights,
    bootstrap,
    choose_clusters,
    mcnemar,
    median_interval,
    pooled_share,
    show,
)

CLOSE_KICK_FRAMES = 2.0
HEADLINES = (  # the scores that lead the report
    "goal right, 3D fit",
    "goal right, 3D fit where it does not abstain",
    "speed off, km/h (median), 3D fit",
    "shooter right",
    "foot right",
)
_SAME_BALL_PX, _SAME_BALL_DIAMETERS = 4.0, 1.0
_SAME_PERSON_IOU = 0.3


def splits_of(dataset_dir: Path) -> dict[str, str]:
    """Return the split of each session as a detector's dataset has it; empty without a dataset."""
    try:
        sessions = load_dataset(dataset_dir).meta["sessions"]
    except DatasetError:
        return {}
    return {session: split for split, own in sessions.items() for session in own}


def collect_facts(
    shots: Sequence[ShotAnalysis],
    footage_dir: Path,
    session_to_split: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Return one row per shot that has a truth.

    Columns: clip_id, session, split, labels; ball_seen and ball_found (frames), ball_false (frames
    where something else was taken for it); corners_px (mean error, NaN without corners);
    kick_frames (signed error); shooter, foot, foot_told; pose_found, pose_asked (frames);
    true_goal; and per method m: p_m, right_m, abstained_m, speed_m (signed error in km/h),
    holds_m (whether the 90 % interval holds the true speed, NaN without).
    """
    splits = session_to_split or {}
    rows = []
    for shot in shots:
        truth = load_true_shot(shot.clip, footage_dir)
        if truth is None:
            continue
        split = splits.get(shot.clip.session, "all")
        names = {"clip_id": shot.clip.clip_id, "session": shot.clip.session, "split": split}
        rows.append(
            names
            | {"labels": shot.labels, "true_goal": truth.is_goal}
            | _ball_facts(shot, truth)
            | _player_facts(shot, truth)
            | {"corners_px": _corner_error(shot.goal.corners_px, truth.corners_px)}
            | _verdict_facts(shot, truth)
        )
    return pd.DataFrame(rows)


def _ball_facts(shot: ShotAnalysis, truth: TrueShot) -> dict[str, Any]:
    taken = dict(zip(shot.track.frames.tolist(), shot.track.xy, strict=True))
    seen = found = false = 0
    for frame in range(len(truth.labels.frames)):
        balls = [ball.xywh for ball in truth.labels.of_class(frame, "ball")]
        if frame not in taken:
            seen += bool(balls)
            continue
        x, y = taken[frame]
        near = any(
            np.hypot(left + wide / 2 - x, top + high / 2 - y)
            <= max(_SAME_BALL_PX, _SAME_BALL_DIAMETERS * max(wide, high))
            for left, top, wide, high in balls
        )
        seen, found, false = seen + bool(balls), found + near, false + (not near)
    return {"ball_seen": seen, "ball_found": found, "ball_false": false}


def _player_facts(shot: ShotAnalysis, truth: TrueShot) -> dict[str, Any]:
    told = shot.foot is not None and shot.foot.side is not None
    return {
        "kick_frames": shot.shooter.contact_frame - truth.contact_frame
        if shot.shooter is not None
        else np.nan,
        "shooter": _is_true_shooter(shot, truth),
        "foot": told and shot.foot is not None and shot.foot.side == truth.foot,
        "foot_told": told,
        "pose_found": len(shot.pose.poses) if shot.pose is not None else 0,
        "pose_asked": shot.pose.asked if shot.pose is not None else 0,
    }


def _is_true_shooter(shot: ShotAnalysis, truth: TrueShot) -> bool:
    """Whether who is called the shooter is, at the true contact, where the shooter really is."""
    if shot.shooter is None:
        return False
    frame = min(round(truth.contact_frame), len(truth.labels.frames) - 1)
    table = shot.people.table
    own = table[(table["player"] == shot.shooter.player) & (table["frame"] == frame)]
    boxes = [
        person.xywh
        for person in truth.labels.of_class(frame, "person")
        if person.track_id == truth.shooter_track_id
    ]
    if own.empty or not boxes:
        return False
    left, top, wide, high = boxes[0]
    x0, y0, x1, y1 = own[["x0", "y0", "x1", "y1"]].to_numpy(float)[0]
    across, down = min(x1, left + wide) - max(x0, left), min(y1, top + high) - max(y0, top)
    shared = max(0.0, across) * max(0.0, down)
    area = (x1 - x0) * (y1 - y0)
    return bool(shared / (area + wide * high - shared) >= _SAME_PERSON_IOU)


def _corner_error(found: Floats | None, true: Floats) -> float:
    """Mean distance in pixels of four corners from the true ones, whatever their order."""
    if found is None:
        return float("nan")
    apart = np.linalg.norm(np.asarray(found)[:, None] - true[None], axis=2)
    return float(apart[linear_sum_assignment(apart)].mean())


def _verdict_facts(shot: ShotAnalysis, truth: TrueShot) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for method, verdict in shot.verdicts.items():
        speed, interval = verdict.speed_kmh, verdict.speed_interval_kmh
        facts |= {
            f"p_{method}": verdict.goal_probability,
            f"right_{method}": verdict.is_goal == truth.is_goal,
            f"abstained_{method}": verdict.abstained,
            f"speed_{method}": np.nan if speed is None else speed - truth.speed_kmh,
            f"holds_{method}": np.nan
            if interval is None
            else float(interval[0] <= truth.speed_kmh <= interval[1]),
        }
    return facts


def stage_scores(facts: pd.DataFrame) -> dict[str, Interval]:
    """Return every stage's score on these rows, in the order of the chain.

    Shares unless the name says otherwise. A score of nothing (no speeds, say) is left out.
    """
    clusters = choose_clusters(facts["session"].tolist(), facts["clip_id"].tolist())

    def share(parts: Any, wholes: Any = None) -> Interval | None:
        return pooled_share(parts, wholes, clusters)

    def median(values: pd.Series) -> Interval | None:
        known = values.notna().to_numpy()
        kept = values.to_numpy(float)[known]
        return median_interval(kept, clusters.take(known)) if known.any() else None

    taken, decided = facts["ball_found"] + facts["ball_false"], ~facts["abstained_3d"]
    scores = {
        "ball found, of frames": share(facts["ball_found"], facts["ball_seen"]),
        "something else taken for the ball, of frames": share(facts["ball_false"], taken),
        "goal corners, px off (median)": median(facts["corners_px"]),
        "kick within 2 frames": share(facts["kick_frames"].abs() <= CLOSE_KICK_FRAMES),
        "shooter right": share(facts["shooter"]),
        "pose captured, of frames": share(facts["pose_found"], facts["pose_asked"]),
        "foot told": share(facts["foot_told"]),
        "foot right": share(facts["foot"]),
        "goal right, 2D rules": share(facts["right_2d"]),
        "goal right, 3D fit": share(facts["right_3d"]),
        "goal right, 3D fit where it does not abstain": share(facts["right_3d"] & decided, decided),
        "3D fit abstains": share(facts["abstained_3d"]),
        "Brier score, 3D fit": _brier_score(facts, clusters),
        "speed off, km/h (median), 2D rules": median(facts["speed_2d"].abs()),
        "speed off, km/h (median), 3D fit": median(facts["speed_3d"].abs()),
        "true speed in the 90 % interval": share(facts["holds_3d"] > 0, facts["holds_3d"].notna()),
    }
    return {name: score for name, score in scores.items() if score is not None}


def answer(
    shots: Sequence[ShotAnalysis], facts: pd.DataFrame, people: Mapping[str, Interval]
) -> str:
    """Say whether verdicts can be trusted, in a sentence that begins with the verdict.

    Args:
        shots: All analyses.
        facts: Those of them that have a truth.
        people: How often each method says what people say; empty where nobody has judged.
    """
    if not shots:
        return "Nothing to see: no clip of soccer was labelled, or none could be analysed."
    abstained = sum(shot.verdict.abstained for shot in shots)
    if len(facts):
        scores = stage_scores(facts)
        right, whose = scores["goal right, 3D fit"], "the truth"
        rest = [f"{name} {show(scores[name])}" for name in HEADLINES[2:] if name in scores]
    elif people.get("3d") is not None and people["3d"].n:
        right, whose, rest = people["3d"], "what people say", []
    else:
        goals = sum(shot.verdict.is_goal for shot in shots)
        return (
            f"Can't tell: of {len(shots)} shots {goals} are called goals and {abstained} verdicts "
            "abstain, but there is no truth and nobody has judged them."
        )
    word = "Yes" if right.low > 0.5 else "No" if right.high < 0.5 else "Can't tell"
    share = f"{show(right, percent=True)} of {right.n} verdicts"
    text = f"{word}: {share} on goal or no goal agree with {whose}"
    return "; ".join([text, f"{abstained} of {len(shots)} abstain", *rest]) + "."


def headlines_first(scores: Mapping[str, Interval]) -> dict[str, Interval]:
    """Return the same scores, `HEADLINES` first."""
    names = dict.fromkeys((*HEADLINES, *scores))
    return {name: scores[name] for name in names if name in scores}


def stage_table(facts: pd.DataFrame, by: str = "labels") -> pd.DataFrame:
    """Return the scores of all stages, one column per value of `by` (labels or split)."""
    columns = {
        str(name): {stage: str(score) for stage, score in stage_scores(rows).items()}
        for name, rows in facts.groupby(by, sort=False)
    }
    return pd.DataFrame(columns).fillna("").rename_axis("stage")


@dataclass(frozen=True)
class StageComparison:
    """What a stage wins or loses when one thing is swapped, on the same shots."""

    stage: str
    first: str
    second: str
    test: PairedTest  # the second against the first


def compare_stages(facts: pd.DataFrame) -> list[StageComparison]:
    """Compare the methods on each label source, and each two label sources stage by stage."""
    found = []
    for labels, rows in facts.groupby("labels", sort=False):
        test = mcnemar(rows["right_2d"], rows["right_3d"])
        found.append(StageComparison(f"goal right ({labels})", "2D rules", "3D fit", test))
    for first, second in combinations(dict.fromkeys(facts["labels"]), 2):
        one = facts[facts["labels"] == first].set_index("clip_id")
        two = facts[facts["labels"] == second].set_index("clip_id")
        both = one.index.intersection(two.index)
        if both.empty:
            continue
        for name, column in _PAIRED.items():
            test = mcnemar(column(one.loc[both]), column(two.loc[both]))
            found.append(StageComparison(name, str(first), str(second), test))
    return found


_PAIRED: dict[str, Callable[[pd.DataFrame], Any]] = {
    "kick within 2 frames": lambda rows: rows["kick_frames"].abs() <= CLOSE_KICK_FRAMES,
    "shooter right": lambda rows: rows["shooter"],
    "foot right": lambda rows: rows["foot"],
    "goal right, 2D rules": lambda rows: rows["right_2d"],
    "goal right, 3D fit": lambda rows: rows["right_3d"],
}


def comparison_table(comparisons: Sequence[StageComparison]) -> pd.DataFrame:
    """Return comparisons as a table, one row each."""
    rows = [
        {"stage": c.stage, "from": c.first, "to": c.second, "change": str(c.test)}
        for c in comparisons
    ]
    return pd.DataFrame(rows, columns=["stage", "from", "to", "change"]).set_index("stage")


def _brier_score(facts: pd.DataFrame, clusters: Clusters) -> Interval | None:
    squared = ((facts["p_3d"] - facts["true_goal"]) ** 2).to_numpy(float)

    def mean(weights: Weights) -> Floats:
        return np.asarray(weights @ squared / weights.sum(axis=1))

    return bootstrap(mean, clusters, within=(0.0, 1.0)) if len(squared) else None
