"""Which key frames hold the decisive one: `motion` against `uniform`, by number of frames.

Acts are rendered in memory from seeds that nothing was chosen on, without H.264. A hit is a key
frame within one of the frame that shows contact or take-off. Intervals resample sessions;
differences are paired.

    python benchmarks/keyframes.py --sessions 18 --clips 24 --deep 60
    python benchmarks/keyframes.py --sessions 18 --clips 24 --save workbench/describe/moment.json
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.describe.keyframes import METHODS, choose_frames, local_motion
from workbench.describe.moment import fit_moments
from workbench.simulated.renderer import Renderer
from workbench.simulated.sessions import ClipJob, _prepare_action
from workbench.stats import Clusters, bootstrap, choose_clusters

SEED = 5000  # of the first session; nothing else uses these
WH = (192, 108)


@dataclass(frozen=True)
class Act:
    """One rendered act: its frames and its decisive moment."""

    session: str
    name: str
    frames: NDArray[np.uint8]  # (T, H, W) grey
    at_s: float
    fps: float


def main() -> None:
    """Print hit rates for each number of frames, and the error of the moment's guess."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=18)
    parser.add_argument("--clips", type=int, default=24, help="of each session")
    parser.add_argument("--deep", type=int, default=0, help="acts for lda, 8 frames each")
    parser.add_argument("--save", type=Path, help="where the finder of moments goes")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    acts = list(render(options.sessions, options.clips))
    print(f"{len(acts)} acts of {options.sessions} sessions", flush=True)
    for k in (4, 8, 16):
        report(acts, k, METHODS[:2])
        if options.deep and k == 8:
            report(acts[:: max(1, len(acts) // options.deep)], k, METHODS[:4])
    finder, errors = fit_moments(
        [local_motion(act.frames) for act in acts],
        [act.name for act in acts],
        [act.at_s for act in acts],
        [len(act.frames) / act.fps for act in acts],
        [act.session for act in acts],
    )
    clusters = choose_clusters([act.session for act in acts], list(map(str, range(len(acts)))))
    guess = np.array([act.at_s - 0.515 * len(act.frames) / act.fps for act in acts])
    for name, off in (("ridge", errors), ("0.515 of the clip", guess)):
        print(f"moment by {name}: MAE {mean(np.abs(off), clusters)} s")
    print(f"moment: better by {mean(np.abs(guess) - np.abs(errors), clusters)} s, paired")
    print(f"within .15 s: {mean((np.abs(errors) <= 0.15).astype(float), clusters)}")
    if options.save:
        finder.save(options.save)


def render(sessions: int, clips: int) -> Iterator[Act]:
    """Render the acts with a decisive moment."""
    for session in range(sessions):
        for number in range(clips):
            job = ClipJob("action", session, number, SEED, *WH)
            shoot = _prepare_action(job)
            if "phases" not in shoot.what_happens:
                continue
            renderer = Renderer(shoot.venue, shoot.camera, shoot.optics, job.rng(2, number))
            film = renderer.film(shoot.scene, shoot.frame_count)
            grey = np.stack([cv2.cvtColor(one.image, cv2.COLOR_RGB2GRAY) for one in film])
            what = shoot.what_happens
            fps = float(shoot.optics.fps)
            yield Act(job.session_id, what["act"], grey, what["decisive_s"], fps)


def report(acts: list[Act], k: int, methods: tuple[str, ...]) -> None:
    """Print one row per method."""
    names = [act.session for act in acts]
    clusters = choose_clusters(names, list(map(str, range(len(acts)))))
    hits = {}
    for method in methods:
        rows = []
        for act in acts:
            chosen = choose_frames(act.frames, k, method)
            rows.append(np.abs(chosen - round(act.at_s * act.fps - 0.5)).min() <= 1)
        hits[method] = np.array(rows, float)
    for method, own in hits.items():
        gain = mean(own - hits["uniform"], clusters)
        print(f"k={k:2d} n={len(own)} {method:10s} {mean(own, clusters)}  gain {gain}", flush=True)


def mean(values: NDArray[np.float64], clusters: Clusters) -> str:
    """The mean with its interval over sessions."""
    return str(bootstrap(lambda weights: weights @ values / weights.sum(axis=1), clusters))


if __name__ == "__main__":
    main()
