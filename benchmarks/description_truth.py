"""How true descriptions of rendered clips are, and which encoder tells most of them.

Every step is the package's own, on the demo's footage: the slim classifier trained on half of the
sessions (--fractions), poses by MediaPipe, the rules; two sessions in five are judged alone. Facts
are said from the likelihood on from which .85 of what is said of validation clips are true.
Intervals resample sessions. Finders, writers and encoders learn on the other sessions; those of the
package have learned on sessions of seed 0, so take another. What is done is kept in SCRATCH.

    python benchmarks/description_truth.py fit --scratch DIR --pose pose_landmarker_lite.task
    python benchmarks/description_truth.py rules --scratch DIR --pose pose_landmarker_lite.task
    python benchmarks/description_truth.py encoders --scratch DIR
    python benchmarks/description_truth.py writers --scratch DIR [--llm FOLDER]
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.actions.clipset import build_clipset, load_clipset
from workbench.actions.predict import Predictions, load_predictions, predict_clips
from workbench.actions.recipe import TrainConfig
from workbench.actions.train import train_classifier
from workbench.describe.check import check_text, score_table, score_writer
from workbench.describe.clips import describe_clips, side_features, small_frames
from workbench.describe.encoders import make_encoder, probe
from workbench.describe.facts import ClipFacts, true_facts
from workbench.describe.jepa import JepaRecipe, small_clip, train_jepa
from workbench.describe.learned import LearnedWriter, WriterRecipe, clip_vector, train_writer
from workbench.describe.posture import fit_sides
from workbench.describe.sure import Sureness, choose_sureness
from workbench.describe.writers import WRITERS, plant_lie, write_by_rules
from workbench.footage.clips import BUILT_IN_FOOTAGE, Clip
from workbench.saving import from_json, save_json, to_json
from workbench.shots.players.pose import pose_finder
from workbench.simulated.sessions import make_footage
from workbench.stats import bootstrap, choose_clusters, wilson

SHARE = 0.85  # of what is said of validation clips is to be true
SHARES = (0.0, 0.8, SHARE, 0.9, 0.95)  # tried side by side
Found = tuple[Clip, ClipFacts, float, ClipFacts]  # with the sport's probability, and the truth
SPLITS = {"learn": ("train", "valid"), "test": ("test",)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["fit", "rules", "encoders", "writers"])
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--clips", type=int, default=20, help="of each session")
    parser.add_argument("--seed", type=int, default=0, help="of the footage")
    parser.add_argument("--fractions", type=float, nargs=3, default=(0.5, 0.1, 0.4),
                        help="of the sessions: learn, validate, test")  # fmt: skip
    parser.add_argument("--epochs", type=int, default=30, help="of the classifier")
    parser.add_argument("--views", type=int, default=1, help="of a clip that it is asked about")
    parser.add_argument("--pose", type=Path, help="MediaPipe's .task file")
    parser.add_argument("--save", type=Path, help="where the finder of sides goes")
    parser.add_argument("--llm", default="", help="name or folder of a language model")
    parser.add_argument("--rounds", type=int, default=40, help="epochs of what learns here")
    parser.add_argument("--llm-rounds", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    began = time.process_time()
    {"fit": fit, "rules": rules, "encoders": encoders, "writers": writers}[options.what](options)
    print(f"{time.process_time() - began:.0f} CPU s")


def film(options: argparse.Namespace, part: str) -> tuple[list[Clip], Path]:
    """The clips of a part, rendered unless they are there."""
    folder, clipset_dir = options.scratch / "footage", options.scratch / "clipset"
    more = {"sessions": options.sessions, "clips": options.clips, "shooting_sessions": 0}
    clips = make_footage(folder, seed=options.seed, **more)
    if not (clipset_dir / "items.csv").exists():
        build_clipset(
            clips, folder, clipset_dir, origin=BUILT_IN_FOOTAGE, fractions=options.fractions
        )
    clipset = load_clipset(clipset_dir)
    ids = {name for split in SPLITS[part] for name in clipset.take(split).clip_ids}
    return [clip for clip in clips if clip.clip_id in ids], folder


def classify(options: argparse.Namespace) -> tuple[Path, Predictions, Predictions]:
    """Train the classifier; it and what it says of validation and test clips are kept."""
    run_dir = options.scratch / "classifier"
    film(options, "test")
    clipset = load_clipset(options.scratch / "clipset")
    config = TrainConfig(frames=12, epochs=options.epochs, device=options.device)
    train_classifier(clipset, run_dir, config)
    told = []
    for split in ("valid", "test"):
        path = options.scratch / f"{split}.json"
        if not path.exists():
            predict_clips(run_dir, clipset.take(split), views=options.views).save(path)
        told.append(load_predictions(path))
    return run_dir, *told


def fit(options: argparse.Namespace) -> None:
    """Learn the finder of sides on the learning sessions."""
    clips, folder = film(options, "learn")
    rows = []
    with pose_finder("mediapipe", options.pose).session() as find:
        for clip in clips:
            truth = true_facts(clip, folder)
            if truth.side and truth.act and truth.moment_s is not None:
                seen = side_features(clip, folder, truth.moment_s, find)
                if seen is not None:
                    rows.append((seen, truth.act, truth.side, clip.session))
    features, acts, sides, sessions = (list(one) for one in zip(*rows, strict=True))
    finder, scores = fit_sides(features, acts, sides, sessions)
    for act in dict.fromkeys(acts):
        own = scores[[one == act for one in acts]]
        told = own[np.abs(own) >= finder.least[act]]
        print(f"{act}: {wilson(int((own > 0).sum()), len(own))} right; where told", end=" ")
        print(wilson(int((told > 0).sum()), len(told)) if len(told) else "never")
    if options.save:
        finder.save(options.save)


def find_all(options: argparse.Namespace, split: str, predictions: Predictions) -> list[Found]:
    """Everything found in the clips of a split, however unsure; kept."""
    path = options.scratch / f"found_{split}.json"
    clips, folder = film(options, "learn" if split == "valid" else "test")
    clips = [clip for clip in clips if clip.clip_id in predictions.clip_ids]
    if not path.exists():
        poses = options.pose and split == "test"  # as the notebook does
        pose = pose_finder("mediapipe", options.pose) if poses else None
        told = describe_clips(clips, folder, predictions, sure=Sureness(0.0), pose=pose)
        save_json(path, {one.clip_id: to_json(one.facts) for one in told})
    facts = {name: from_json(ClipFacts, one) for name, one in json.loads(path.read_text()).items()}
    most = dict(zip(predictions.clip_ids, predictions.probabilities.max(axis=1), strict=True))
    return [(clip, facts[clip.clip_id], float(most[clip.clip_id]), true_facts(clip, folder))
            for clip in clips]  # fmt: skip


def said_when_sure(valid: Sequence[Found], test: Sequence[Found], share: float) -> list[ClipFacts]:
    """What of the found facts is said, if this share of what is said is to be true."""
    _, facts, probabilities, truths = zip(*valid, strict=True)
    sure = choose_sureness(facts, probabilities, truths, share) or Sureness(1.0)
    print(f"{share:.2f} true of validation: {sure}")
    return [sure.keep(one, probability) for _, one, probability, _ in test]


def describe(options: argparse.Namespace) -> tuple[list[Found], list[Found]]:
    """Everything found in the validation and the test clips."""
    _, valid, predictions = classify(options)
    print(f"classifier: {accuracy(valid)} on validation, {accuracy(predictions)}")
    return find_all(options, "valid", valid), find_all(options, "test", predictions)


def accuracy(predictions: Predictions) -> str:
    right = np.asarray(predictions.is_right(), float)
    return mean(right, predictions.sessions)


def rules(options: argparse.Namespace) -> None:
    """Score the rules, and what of the truth they leave unsaid or say wrongly, by kind."""
    valid, test = describe(options)
    clips, _, _, truths = zip(*test, strict=True)
    said = {share: said_when_sure(valid, test, share) for share in SHARES}
    texts = {name: [write(one, None) for one in said[SHARE]] for name, write in WRITERS.items()}
    texts |= {f"rules, {share:.2f}": [write_by_rules(one) for one in said[share]] for share in said}
    texts["rules, a lie planted"] = [write_by_rules(plant_lie(one)) for one in truths]
    texts["the truth"] = [write_by_rules(one) for one in truths]
    score(texts, truths, clips)
    print(by_kind(texts["rules"], truths))


def by_kind(texts: Sequence[str], truths: Sequence[ClipFacts]) -> str:
    """Of each kind: known, said, said truly; and coverage of the kinds that earlier runs had."""
    known, said, true = Counter[str](), Counter[str](), Counter[str]()
    earlier = []
    for text, truth in zip(texts, truths, strict=True):
        check = check_text(text, truth)
        right = {one.kind for one, ok in zip(check.stated, check.true, strict=True) if ok}
        known.update(truth.known())
        said.update({one.kind for one in check.stated})
        true.update(right)
        old = truth.known() - {"phases", "start"}
        earlier.append(len(right & old) / len(old))
    rows = [f"{kind:8s} known {known[kind]:4d} said {said[kind]:4d} true {true[kind]:4d}"
            for kind in known]  # fmt: skip
    rows.append(f"coverage without phases and start: {np.mean(earlier):.3f}")
    return "\n".join(rows)


def score(texts: dict[str, list[str]], truths: Sequence[ClipFacts], clips: Sequence[Clip]) -> None:
    sessions, ids = [clip.session for clip in clips], [clip.clip_id for clip in clips]
    scores = {
        name: score_writer(said, truths, texts["the truth"], sessions, ids)
        for name, said in texts.items()
    }
    print(f"{len(clips)} clips of {len(set(sessions))} sessions")
    print(score_table(scores).to_string(), flush=True)


def encoded(
    options: argparse.Namespace, part: str, name: str, encode: Callable[[Any], Any]
) -> NDArray[np.float64]:
    """What a function makes of the small frames of each clip, kept."""
    path = options.scratch / "encoded" / f"{part}-{name}.npy"
    if not path.exists():
        clips, folder = film(options, part)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.stack([encode(small_frames(clip, folder)) for clip in clips]))
    return np.load(path)


def encoders(options: argparse.Namespace) -> None:
    """Train V-DWT-JEPA on the learning sessions, and probe every encoder on the test sessions."""
    run_dir, _, _ = classify(options)
    clips = {part: film(options, part)[0] for part in SPLITS}
    small = {part: encoded(options, part, "small", small_clip) for part in SPLITS}
    sessions = [clip.session for clip in clips["learn"]]
    held = np.isin(sessions, list(dict.fromkeys(sessions))[-2:])
    recipe = JepaRecipe(epochs=options.rounds, device=options.device)
    started = time.process_time()
    result = train_jepa(
        small["learn"][~held], small["learn"][held], options.scratch / "jepa", recipe
    )
    rows = [f"{one.epoch}: error {one.scores['valid_loss']:.3f} spread {one.scores['spread']:.3f}"
            for one in result.history[:: max(1, len(result.history) // 6)]]  # fmt: skip
    print("\n".join(rows), f"\nbest {result.best.epoch}; {time.process_time() - started:.0f} CPU s")
    weights = {"clip": run_dir, "jepa": options.scratch / "jepa"}
    sports = {part: [str(clip.sport) for clip in own] for part, own in clips.items()}
    right = {}
    for name in ("clip", "jepa", "jepa-untrained", "differences"):
        encode = make_encoder(name, weights.get(name, ""))
        learn, judge = (encoded(options, part, name, encode) for part in SPLITS)
        called = probe(learn, sports["learn"], judge, sessions)
        right[name] = np.array([a == b for a, b in zip(called, sports["test"], strict=True)], float)
    judged = [clip.session for clip in clips["test"]]
    for name, own in right.items():
        gain = mean(own - right["differences"], judged)
        print(f"{name:16s} {mean(own, judged)}; over differences {gain}")
    print(f"jepa over untrained {mean(right['jepa'] - right['jepa-untrained'], judged)}")


def writers(options: argparse.Namespace) -> None:
    """Train the learned writers on the learning sessions, and score all on the test clips."""
    run_dir, _, _ = classify(options)
    encode = make_encoder("clip", run_dir)
    vectors = {
        part: encoded(options, part, "vector", lambda frames: clip_vector(frames, encode))
        for part in SPLITS
    }
    learn, folder = film(options, "learn")
    facts = [true_facts(clip, folder) for clip in learn]
    sessions = [clip.session for clip in learn]
    held = np.isin(sessions, list(dict.fromkeys(sessions))[-2:])
    more = {"encoder_weights": str(run_dir), "device": options.device}
    recipes = {"decoder": WriterRecipe(epochs=options.rounds, **more)}
    if options.llm:
        recipes["llm"] = WriterRecipe(
            kind="llm", llm=options.llm, epochs=options.llm_rounds, batch_size=8,
            learning_rate=1e-3, warmup=0.1, **more,
        )  # fmt: skip
    valid, test = describe(options)
    clips, _, _, truths = zip(*test, strict=True)
    order = {clip.clip_id: row for row, clip in enumerate(film(options, "test")[0])}
    rows = [order[clip.clip_id] for clip in clips]
    texts = {"rules": [write_by_rules(one) for one in said_when_sure(valid, test, SHARE)]}
    for name, recipe in recipes.items():
        started = time.process_time()
        result = train_writer(vectors["learn"], facts, held, options.scratch / name, recipe)
        print(f"{name}: {len(result.history)} epochs, {time.process_time() - started:.0f} CPU s,",
              f"validation loss {result.best.scores['valid_loss']:.3f}", flush=True)  # fmt: skip
        writer = LearnedWriter(options.scratch / name)
        out = options.scratch / f"{name}.json"
        if not out.exists():
            out.write_text(json.dumps(in_parts(writer.write, vectors["test"][rows])))
        texts[name] = json.loads(out.read_text())
        print("\n".join(texts[name][:4]))
    texts["the truth"] = [write_by_rules(one) for one in truths]
    score(texts, truths, clips)


def in_parts(write: Callable[[Any], list[str]], vectors: NDArray[np.float64]) -> list[str]:
    return [text for start in range(0, len(vectors), 16) for text in write(vectors[start:][:16])]


def mean(values: NDArray[np.float64], sessions: Sequence[str]) -> str:
    """The mean with its interval over sessions."""
    clusters = choose_clusters(sessions, list(map(str, range(len(sessions)))))
    return str(bootstrap(lambda weights: weights @ values / weights.sum(axis=1), clusters))


if __name__ == "__main__":
    main()
