"""Label databases for tests: every test that asks for `database` runs on both kinds.

A test module takes these fixtures by `pytest_plugins = ["label_databases"]`.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from postgres_server import PostgresServer, postgres_server

from workbench.labels.records import Source
from workbench.labels.store import LabelStore


@pytest.fixture(scope="session")
def match() -> Source:
    """A video that labels may be about."""
    return Source("5a" * 32, "match.mp4", Fraction(30000, 1001), 900, 1280, 720, 30.03)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty label database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/data/labels.sqlite"
    return request.getfixturevalue("postgres").new_database()


@pytest.fixture
def store(database: str) -> Iterator[LabelStore]:
    with LabelStore(database) as opened:
        yield opened
