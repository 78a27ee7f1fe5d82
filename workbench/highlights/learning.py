"""Training on long videos with truth: a classifier of windows, kinematic weights, thresholds.

The unit is a window that the first two stages make. Windows of the training videos teach the
classifier (on the house's one loop) and the kinematic weights; what passes is chosen on the
validation videos alone. Negatives are what really comes up in idle play.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Unpack

import cv2
import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression

from workbench.actions.clipset import CLIPSET_FORMAT, Clipset, load_clipset
from workbench.actions.items import Item, count_clips, find_gaps, hash_items, list_sessions
from workbench.actions.recipe import TrainConfig
from workbench.actions.train import run_dir_for, train_classifier
from workbench.engines.each import every
from workbench.engines.engine import Engine
from workbench.errors import DatasetError
from workbench.footage.clips import BUILT_IN_FOOTAGE, OWN_FOOTAGE
from workbench.footage.video_info import content_digest
from workbench.highlights.actors import CUES, Window
from workbench.highlights.chunks import Floats, Image, read_chunks
from workbench.highlights.misses import assess
from workbench.highlights.stages import (
    CONFIG,
    CONFIG_FORMAT,
    NONE,
    Highlighter,
    Settings,
    candidates_of,
    load_highlighter,
    stored_view,
)
from workbench.highlights.truth import TrueAct
from workbench.highlights.watch import Watched, retold, watch_videos
from workbench.saving import replacing, save_json, save_text
from workbench.training.history import Callbacks
from workbench.training.versions import META, meta_head

ALARMS_PER_HOUR = 4.0  # of each class on validation: 12 of three
KEPT_BY_CHECK = 0.985  # of the true acts on validation
_CAUTION = 0.8  # of that threshold is taken: other sessions have acts that move less
_NEGATIVES = 200  # windows of each video that show nothing, at most
_POSITIVES = 4  # windows of one act, at most
LOOSE = Settings(least_motion=4.0, least_check=0.0)  # all that may be something
_GRID = np.round(np.concatenate([np.arange(0.1, 0.9, 0.02), np.arange(0.9, 1.0, 0.01)]), 3)

Truths = Sequence[tuple[Path, Sequence[TrueAct]]]


def train_highlighter(
    train: Truths,
    valid: Truths,
    work_dir: Path,
    models_dir: Path,
    config: TrainConfig | None = None,
    eye: str = "lite",
    seed: int = 0,
    engine: Engine | str | None = None,
    **callbacks: Unpack[Callbacks],
) -> Path:
    """Train on long videos with truth; return the run's folder, which `load_highlighter` takes.

    Args:
        train: Videos to learn from.
        valid: Videos that choose the epoch and all thresholds.
        work_dir: For windows and for the watching of the validation videos.
        models_dir: Where runs go.
        config: Of the classifier.
        eye: A detector's name or path, or "none".
        seed: Of the negatives.
        engine: Where videos are looked at (`make_engine`).

    Raises:
        DatasetError: If a video shows no act.
    """
    config = config or TrainConfig(frames=12, epochs=40)
    splits = {"train": train, "valid": valid}
    clipset, cues = make_windows(splits, work_dir, config.model, eye, seed, engine)
    run_dir = run_dir_for(models_dir, clipset, config)
    train_classifier(clipset, run_dir, config, **callbacks)
    sports = tuple(name for name in clipset.classes if name != NONE)
    labels = np.array(clipset.labels)
    is_train = np.array([item.split == "train" for item in clipset.items])
    weights = fit_cues(cues[is_train], labels[is_train], sports)
    content: dict[str, Any] = {
        "format": CONFIG_FORMAT,
        "cues": list(CUES),
        "eye": eye,
        "weights": weights.round(5).tolist(),
        "settings": asdict(replace(LOOSE, least_score=dict.fromkeys(sports, 0.0))),
    }
    save_json(run_dir / CONFIG, content)
    by = load_highlighter(run_dir)
    watched = watch_videos(valid, by, work_dir, engine=engine)
    pairs = [(one, acts) for one, (_, acts) in zip(watched, valid, strict=True)]
    content["settings"] = asdict(choose_settings(pairs, by))
    save_json(run_dir / CONFIG, content)
    return run_dir


def make_windows(
    videos: Mapping[str, Truths],
    out_dir: Path,
    model: str,
    eye: str,
    seed: int = 0,
    engine: Engine | str | None = None,
) -> tuple[Clipset, Floats]:
    """Save the windows of videos as a clip set, by split; return it with their cues (N, C).

    The windows of each video are kept: what was killed goes on with the next one.
    """
    jobs = {
        str(path): (split, path, tuple(acts), model, eye, seed, out_dir / "parts")
        for split, pairs in videos.items()
        for path, acts in pairs
    }
    parts = every(_windows, jobs, "videos", engine=engine)
    items: list[Item] = []
    blocks, cues = [], []
    for (split, path, *_), part in zip(jobs.values(), parts.values(), strict=True):
        session = f"{path.parent.name}/{path.stem}"
        with np.load(part) as held:
            names, labels, digests = (held[key].tolist() for key in ("names", "labels", "digests"))
            blocks.append(held["blocks"])
            cues.append(held["cues"])
        for name, label, digest in zip(names, labels, digests, strict=True):
            items.append(Item(f"{session}{name}", session, str(path), split, label, digest))
    classes = (*sorted({str(item.label) for item in items} - {NONE}), NONE)
    if len(classes) < 2:
        raise DatasetError("no act in these videos is ever proposed", "give videos with truth")
    frames, (height, width) = blocks[0].shape[1], blocks[0].shape[2:4]
    version = hash_items(items, classes, frames, (width, height))
    counts = count_clips(items, classes)
    folder = out_dir / "windows"
    with replacing(folder / "frames.npy") as part:
        np.save(part, np.concatenate(blocks))
    save_text(
        folder / "items.csv", pd.DataFrame([asdict(item) for item in items]).to_csv(index=False)
    )
    is_built_in = all((job[1].parent / "truth").is_dir() for job in jobs.values())
    origin = BUILT_IN_FOOTAGE if is_built_in else OWN_FOOTAGE
    meta = meta_head(folder, CLIPSET_FORMAT, version, origin) | {
        "classes": list(classes), "counts": counts, "sessions": list_sessions(items),
        "frames": frames, "size_wh": [width, height], "warnings": find_gaps(counts),
    }  # fmt: skip
    save_json(folder / META, meta)
    return load_clipset(folder), np.concatenate(cues)


def _windows(job: tuple[str, Path, tuple[TrueAct, ...], str, str, int, Path]) -> Path:
    """Save a video's labelled windows with pictures and cues; those nearly of an act are left out.

    Takes split, video, acts, model, eye, seed and the folder of the parts.
    """
    _, path, acts, model, eye, seed, folder = job
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    by = load_highlighter(None, eye)
    said = json.dumps(
        [content_digest(path), [asdict(act) for act in acts], model, seed, by.identity]
    )
    part = folder / f"{path.stem}-{hashlib.sha256(said.encode()).hexdigest()[:12]}.npz"
    if part.is_file():
        return part
    found: list[tuple[str, Window, Image]] = []
    idle: list[tuple[str, Window, Image]] = []
    for chunk in read_chunks(path):
        windows: list[Window] = []
        candidates_of(chunk, by, LOOSE, on_windows=windows.extend)
        shown: dict[int, list[Window]] = {}
        for window in windows:
            one = window.proposal
            near = [n for n, act in enumerate(acts) if act.holds(one.time_s)]
            own = [n for n in near if acts[n].is_shown_by(one.time_s, one.x, one.y)]
            if own:
                shown.setdefault(own[0], []).append(window)
            elif not near:
                idle.append((NONE, window, stored_view(chunk, window, model, False)))
        for number, several in shown.items():
            act = acts[number]
            several.sort(key=lambda window: abs(window.proposal.time_s - act.at_s))
            for window in several[:_POSITIVES]:
                if act.start_s - 0.2 <= window.proposal.time_s <= act.end_s + 0.2:
                    found.append((act.sport, window, stored_view(chunk, window, model, False)))
    kept = sorted(np.random.default_rng(seed).permutation(len(idle))[:_NEGATIVES].tolist())
    rows = found + [idle[place] for place in kept]
    marks = [window.proposal for _, window, _ in rows]
    with replacing(part) as unfinished:
        np.savez(
            unfinished,
            names=np.array([f"@{one.time_s:08.2f}x{one.x:.2f}y{one.y:.2f}" for one in marks]),
            labels=np.array([label for label, _, _ in rows]),
            digests=np.array([hashlib.sha256(block.tobytes()).hexdigest() for _, _, block in rows]),
            blocks=np.stack([block for _, _, block in rows]),
            cues=np.array([window.cues for _, window, _ in rows], np.float64),
        )
    return part


def fit_cues(cues: Floats, labels: Any, sports: Sequence[str]) -> Floats:
    """Return the weights (K, C + 1) of one logistic regression per class on cues (N, C)."""
    middle, spread = cues.mean(axis=0), cues.std(axis=0) + 1e-6
    rows = []
    for sport in sports:
        fit = LogisticRegression(C=0.3, class_weight="balanced", max_iter=2000)
        fit.fit((cues - middle) / spread, labels == sport)
        own = fit.coef_[0] / spread
        rows.append([*own, float(fit.intercept_[0]) - float(own @ middle)])
    return np.array(rows)


def choose_settings(
    watched: Sequence[tuple[Watched, Sequence[TrueAct]]], by: Highlighter
) -> Settings:
    """Choose what passes on videos with truth, from candidates that were all kept.

    The check keeps nearly all true acts; each class's threshold is the lowest with few enough false
    alarms per hour.
    """
    best: list[float] = []
    for video, acts in watched:
        for act in acts:
            near = [c for c in video.candidates if act.is_shown_by(c.time_s, c.x, c.y)]
            own = [one.check for one in near if one.check is not None]
            if own:
                best.append(max(own))
    least_check = _CAUTION * float(np.quantile(best, 1 - KEPT_BY_CHECK)) if best else 0.0
    least = dict.fromkeys(by.sports, 0.5)
    settings = replace(by.settings, least_check=round(least_check, 4), least_score=least)
    for sport in by.sports:
        for threshold in _GRID:
            least[sport] = float(threshold)
            found = assess([(retold(one, settings), acts) for one, acts in watched], by.sports)
            rate = found.false_alarms_per_hour(sport).value
            if rate <= ALARMS_PER_HOUR:
                break
    return settings
