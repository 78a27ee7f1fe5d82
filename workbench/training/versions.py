"""Versions of datasets: each one says in `dataset_meta.json` where it came from."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from workbench.footage.clips import Origin
from workbench.saving import read_object

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
    before = read_object(folder / META) or {}
    parent = before.get("parent_version" if before.get("version") == version else "version")
    return {"format": form, "version": version, "parent_version": parent, **asdict(origin)}
