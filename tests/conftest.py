"""Fixtures that several test modules share."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real clips and models that is not part of the repository."""
    folder = Path(os.environ.get("WORKBENCH_SHARED", ROOT.parent / "shared"))
    if not (folder / "footage").is_dir():
        pytest.skip(f"no real footage: {folder} is absent (set WORKBENCH_SHARED)")
    return folder
