"""Random label and result files of a few matches, the same for the same seed on every machine."""

import json
import random
from pathlib import Path
from typing import Any

from workbench.actions.spotting.scores import SpotScore, score_spots
from workbench.labels.events import BALL, Events, load_class_map
from workbench.labels.soccernet import LABELS_BALL, RESULTS, find_matches, read_events


def write_matches(root: Path, seed: int) -> None:
    """Write `labels/` and `spots/`: ties, strange scores, halves, hidden and late events."""
    # Python's generator, not NumPy's: its numbers are promised to stay.
    rng = random.Random(seed)
    for game in range(rng.randint(1, 3)):
        span_ms = rng.choice((30_000, 300_000, 7_300_000))
        rows = [label_row(rng, span_ms) for _ in range(rng.randint(0, 60))]
        spots = [spot_row(rng, span_ms, rows) for _ in range(rng.randint(0, 300))]
        for part, name, content in (
            ("labels", LABELS_BALL, {"annotations": rows}),
            ("spots", RESULTS, {"predictions": spots}),
        ):
            folder = root / part / f"league/season/match {game}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(json.dumps(content))


def label_row(rng: random.Random, span_ms: int) -> dict[str, Any]:
    step = rng.choice((1, 40))  # whole frames at 25 fps are where truncation bites
    time = rng.randrange(span_ms // step) * step
    row: dict[str, Any] = {
        "gameTime": f"{rng.randint(1, 2)} - {time // 60000 % 100:02d}:{time // 1000 % 60:02d}",
        "label": rng.choice(BALL),
        "team": rng.choice(("left", "right")),
        "visibility": "visible" if rng.random() < 0.8 else "not shown",
    }
    return row | ({"position": rng.choice((time, str(time)))} if rng.random() < 0.9 else {})


def spot_row(rng: random.Random, span_ms: int, labels: list[dict[str, Any]]) -> dict[str, Any]:
    half, time, label = rng.randint(1, 2), rng.randrange(span_ms), rng.choice(BALL)
    if labels and rng.random() < 0.5:
        near = rng.choice(labels)
        half, label = int(near["gameTime"][0]), near["label"]
        time = max(0, int(near.get("position", 0)) + rng.randint(-900, 900))
    score = round(rng.uniform(-0.1, 1.2), rng.randint(1, 3))
    return {
        "label": label,
        "position": rng.choice((time, str(time))),
        "half": rng.choice((half, str(half))),
        "confidence": rng.choice((score, str(score))),
        "team": rng.choice(("left", "right")),
    }


def read_matches(folder: Path, name: str) -> dict[str, Events]:
    ball = load_class_map("ball")
    return {
        match: read_events(file, ball).events for match, file in find_matches(folder, name).items()
    }


def judge_matches(root: Path, fps: float) -> SpotScore:
    labels = read_matches(root / "labels", LABELS_BALL)
    return score_spots(labels, read_matches(root / "spots", RESULTS), fps)
