"""Fixtures that several test modules share."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from made_once import RUN_FOLDER_VARIABLE
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent

# Several workers share the cores: threads of their own would only wait for each other. Before NumPy
# and torch are imported, by the workers and by what they start.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")

# What is asserted are results; how long an example takes depends on what else the machine does.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of `made_once`, shared by the workers of this run; pytest removes it later."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "made_once"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(RUN_FOLDER_VARIABLE, str(folder))
        yield folder


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real clips and models that is not part of the repository."""
    folder = Path(os.environ.get("WORKBENCH_SHARED", ROOT.parent / "shared"))
    if not (folder / "footage").is_dir():
        pytest.skip(f"no real footage: {folder} is absent (set WORKBENCH_SHARED)")
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A real Chromium without a window, one per test process; every test opens its own context."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no browser: install Debian's chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()
