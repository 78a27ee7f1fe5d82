"""A model's verdicts on clips, as review mode shows them beside people's.

The unit is one clip's verdict. The file is JSON, in one of two forms; clips may be called as in
label files. A run of `analyse_shots` writes one, and it is read where the run has put it:

    {"clip_001": "goal", "clip_002": "no goal"}
    {"model": "shots", "verdicts": {"clip_001": {"verdict": "goal", "event_frame": 41,
                                                 "score": 0.9, "kick_frame": 12,
                                                 "foot": "left", "corners_px": [[x, y], …4]}}}
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.labels.exchange import clip_names
from workbench.labels.values import LabelError, check_text, check_value
from workbench.saving import reading

FILE_NAME = "verdicts.json"
_RUN_FOLDER = "shots"  # of `analyse_shots`, beside the folder of its footage


@dataclass(frozen=True)
class ModelVerdicts:
    """What a model says about clips."""

    model: str
    item_to_verdict: Mapping[str, dict[str, Any]]  # verdict, event_frame, score (0–1 or None)
    unknown: tuple[str, ...] = ()  # names in the file that are no clip's


def find_verdicts(folder: Path) -> Path | None:
    """Return the verdicts on the clips of a folder: those in it, else the run's beside it."""
    places = (folder, folder.absolute().parent / _RUN_FOLDER)
    return next((place / FILE_NAME for place in places if (place / FILE_NAME).is_file()), None)


def load_model_verdicts(path: Path, video_to_id: Mapping[str, str] | None = None) -> ModelVerdicts:
    """Read a model's verdicts.

    Args:
        path: The file.
        video_to_id: The clips, from `label_ids`; without them names are taken for ids.

    Raises:
        LabelError: If the file cannot be read, says something else, or names a clip twice or in a
            way that may be several.
    """
    remedy = 'write {"clip_001": "goal"}'
    with reading(path, "a file of verdicts", remedy, LabelError, once=True) as content:
        rows, model = content, "model"
        if isinstance(content.get("verdicts"), dict):
            rows, model = content["verdicts"], content.get("model", model)
        name_to_id = clip_names(rows, video_to_id)
        return ModelVerdicts(
            check_text(model, "the model's name"),
            {item: _checked(rows[name], name) for name, item in name_to_id.items()},
            tuple(name for name in rows if name not in name_to_id),
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
    if score is not None and (
        isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1
    ):
        raise LabelError(f"{where}: the score is {score!r}", "give a number from 0 to 1")
    return {**verdict, "score": score, **_finds(row)}


def _finds(row: dict[str, Any]) -> dict[str, Any]:
    """What a run found beside its verdict; what no person could say is left out."""
    corners = row.get("corners_px")
    finds = {
        "corners_px": ("corners", {"frame": 0, "corners_px": corners}),
        "kick_frame": ("shot", {"kick_frame": row.get("kick_frame")}),
        "foot": ("shot", {"foot": row.get("foot")}),
    }
    found = {}
    for name, (kind, value) in finds.items():
        with suppress(LabelError):
            found[name] = check_value(kind, value)[name]
    if isinstance(row.get("goal"), str):
        found["goal"] = row["goal"]
    return found
