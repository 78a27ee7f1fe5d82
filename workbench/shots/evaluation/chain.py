"""Scores of every stage of the chain, from labels to verdict, against the truth.

The unit is one row of facts per shot and label source: what each stage found beside what was true.
Every table derives from these rows; two label sources, or the two methods, are compared on the same
shots only. A foot or a shooter that was not told counts as wrong; a verdict that abstains is
neither right nor wrong: it counts as an abstention, beside the base rate. Where the chain loses,
`judge_with_truth` says: the same shots judged again with one thing that was found replaced by the
truth. If true corners make the verdicts better, the loss is there; if nothing does, it is in the
fit. Truth comes from built-in footage.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pycocotools import mask as rle
from scipy.optimize import linear_sum_assignment

from workbench.detect.dataset.coco import load_dataset
from workbench.errors import DatasetError
from workbench.labels.shotclicks import ShotClick
from workbench.shots.analyse import judge_analysed
from workbench.shots.analysed import ShotAnalysis
from workbench.shots.ball.track import ball_track
from workbench.shots.evaluation.people import PeopleScore
from workbench.shots.evaluation.truth import TrueShot, load_true_shot
from workbench.shots.goal.corners import GoalView
from workbench.shots.players.possession import Shooter
from workbench.shots.verdict import METHODS, ShotVerdict
from workbench.shots.words import why_words
from workbench.stats import (
    Clusters,
    Floats,
    Interval,
    Weights,
    bootstrap,
    choose_clusters,
    mcnemar,
    median_interval,
    pooled_share,
    show,
    wilson,
)

CLOSE_KICK_FRAMES = 2.0
BASE_RATE = "base rate: the commoner answer for every shot"
HEADLINES = (  # the scores that lead the report
    "goal right, 3D fit",
    "goal right, 3D fit where it does not abstain",
    BASE_RATE,
    "speed off, km/h (median), 3D fit",
    "shooter right",
    "foot right",
)
AS_FOUND = "as found"
REPLACED = (AS_FOUND, "true kick", "true corners", "true ball", "all three true")
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
    true_goal; and per method m: p_m, right_m (decided and right), abstained_m, speed_m (signed
    error in km/h), holds_m (whether the 90 % interval holds the true speed, NaN without).
    """
    splits = session_to_split or {}
    rows = []
    for shot in shots:
        truth = load_true_shot(shot.clip, footage_dir)
        if truth is None:
            continue
        facts = {
            "clip_id": shot.clip.clip_id,
            "session": shot.clip.session,
            "split": splits.get(shot.clip.session, "all"),
            "labels": shot.labels,
            "true_goal": truth.is_goal,
            "corners_px": _corner_error(shot.goal.corners_px, truth.corners_px),
        }
        facts |= _ball_facts(shot, truth) | _player_facts(shot, truth)
        for method, verdict in shot.verdicts.items():
            own = _verdict_facts(verdict, truth)
            facts |= {f"{name}_{method}": value for name, value in own.items()}
        rows.append(facts)
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
    side = shot.foot.side if shot.foot else None
    kick = shot.shooter.contact_frame if shot.shooter else np.nan
    return {
        "kick_frames": kick - truth.contact_frame,
        "shooter": _is_true_shooter(shot, truth),
        "foot": side == truth.foot,
        "foot_told": side is not None,
        "pose_found": len(shot.pose.poses) if shot.pose is not None else 0,
        "pose_asked": shot.pose.asked if shot.pose is not None else 0,
    }


def _is_true_shooter(shot: ShotAnalysis, truth: TrueShot) -> bool:
    """Whether who is called the shooter is, at the true contact, where the shooter really is."""
    frame = min(round(truth.contact_frame), len(truth.labels.frames) - 1)
    called = shot.people.in_frame(frame).get(shot.shooter.player) if shot.shooter else None
    really = [
        person.xywh
        for person in truth.labels.of_class(frame, "person")
        if person.track_id == truth.shooter_track_id
    ]
    if called is None or not really:
        return False
    [[overlap]] = rle.iou(np.array([called.xywh]), np.array(really[:1]), [False])
    return bool(overlap >= _SAME_PERSON_IOU)


