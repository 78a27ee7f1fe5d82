"""How true descriptions of rendered clips are, on sessions that their classifier has not seen.

The classifier is the quickest there is: logistic regression on the motion history, out of folds by
session. A sport is said from the probability on from which 90 % of the calls are right in the other
folds; the moment comes from the shipped finder, whose seeds these are not. Clips are rendered in
memory, without H.264.

    python benchmarks/description_truth.py --sessions 20 --clips 16
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from workbench.actions.baselines import motion_history
from workbench.describe.check import score_table, score_writer
from workbench.describe.facts import ClipFacts, facts_told, found_facts
from workbench.describe.keyframes import local_motion
from workbench.describe.moment import shipped_finder
from workbench.describe.writers import WRITERS, plant_lie, write_by_rules
from workbench.simulated.renderer import Renderer
from workbench.simulated.sessions import ClipJob, _prepare_action

SEED, WH, FOLDS, RIGHT, FEWEST = 6000, (192, 108), 5, 0.90, 10


@dataclass(frozen=True)
class Seen:
    """What is needed of one rendered clip."""

    session: str
    truth: ClipFacts
    history: NDArray[np.float64]
    energy: NDArray[np.float64]
    duration_s: float


def main() -> None:
    """Print the scores of each writer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--clips", type=int, default=16, help="of each session")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    seen = list(render(options.sessions, options.clips))
    truths, sessions = [one.truth for one in seen], [one.session for one in seen]
    found = found_out_of_folds(seen)
    reference = [write_by_rules(truth) for truth in truths]
    ids = [str(number) for number in range(len(seen))]
    said = {name: [write(one, None) for one in found] for name, write in WRITERS.items()}
    said["rules, a lie planted"] = [write_by_rules(plant_lie(one)) for one in truths]
    said["the truth"] = reference
    scores = {
        name: score_writer(texts, truths, reference, sessions, ids) for name, texts in said.items()
    }
    told = sum(one.sport is not None for one in found)
    print(f"{len(seen)} clips of {options.sessions} sessions, {told} of them told")
    print(score_table(scores).to_string())


def render(sessions: int, clips: int) -> Iterator[Seen]:
    """Render every clip, and keep what is looked at."""
    for session in range(sessions):
        for number in range(clips):
            job = ClipJob("action", session, number, SEED, *WH)
            shoot = _prepare_action(job)
            renderer = Renderer(shoot.venue, shoot.camera, shoot.optics, job.rng(2, number))
            frames = np.stack([one.image for one in renderer.film(shoot.scene, shoot.frame_count)])
            yield Seen(
                job.session_id,
                facts_told(shoot.what_happens),
                motion_history(frames),
                local_motion(frames),
                len(frames) / float(shoot.optics.fps),
            )


def found_out_of_folds(seen: list[Seen]) -> list[ClipFacts]:
    """The facts of each clip as found by a classifier of other sessions."""
    names = {name: number for number, name in enumerate(dict.fromkeys(o.session for o in seen))}
    fold = np.array([names[one.session] % FOLDS for one in seen])
    features = np.array([one.history for one in seen])
    sports = np.array([one.truth.sport for one in seen])
    called, sure = np.empty(len(seen), sports.dtype), np.zeros(len(seen))
    for left_out in range(FOLDS):
        learn = fold != left_out
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.02, max_iter=2000))
        model.fit(features[learn], sports[learn])
        shares = model.predict_proba(features[~learn])
        called[~learn] = model.classes_[shares.argmax(1)]
        sure[~learn] = shares.max(1)
    facts = []
    for number, one in enumerate(seen):
        others = fold != fold[number]
        order = np.argsort(-sure[others])
        right = np.cumsum((called == sports)[others][order]) / np.arange(1, others.sum() + 1)
        good = np.flatnonzero((right >= RIGHT) & (np.arange(len(right)) >= FEWEST))
        least = sure[others][order][good[-1]] if len(good) else 1.0
        sport = str(called[number]) if sure[number] >= least else None
        facts.append(found_facts(sport, one.energy, one.duration_s, shipped_finder()))
    print(f"right, whether sure or not: {(called == sports).mean():.3f} of {len(seen)}")
    return facts


if __name__ == "__main__":
    main()
