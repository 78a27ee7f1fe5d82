"""Versions of datasets: each one says in `dataset_meta.json` where it came from."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workbench.footage.clips import Origin

META = "dataset_meta.json"


def meta_head(folder: Path, form: str, version: str, origin: Origin) -> dict[str, Any]:
    """Return what the meta file of a dataset about to be written begins with.

    Its parent version is the one in the folder until now; of the same content, that one's parent.

    Args:
        folder: The dataset's.
        form: Its format.
        version: A hash of its content.
        origin: Source, licence and caveat.
    """
    try:
        before = json.loads((folder / META).read_text(encoding="utf-8"))
        same = before["version"] == version
        parent = before.get("parent_version") if same else before["version"]
    except (OSError, ValueError, KeyError, TypeError):
        parent = None
    return {"format": form, "version": version, "parent_version": parent, **asdict(origin)}