def _corner_error(found: Floats | None, true: Floats) -> float:
    """Mean distance in pixels of four corners from the true ones, whatever their order."""
    if found is None:
        return float("nan")
    apart = np.linalg.norm(np.asarray(found)[:, None] - true[None], axis=2)
    return float(apart[linear_sum_assignment(apart)].mean())


def _verdict_facts(verdict: ShotVerdict, truth: TrueShot) -> dict[str, Any]:
    speed, interval = verdict.speed_kmh, verdict.speed_interval_kmh
    return {
        "p": verdict.goal_probability,
        "right": not verdict.abstained and verdict.is_goal == truth.is_goal,
        "abstained": verdict.abstained,
        "speed": np.nan if speed is None else speed - truth.speed_kmh,
        "holds": np.nan
        if interval is None
        else float(interval[0] <= truth.speed_kmh <= interval[1]),
    }


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
    is_commoner = facts["true_goal"] == (facts["true_goal"].mean() > 0.5)
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
        BASE_RATE: share(is_commoner),
        "Brier score, 3D fit": _brier_score(facts, clusters),
        "speed off, km/h (median), 2D rules": median(facts["speed_2d"].abs()),
        "speed off, km/h (median), 3D fit": median(facts["speed_3d"].abs()),
        "true speed in the 90 % interval": share(facts["holds_3d"] > 0, facts["holds_3d"].notna()),
    }
    return {name: score for name, score in scores.items() if score is not None}


def answer(
    shots: Sequence[ShotAnalysis],
    facts: pd.DataFrame,
    people: PeopleScore | None = None,
    *,
    not_looked_at: int = 0,
) -> str:
    """Say whether verdicts can be trusted, in a sentence that begins with the verdict.

    They can where the decided ones are surely more often right than the commoner answer.

    Args:
        shots: All analyses.
        facts: Those of them that have a truth.
        people: How often each method says what people say.
        not_looked_at: Clips and parts of the footage without an analysis.
    """
    rest_of_it = f"; {not_looked_at} clips or parts are not analysed" if not_looked_at else ""
    if not shots:
        return f"Nothing to see: no clip of soccer was analysed{rest_of_it}."
    abstained = sum(shot.verdict.abstained for shot in shots)
    decided = len(shots) - abstained
    if len(facts):
        scores = stage_scores(facts)
        right = scores.get("goal right, 3D fit where it does not abstain", wilson(0, 0))
        whose, base = "the truth", scores[BASE_RATE]
        rest = [f"{name} {show(scores[name])}" for name in HEADLINES[3:] if name in scores]
    elif people is not None and people.judged:
        right, whose, base, rest = people.right["3d"], "what people say", people.base_rate, []
    else:
        goals = sum(shot.verdict.is_goal and not shot.verdict.abstained for shot in shots)
        reasons = Counter(why_words(shot.verdict) for shot in shots if shot.verdict.abstained)
        commonest = "".join(f", most often because {why}" for why, _ in reasons.most_common(1))
        unjudged = "; no truth is known and nobody has judged them" if decided else ""
        return (
            f"Can't tell: of {len(shots)} clips {goals} are called goals, {decided - goals} none, "
            f"and {abstained} verdicts abstain{commonest}{unjudged}{rest_of_it}."
        )
    of_all = f"{abstained} of {len(shots)} abstain; the commoner answer is right in {show(base)}"
    if not right.n:
        return f"Can't tell: no verdict was decided; {of_all}{rest_of_it}."
    word = "Yes" if right.low > base.value else "No" if right.high < base.value else "Can't tell"
    share = f"{show(right, percent=True)} of {right.n} decided verdicts"
    text = f"{word}: {share} on goal or no goal agree with {whose}"
    return "; ".join([text, of_all, *rest]) + f"{rest_of_it}."


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


