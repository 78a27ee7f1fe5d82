"""Which augmentation helps on pictures as phones make them? One at a time, on a stressed test set.

Trains a network on rendered action sessions: on the clips as they are and mirrored, with each
augmentation added, with all of them. Judges every network on the same test clips as they are and
stressed: motion blur, a detour through 0.35 to 0.7 of the size, JPEG of quality 40 to 95, a shaking
hand and other light, each with a probability of a half, at the size that the network sees. Paired
by clip and seed (`workbench.runs.ablation`), sessions and seeds resampled. A network on a frozen
body sees each clip as it is, mirrored, and in two varied views that are drawn once.

    python benchmarks/phone_stress.py --scratch DIR --model lite0  # some 12 minutes of CPU time
    python benchmarks/phone_stress.py --scratch DIR --jobs 2       # slim: an hour of CPU time
    python benchmarks/phone_stress.py --scratch DIR --jobs 12 --device cuda   # a minute or two
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from workbench.actions.augment import Augmentation, plain_view, varied_view
from workbench.actions.clipset import build_clipset, load_clipset
from workbench.actions.frozen import clip_features, varied_features
from workbench.actions.models import stored_for
from workbench.actions.predict import load_classifier, score_views
from workbench.actions.probes import FrozenClipNet
from workbench.actions.recipe import TrainConfig
from workbench.actions.train import run_dir_for, train_classifier
from workbench.footage.clips import BUILT_IN_FOOTAGE
from workbench.runs.ablation import measure_effects
from workbench.saving import save_json
from workbench.simulated.sessions import make_footage
from workbench.stats import choose_clusters

BASE = Augmentation(
    zoom=(1, 1), rotate_deg=0, shift=0, span=(1, 1), jitter=0, gain=(1, 1), offset=0, swap_colours=0
)
ADDED: dict[str, dict[str, Any]] = {
    "zoom, turn, shift, time": {
        name: getattr(Augmentation(), name)
        for name in ("zoom", "rotate_deg", "shift", "span", "jitter")
    },
    "light and colour": {"gain": (0.7, 1.3), "offset": 25.0, "swap_colours": 0.3},
    "motion blur": {"blur": 0.5},
    "downscale": {"downscale": 0.5},
    "JPEG": {"jpeg": 0.5},
    "shake": {"shake": 0.5},
}
ROWS = {
    "as it is": BASE,
    "usual": Augmentation(),  # what a classifier trains with where nothing is said
    **{name: replace(BASE, **own) for name, own in ADDED.items()},
    "all": replace(BASE, **{key: value for own in ADDED.values() for key, value in own.items()}),
}
USUAL = frozenset(("zoom, turn, shift, time", "light and colour"))
FLAGS = {
    name: {"usual": USUAL, "all": frozenset(ADDED)}.get(name, frozenset({name} & ADDED.keys()))
    for name in ROWS
}
STRESS = replace(
    BASE, flip=0, gain=(0.7, 1.3), offset=25.0, blur=0.5, downscale=0.5, jpeg=0.5, shake=0.5
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scratch", type=Path, required=True, help="clip set, runs, results")
    parser.add_argument("--footage", type=Path, help="rendered actions; made where absent")
    parser.add_argument("--model", default="slim", choices=("slim", "lite0"))
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="the result, as JSON; default: in the scratch")
    options = parser.parse_args()
    footage = options.footage or options.scratch / "footage"
    clips = make_footage(
        footage, sessions=20, clips=20, shooting_sessions=0, engine=f"processes:{options.jobs}"
    )
    folder = options.scratch / "clipset"
    build_clipset(
        clips,
        footage,
        folder,
        origin=BUILT_IN_FOOTAGE,
        fractions=(0.5, 0.1, 0.4),
        jobs=options.jobs,
        **stored_for(options.model),
    )
    work = partial(
        judged, model=options.model, folder=folder, scratch=options.scratch, epochs=options.epochs,
        device=options.device,
    )  # fmt: skip
    cells = [(name, seed) for name in ROWS for seed in range(options.seeds)]
    with ProcessPoolExecutor(min(options.jobs, len(cells)), get_context("spawn")) as pool:
        right = dict(zip(cells, pool.map(work, cells), strict=True))
    test = load_clipset(folder).take("test")
    clusters = choose_clusters(test.sessions, test.clip_ids)
    said = {}
    for place, where in enumerate(("as filmed", "stressed")):
        outcomes = {
            FLAGS[name]: np.array([right[name, seed][place] for seed in range(options.seeds)])
            for name in ROWS
        }
        found = measure_effects(outcomes, list(ADDED), clusters)
        shares = {name: round(float(outcomes[on].mean()), 4) for name, on in FLAGS.items()}
        rows = found.to_frame()
        for name in ("usual", "all"):
            pair = {frozenset(): outcomes[frozenset()], frozenset({name}): outcomes[FLAGS[name]]}
            one = measure_effects(pair, [name], clusters)
            rows = pd.concat([rows, one.to_frame()])
        print(f"\n{where}: {shares}\n{rows.to_string()}")
        said[where] = {"right": shares, "effects": rows.reset_index().to_dict("records")}
    save_json(options.out or options.scratch / "phone_stress.json", said)


def judged(
    cell: tuple[str, int], model: str, folder: Path, scratch: Path, epochs: int, device: str
) -> tuple[np.ndarray, np.ndarray]:
    """Train with one row's augmentation; which test clips are right, as filmed and stressed."""
    name, seed = cell
    clipset = load_clipset(folder)
    own: dict[str, Any] = {"augmentation": ROWS[name], "device": device}
    if model == "lite0":
        own |= {"learning_rate": 3e-4, "variants": 0 if ROWS[name] is BASE else 2}
    config = TrainConfig(model=model, epochs=epochs, seed=seed, **own)
    run = train_classifier(clipset, run_dir_for(scratch / "runs", clipset, config), config).run_dir
    test, loaded = clipset.take("test"), load_classifier(run)
    network, shape = loaded.network, (loaded.frames, loaded.size_wh)
    if isinstance(network, FrozenClipNet):
        seen = [
            clip_features(network, test, *shape)[:, 0],
            varied_features(network, test, *shape, STRESS, 0),
        ]
        with torch.inference_mode():
            scores = [network.eval()(torch.from_numpy(features)) for features in seen]
    else:
        rngs = (np.random.default_rng(place) for place in range(len(test)))
        stressed = (
            varied_view(test.frames(place), *shape, STRESS, rng) for place, rng in enumerate(rngs)
        )
        plain = (plain_view(test.frames(place), *shape) for place in range(len(test)))
        scores = [score_views(network, views, batch_size=16) for views in (plain, stressed)]
    right = [(one.argmax(dim=1).numpy() == test.targets()).astype(float) for one in scores]
    print(*cell, *(f"{one.mean():.3f}" for one in right), flush=True)
    return right[0], right[1]


if __name__ == "__main__":
    main()
