"""Shots of built-in footage, rendered once per process, with labels that are their truth."""

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from workbench.detect.store import ClipDetections, load_truth
from workbench.footage.clips import Clip
from workbench.shots.analyse import analyse_shot
from workbench.shots.analysed import ShotAnalysis
from workbench.shots.evaluation.truth import TrueShot, load_true_shot
from workbench.shots.players.pose_finders import GeometricFinder
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
    folder = Path(_folder().name)
    clip = make_clip(ClipJob("shooting", session, number, SEED, 640, 360), folder)
    [labels] = load_truth([clip], folder)
    truth = load_true_shot(clip, folder)
    assert truth is not None
    analysis = analyse_shot(
        clip, folder, labels, goal_wh_m=truth.goal_wh_m, pose_finder=GeometricFinder()
    )
    return FilmedShot(folder, clip, labels, truth, analysis)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="filmed_shots_")  # removed when the process ends
