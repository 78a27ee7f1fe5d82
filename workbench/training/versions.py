"""Versions of datasets: each one says in `dataset_meta.json` which one it came from."""

import json
from pathlib import Path

META = "dataset_meta.json"


def parent_version(folder: Path, version: str) -> str | None:
    """Return the version that a dataset about to be written comes from, or None.

    That is the version in the folder until now; of the same content, what that one came from.
    """
    try:
        before = json.loads((folder / META).read_text(encoding="utf-8"))
        parent: str | None = before["version"]
        return before.get("parent_version") if parent == version else parent
    except (OSError, ValueError, KeyError, TypeError):
        return None
