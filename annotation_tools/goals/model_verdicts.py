"""A model's verdicts on clips, as review mode shows them beside people's.

The unit is one clip's verdict. The file is JSON, in one of two forms:

    {"clip_001": "goal", "clip_002": "no goal"}
    {"model": "shots", "verdicts": {"clip_001": {"verdict": "goal", "event_frame": 41,
                                                 "score": 0.9}}}
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.labels.values import LabelError, check_text, check_value
from workbench.saving import reading

FILE_NAME = "verdicts.json"


@dataclass(frozen=True)
class ModelVerdicts:
    """What a model says about clips."""

    model: str
    item_to_verdict: Mapping[str, dict[str, Any]]  # verdict, event_frame, score (0–1 or None)


def load_model_verdicts(path: Path) -> ModelVerdicts:
    """Read a model's verdicts.

    Raises:
        LabelError: If the file cannot be read, or says something else.
    """
    with reading(path, "a file of verdicts", 'write {"clip_001": "goal"}', LabelError) as content:
        rows, model = content, "model"
        if isinstance(content.get("verdicts"), dict):
            rows, model = content["verdicts"], content.get("model", model)
        return ModelVerdicts(
            check_text(model, "the model's name"),
            {item: _checked(row, item) for item, row in rows.items()},
        )


def _checked(row: Any, where: str) -> dict[str, Any]:
    row = {"verdict": row} if isinstance(row, str) else row
    if not isinstance(row, dict) or not isinstance(row.get("verdict"), str):
        raise LabelError(f"{where}: no verdict", "write goal, no goal or unsure")
    said = row["verdict"].strip().lower().replace("-", "_").replace(" ", "_")
    try:
        verdict = check_value("verdict", {"verdict": said, "event_frame": row.get("event_frame")})
    except LabelError as error:
        raise LabelError(f"{where}: {error.problem}", error.remedy) from None
    score = row.get("score")
    if score is not None and not (isinstance(score, int | float) and 0 <= score <= 1):
        raise LabelError(f"{where}: the score is {score!r}", "give a number from 0 to 1")
    return {**verdict, "score": score}
