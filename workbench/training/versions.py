"""Versions of datasets: each one says in `dataset_meta.json` where it came from.

Several may lie side by side in a folder, as v1, v2 and so on.
"""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workbench.footage.clips import Origin
from workbench.saving import read_object

META = "dataset_meta.json"
_NAME = re.compile(r"v[1-9]\d*")


def version_names(folder: Path) -> list[str]:
    """Return the versions that lie in a folder, oldest first."""
    found = [path.parent.name for path in folder.glob(f"v*/{META}")]
    return sorted(filter(_NAME.fullmatch, found), key=lambda name: int(name[1:]))


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
