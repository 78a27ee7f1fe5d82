"""Model card of a student: network, data, test scores, speed and caveats.

The unit is a run's folder; the card lies in it as `model_card.json` for machines and
`model_card.md` for people, so that whoever copies the weights has it beside them.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workbench.detect.student.checkpoint import BEST
from workbench.detect.student.comparison import Comparison
from workbench.detect.student.testing import Speed
from workbench.saving import save_json, save_text
from workbench.stats import ENOUGH_SESSIONS, show
from workbench.training.folder import run_config
from workbench.training.history import TrainingResult


def write_card(
    result: TrainingResult,
    dataset: Mapping[str, Any],
    comparison: Comparison,
    thresholds: Mapping[str, float],
    speed: Speed,
) -> Path:
    """Write the card of a tested student; returns the one for people.

    Args:
        result: The run.
        dataset: The content of the dataset's `dataset_meta.json`.
        comparison: Student against teacher on the test split.
        thresholds: Per class, as chosen on validation.
        speed: As measured.
    """
    config = run_config(result.run_dir)
    weights_bytes = (result.run_dir / BEST).stat().st_size
    card = {
        "run": result.run_dir.name,
        "network": {
            "variant": config["variant"],
            "parameters": result.parameters,
            "weights_bytes": weights_bytes,
            "licence": "RF-DETR: Apache-2.0",
        },
        "classes": list(result.classes),
        "data": {
            key: dataset.get(key)
            for key in ("version", "source", "licence", "caveat", "teachers", "sessions")
        },
        "config": config,
        "validation": {"epoch": result.best.epoch, **result.best.scores},
        "test": {
            "against": comparison.against,
            "images": comparison.images,
            comparison.clusters.by + "s": comparison.clusters.count,
            "classes": {
                one.name: _numbers(one.ap.student, one.precision.student, one.recall.student)
                for one in comparison.classes
            },
        },
        "thresholds": dict(thresholds),
        "speed": asdict(speed),
        "caveats": _caveats(dataset, comparison),
    }
    save_json(result.run_dir / "model_card.json", _plain(card))
    path = result.run_dir / "model_card.md"
    save_text(path, _to_markdown(card, comparison))
    return path


def _numbers(*intervals: Any) -> dict[str, Any]:
    names = ("ap", "precision", "recall")
    return {
        name: interval.to_dict() if interval is not None else None
        for name, interval in zip(names, intervals, strict=True)
    }


def _caveats(dataset: Mapping[str, Any], comparison: Comparison) -> list[str]:
    caveats = [dataset["caveat"]] if dataset.get("caveat") else []
    caveats.append(
        "learned from a teacher's labels: objects that the teacher misses are missing in training"
    )
    caveats.append(f"judged against {comparison.against} on {comparison.images} frames")
    clusters = comparison.clusters
    if clusters.count < ENOUGH_SESSIONS:
        caveats.append(f"{clusters.count} {clusters.by}s: too few for reliable intervals")
    return caveats


def _to_markdown(card: Mapping[str, Any], comparison: Comparison) -> str:
    network, data, speed = card["network"], card["data"], card["speed"]
    clusters = comparison.clusters
    rows = [
        f"| {one.name} | {card['thresholds'].get(one.name, '–')} | {show(one.ap.student)} "
        f"| {show(one.precision.student)} | {show(one.recall.student)} | {one.objects} |"
        for one in comparison.classes
    ]
    return "\n".join(
        [
            f"# {card['run']}",
            "",
            f"RF-DETR `{network['variant']}`, {network['parameters'] / 1e6:.1f} M parameters, "
            f"{network['weights_bytes'] / 1e6:.0f} MB. Sees {', '.join(card['classes'])}.",
            "",
            "## Data",
            "",
            f"Dataset version `{data['version']}`. Source: {data['source'] or 'unknown'}. Licence: "
            f"{data['licence'] or 'unknown'}. Labelled by: {', '.join(data['teachers'] or [])}.",
            "",
            "## Test",
            "",
            f"Against {comparison.against}, {comparison.images} frames, intervals over "
            f"{clusters.count} {clusters.by}s. IoU 0.5 for precision and recall.",
            "",
            "| class | threshold | AP@50:95 | precision | recall | objects |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            f"Speed on {speed['device']}: {speed['single_ms']:.0f} ms per frame one view at a time,"
            f" {speed['batched_ms']:.0f} ms at {speed['batch']} ({speed['views']} views a frame).",
            "",
            "## Caveats",
            "",
            *(f"- {caveat}" for caveat in card["caveats"]),
            "",
            "## Settings",
            "",
            *(f"- `{key}`: {value}" for key, value in card["config"].items()),
            "",
        ]
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and value != value else value
