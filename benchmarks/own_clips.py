"""Which classifier for a few clips of one's own? Whole videos are left out, in folds.

Reads a folder of `clips.json` and a table of classes (as `workbench labels import --classes`
takes), trains the models named on all folds but one, and scores them on that one: every clip is
called once, by networks that have seen nothing of its video. Paired on the same clips.

    python benchmarks/own_clips.py FOOTAGE CLASSES.csv --folds 5 --models lite0 slim
"""

import argparse
import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from workbench.actions.baselines import majority_baseline
from workbench.actions.clipset import build_clipset
from workbench.actions.models import stored_for
from workbench.actions.predict import Predictions, predict_clips
from workbench.actions.recipe import TrainConfig
from workbench.actions.testreport import report_on
from workbench.actions.train import train_classifier
from workbench.footage.clips import OWN_FOOTAGE, Clip, load_clips
from workbench.labels.classfiles import import_classes
from workbench.labels.settled import settle
from workbench.labels.store import LabelStore


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("footage", type=Path)
    parser.add_argument("classes", type=Path)
    parser.add_argument("--models", nargs="+", default=["lite0", "slim"])
    parser.add_argument("--folds", type=int, default=0, help="0: leave one video out")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        clips = labelled(options.footage, options.classes, work)
        folds = list(make_folds(clips, options.folds, options.seed))
        made: dict[str, list[Predictions]] = defaultdict(list)
        spent: dict[str, float] = defaultdict(float)
        for number, splits in enumerate(folds):
            rows = [replace(clip, split=splits[clip.session]) for clip in clips]
            for name in options.models:
                folder, stored = work / name / f"fold{number}", stored_for(name)
                clipset = build_clipset(rows, options.footage, folder, origin=OWN_FOOTAGE, **stored)
                began = time.process_time()
                rate = 3e-4 if name == "lite0" else TrainConfig.learning_rate
                config = TrainConfig(
                    model=name, epochs=options.epochs, learning_rate=rate, seed=options.seed
                )
                run = train_classifier(clipset, folder / "run", config).run_dir
                made[name].append(predict_clips(run, clipset.take("test")))
                spent[name] += time.process_time() - began
            made["majority"].append(majority_baseline(clipset))
            right = {name: int(parts[-1].is_right().sum()) for name, parts in made.items()}
            print(
                f"fold {number + 1} of {len(folds)}, {len(made[name][-1])} clips: {right}",
                flush=True,
            )
    every = {name: joined(parts) for name, parts in made.items()}
    first = options.models[0]
    report = report_on(every[first], [one for name, one in every.items() if name != first])
    videos = len({clip.session for clip in clips})
    print(f"\n{len(clips)} clips of {videos} videos in {len(folds)} folds; no clip's video trains")
    print(report.comparison_frame().to_string())
    print(report.to_frame().to_string())
    for name, seconds in spent.items():
        print(f"{name}: {seconds / len(folds):.1f} CPU s per fold")


def labelled(footage: Path, classes: Path, work: Path) -> list[Clip]:
    with LabelStore(work / "labels.sqlite") as store:
        import_classes(store, classes, "table", footage)
        settled = settle(store)
    known = {item: names[0] for item, names in settled.item_to_classes.items()}
    clips = load_clips(footage)
    return [replace(clip, sport=known[clip.clip_id]) for clip in clips if clip.clip_id in known]


def make_folds(clips: list[Clip], count: int, seed: int) -> list[dict[str, str]]:
    """The split of each session in each fold: tested once each, a fifth of the rest validates."""
    rng = np.random.default_rng(seed)
    by_class: dict[str, list[str]] = defaultdict(list)
    for session in sorted({clip.session for clip in clips}):
        own = next(clip.sport for clip in clips if clip.session == session)
        by_class[str(own)].append(session)
    # Class after class, so that each fold gets its share of every class.
    order = [one for name in sorted(by_class) for one in rng.permutation(by_class[name]).tolist()]
    folds = []
    for fold in range(count or len(order)):
        tested = set(order[fold :: count or len(order)])
        rest = [session for session in order if session not in tested]
        validates = set(rest[fold % 5 :: 5])
        folds.append(
            {
                session: "test"
                if session in tested
                else "valid"
                if session in validates
                else "train"
                for session in order
            }
        )
    return folds


def joined(parts: list[Predictions]) -> Predictions:
    return replace(
        parts[0],
        clip_ids=tuple(one for part in parts for one in part.clip_ids),
        sessions=tuple(one for part in parts for one in part.sessions),
        labels=tuple(one for part in parts for one in part.labels),
        probabilities=np.concatenate([part.probabilities for part in parts]),
    )


if __name__ == "__main__":
    main()
