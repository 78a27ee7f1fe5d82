"""Shots of built-in footage, rendered once per test run, with labels that are their truth."""

import pickle
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from made_once import made_once

from workbench.detect.store import ClipDetections, load_truth
from workbench.footage.clips import Clip
from workbench.shots.analyse import analyse_shot
from workbench.shots.analysed import ShotAnalysis
from workbench.shots.evaluation.truth import TrueShot, load_true_shot
from workbench.shots.players.pose import GeometricFinder
from workbench.simulated.sessions import ClipJob, make_clip

SEED = 0


@dataclass(frozen=True, eq=False)
class FilmedShot:
    """A clip on disk, what really happens in it, and what the chain makes of perfect labels."""

    folder: Path
    clip: Clip
    labels: ClipDetections
    truth: TrueShot
    analysis: ShotAnalysis

    @property
    def video(self) -> Path:
        return self.folder / self.clip.file


@cache
def film_shot(session: int = 2, number: int = 3) -> FilmedShot:
    """Render a shot, by default a goal that the camera sees well, and analyse it."""

    def film(folder: Path) -> None:
        clip = make_clip(ClipJob("shooting", session, number, SEED, 640, 360), folder)
        [labels] = load_truth([clip], folder)
        truth = load_true_shot(clip, folder)
        assert truth is not None
        analysis = analyse_shot(
            clip, folder, labels, goal_wh_m=truth.goal_wh_m, pose_finder=GeometricFinder()
        )
        shot = FilmedShot(folder, clip, labels, truth, analysis)
        (folder / "shot.pickle").write_bytes(pickle.dumps(shot))

    folder = made_once(f"shot_{session}_{number}", film)
    shot: FilmedShot = pickle.loads((folder / "shot.pickle").read_bytes())
    return shot