def compare_stages(facts: pd.DataFrame) -> pd.DataFrame:
    """Compare the methods on each label source, and each two label sources stage by stage.

    Returns:
        One row per comparison of the same shots: stage, from, to, and change (`PairedTest`).
    """
    found = []
    for labels, rows in facts.groupby("labels", sort=False):
        test = mcnemar(rows["right_2d"], rows["right_3d"])
        found.append((f"goal right ({labels})", "2D rules", "3D fit", test))
    for first, second in combinations(dict.fromkeys(facts["labels"]), 2):
        one = facts[facts["labels"] == first].set_index("clip_id")
        two = facts[facts["labels"] == second].set_index("clip_id")
        both = one.index.intersection(two.index)
        if both.empty:
            continue
        for name, column in _PAIRED.items():
            test = mcnemar(column(one.loc[both]), column(two.loc[both]))
            found.append((name, str(first), str(second), test))
    return pd.DataFrame(found, columns=["stage", "from", "to", "change"]).set_index("stage")


_PAIRED: dict[str, Callable[[pd.DataFrame], Any]] = {
    "kick within 2 frames": lambda rows: rows["kick_frames"].abs() <= CLOSE_KICK_FRAMES,
    "shooter right": lambda rows: rows["shooter"],
    "foot right": lambda rows: rows["foot"],
    "goal right, 2D rules": lambda rows: rows["right_2d"],
    "goal right, 3D fit": lambda rows: rows["right_3d"],
}


def _brier_score(facts: pd.DataFrame, clusters: Clusters) -> Interval | None:
    squared = ((facts["p_3d"] - facts["true_goal"]) ** 2).to_numpy(float)

    def mean(weights: Weights) -> Floats:
        return np.asarray(weights @ squared / weights.sum(axis=1))

    return bootstrap(mean, clusters, within=(0.0, 1.0)) if len(squared) else None


def judge_with_truth(shots: Sequence[ShotAnalysis], footage_dir: Path) -> pd.DataFrame:
    """Judge every shot with nothing, one thing, and everything replaced by the truth.

    Returns:
        One row per shot and replacement: `given`, and the columns of `collect_facts`.
    """
    truths = [load_true_shot(shot.clip, footage_dir) for shot in shots]
    known = [(shot, truth) for shot, truth in zip(shots, truths, strict=True) if truth is not None]
    tables = []
    for given in REPLACED:
        judged = [_with_truth(shot, truth, given) for shot, truth in known]
        tables.append(collect_facts(judged, footage_dir).assign(given=given))
    return pd.concat(tables)


def loss_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of the 3D fit's verdicts for each replacement, and against as found."""
    base = rows[rows["given"] == AS_FOUND]
    lines = {}
    for given, own in rows.groupby("given", sort=False):
        scores = stage_scores(own)
        lines[given] = {name: str(scores[name]) for name in _LOSSES if name in scores}
        lines[given]["against as found"] = str(mcnemar(base["right_3d"], own["right_3d"]))
    return pd.DataFrame.from_dict(lines, orient="index").fillna("").rename_axis("given")


_LOSSES = (
    "goal right, 3D fit", "Brier score, 3D fit", "speed off, km/h (median), 3D fit",
    "3D fit abstains",
)  # fmt: skip


def _with_truth(shot: ShotAnalysis, truth: TrueShot, given: str) -> ShotAnalysis:
    if given == AS_FOUND:
        return shot
    everything = given == REPLACED[-1]
    if everything or given == "true corners":
        shot = replace(shot, goal=GoalView(truth.corners_px, "truth", "They are the true ones."))
    if everything or given == "true ball":
        shot = replace(shot, track=ball_track(truth.labels))
    if everything or given == "true kick":
        told = ShotClick(kick_frame=round(truth.contact_frame))
        shot = replace(shot, shooter=Shooter("", truth.contact_frame, ""), by_hand=told)
    return replace(shot, verdicts={method: judge_analysed(shot, method) for method in METHODS})
