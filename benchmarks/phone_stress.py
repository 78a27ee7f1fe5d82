"""Which augmentation helps on pictures as phones make them? One at a time, on a stressed test set.

Trains the slim network on rendered action sessions: with mirroring, crops and turns alone, with
each further augmentation added, with all of them. Judges every network on the same test clips as
they are and stressed: motion blur, a detour through 0.35 to 0.7 of the size, JPEG of quality 40
to 95, a shaking hand and other light, each with a probability of a half, at the size that the
network sees. Paired with the first row (McNemar, Holm over the rows).

    python benchmarks/phone_stress.py --footage DIR --jobs 2     # a quarter of an hour of CPU time
"""

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from workbench.actions.augment import Augmentation, varied_view
from workbench.actions.clipset import build_clipset, load_clipset
from workbench.actions.predict import Predictions, load_classifier, predict_clips, score_views
from workbench.actions.recipe import TrainConfig
from workbench.actions.testreport import report_on
from workbench.actions.train import run_dir_for, train_classifier
from workbench.footage.clips import BUILT_IN_FOOTAGE
from workbench.saving import save_json
from workbench.simulated.sessions import make_footage
from workbench.stats import holm, show

BASE = Augmentation(gain=(1, 1), offset=0, swap_colours=0)
ADDED = {
    "light and colour": {"gain": (0.7, 1.3), "offset": 25.0, "swap_colours": 0.3},
    "motion blur": {"blur": 0.5},
    "downscale": {"downscale": 0.5},
    "JPEG": {"jpeg": 0.5},
    "shake": {"shake": 0.5},
}
ROWS = {
    "mirror, crop, turn": BASE,
    **{name: replace(BASE, **own) for name, own in ADDED.items()},
    "all": replace(BASE, **{key: value for own in ADDED.values() for key, value in own.items()}),
}
STRESS = replace(
    ROWS["all"], flip=0, zoom=(1, 1), rotate_deg=0, shift=0, span=(1, 1), jitter=0, swap_colours=0
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scratch", type=Path, required=True, help="clip set, runs, results")
    parser.add_argument("--footage", type=Path, help="rendered actions; made where absent")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    footage = options.footage or options.scratch / "footage"
    clips = make_footage(footage, sessions=20, clips=20, shooting_sessions=0, workers=options.jobs)
    folder = options.scratch / "clipset"
    build_clipset(
        clips,
        footage,
        folder,
        origin=BUILT_IN_FOOTAGE,
        fractions=(0.5, 0.1, 0.4),
        jobs=options.jobs,
    )
    work = partial(
        judged, folder=folder, scratch=options.scratch, epochs=options.epochs, seed=options.seed,
        device=options.device,
    )  # fmt: skip
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        pairs = dict(zip(ROWS, pool.map(work, ROWS), strict=True))
    table: dict[str, dict[str, str]] = {name: {} for name in ROWS}
    for place, where in enumerate(("as filmed", "stressed")):
        first, *others = (replace(pairs[name][place], scorer=name) for name in ROWS)
        reports = [report_on(other, [first]) for other in others]
        adjusted = holm([one.comparisons[0].paired.p_value for one in reports])
        table[first.scorer][where] = show(report_on(first, []).accuracy)
        for one, p_value in zip(reports, adjusted, strict=True):
            paired = one.comparisons[0].paired
            table[one.predictions.scorer][where] = show(one.accuracy)
            table[one.predictions.scorer][f"{where}, against the first"] = (
                f"{paired}, Holm {p_value:.2g}"
            )
    save_json(options.scratch / "phone_stress.json", table)
    print(json.dumps(table, indent=1, ensure_ascii=False))


def judged(
    name: str, folder: Path, scratch: Path, epochs: int, seed: int, device: str
) -> tuple[Predictions, Predictions]:
    """Train with one row's augmentation; what the network says of the test clips, both ways."""
    clipset = load_clipset(folder)
    config = TrainConfig(epochs=epochs, seed=seed, augmentation=ROWS[name], device=device)
    run = train_classifier(clipset, run_dir_for(scratch / "runs", clipset, config), config).run_dir
    test = clipset.take("test")
    plain = predict_clips(run, test, device="cpu")
    network = load_classifier(run)
    views = (
        varied_view(
            test.frames(place),
            network.frames,
            network.size_wh,
            STRESS,
            np.random.default_rng(place),
        )
        for place in range(len(test))
    )
    scores = score_views(network.network, views, batch_size=16)
    print(name, "is done", flush=True)
    return plain, replace(plain, probabilities=scores.softmax(dim=1).numpy())


if __name__ == "__main__":
    main()
