"""Technique as poses tell it, against the truth of built-in footage.

The unit is one measure of one shot. Foot, contact and the shooter's box are taken from the truth,
so that the difference is that of the poses alone; with true joints what is left comes from pictures
that lie on both sides of the contact.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.detect.store import load_truth
from workbench.footage.clips import Clip
from workbench.footage.pinhole import Floats
from workbench.saving import reading
from workbench.shots.evaluation.truth import load_true_shot
from workbench.shots.players.people import Mask, follow_people
from workbench.shots.players.pose import Find, Image, Pose, PoseFinder, PoseTrack, find_poses
from workbench.shots.players.technique import TRUE_JOINTS, Foot, Side, measure_technique
from workbench.shots.verdict import ShotError
from workbench.simulated.scene import JOINT, JOINTS
from workbench.stats import choose_clusters, median_interval

_REACH = 5  # frames before and after the contact


def true_poses(clip: Clip, footage_dir: Path, track_id: int = 1) -> PoseTrack:
    """Return the performer's poses as they were played, in every frame of a built-in clip.

    Raises:
        ShotError: If the clip's truth has no joints.
    """
    if clip.truth is None:
        raise ShotError(f"{clip.clip_id} has no truth", "give built-in footage")
    poses = {}
    with reading(footage_dir / clip.truth, "the truth of a clip", error=ShotError) as content:
        for one in content["annotations"]:
            if one.get("track_id") != track_id or "joints_m" not in one:
                continue
            space, seen = np.array(one["joints_m"]), np.reshape(one["keypoints"], (-1, 3))
            world = space[:, [0, 2, 1]] * [1, -1, 1]  # y points down
            poses[one["image_id"] - 1] = Pose(
                {name: (float(x), float(y)) for name, (x, y, _) in zip(JOINTS, seen, strict=True)},
                {name: (float(world[i][0]), float(world[i][1]), float(world[i][2]))
                 for name, i in JOINT.items()},
            )  # fmt: skip
    return PoseTrack(TRUE_JOINTS, poses, len(poses))


class TruePoses:
    """A pose finder that knows: it tells a built-in clip's frames by the performer's boxes."""

    name = TRUE_JOINTS
    note = "Joints are those of the rendered footage, not found in it."

    def __init__(self, clip: Clip, footage_dir: Path) -> None:
        self._poses = true_poses(clip, footage_dir).poses

    def session(self) -> AbstractContextManager[Find]:
        """Return the finder."""
        frames = list(self._poses)
        ends = np.array([_ends(self._poses[frame]) for frame in frames])

        def find(_: Image, box: Floats, mask: Mask | None) -> Pose | None:
            off = np.abs(ends - box).sum(axis=1)
            nearest = int(np.argmin(off))
            is_they = off[nearest] <= (box[2:] - box[:2]).sum()
            return self._poses[frames[nearest]] if is_they else None

        return nullcontext(find)


def _ends(pose: Pose) -> Floats:
    places = np.array(list(pose.joints.values()))
    return np.concatenate([places.min(axis=0), places.max(axis=0)])


def technique_errors(
    clips: Iterable[Clip], footage_dir: Path, finder: PoseFinder | None = None
) -> pd.DataFrame:
    """Measure the technique of every shot whose truth is known.

    Args:
        clips: Of built-in footage; others are left out.
        footage_dir: Folder of `clips.json`.
        finder: Who finds the poses; the truth if none is given.

    Returns:
        One row per shot and measure: `clip_id`, `session`, `joints` (who found them), `measure`,
        `unit`, `true`, and `measured`, which is NaN where it could not be.
    """
    rows = []
    for clip in clips:
        truth = load_true_shot(clip, footage_dir)
        if truth is None or not truth.technique:
            continue
        near = round(truth.contact_frame)
        frames = range(max(0, near - _REACH), min(clip.frame_count, near + _REACH + 1))
        if finder is None:
            poses = true_poses(clip, footage_dir, truth.shooter_track_id)
        else:
            people = follow_people(load_truth([clip], footage_dir)[0], float(clip.fps))
            names = {p.track_id: name for name, p in people.in_frame(near).items()}
            player = names.get(truth.shooter_track_id, "")
            poses = find_poses(footage_dir / clip.file, people, player, frames, finder)
        side: Side = "left" if truth.foot == "left" else "right"
        told = Foot(side, 1.0, "Told by the truth.")
        for one in measure_technique(poses, told, truth.contact_frame, float(clip.fps)):
            value = np.nan if one.value is None else one.value
            rows.append((clip.clip_id, clip.session, poses.method, one.name, one.unit,
                         truth.technique[one.name], value))  # fmt: skip
    columns = ["clip_id", "session", "joints", "measure", "unit", "true", "measured"]
    return pd.DataFrame(rows, columns=columns)


def technique_table(errors: pd.DataFrame) -> pd.DataFrame:
    """Return per source of joints and measure: how often measured, bias, median error, 90 % error.

    Medians have 95 % intervals, by session where there are five or more.
    """
    rows = {}
    for (joints, measure), of_one in errors.groupby(["joints", "measure"], sort=False):
        got = of_one.dropna()
        off = (got["measured"] - got["true"]).to_numpy(float)
        clusters = choose_clusters(got["session"].tolist(), got["clip_id"].tolist())
        rows[joints, measure] = {
            "measured": f"{len(got)} of {len(of_one)}",
            "median error": str(median_interval(np.abs(off), clusters)) if len(got) else "",
            "bias": f"{np.median(off):+.1f}" if len(got) else "",
            "nine in ten within": f"{np.quantile(np.abs(off), 0.9):.1f}" if len(got) else "",
            "unit": of_one["unit"].iloc[0],
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.rename_axis(["joints", "measure"]) if rows else table
