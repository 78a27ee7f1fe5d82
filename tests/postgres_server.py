"""A PostgreSQL server of the tests' own: in a temporary folder, reachable by its socket only."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

DEBIAN_FOLDER = Path("/usr/lib/postgresql")
START_S = 60.0


@dataclass(frozen=True)
class PostgresServer:
    folder: Path  # of its socket

    @property
    def url(self) -> str:
        """The address of the database that every server has."""
        return f"postgresql://postgres@/postgres?host={self.folder}"

    def new_database(self) -> str:
        """Return the address of an empty schema: to its user an empty database, made in no time."""
        name = f"labels_{uuid.uuid4().hex}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return f"{self.url}&options=-csearch_path%3D{name}"


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run a server while the block lasts; skip the test where that cannot be."""
    programs = _programs()
    as_user: list[str] = []
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # a socket's path must be short
    if os.geteuid() == 0:  # the server refuses to run as root
        try:
            user = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        as_user = ["setpriv", *ids, "--"]
    cluster = folder / "cluster"
    made = subprocess.run(
        [*as_user, programs / "initdb", "-D", cluster, "-U", "postgres", "-A", "trust", "-N"],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    if made.returncode:
        shutil.rmtree(folder)
        pytest.skip(f"initdb failed: {made.stderr.strip()[-300:]}")
    settings = ["listen_addresses=", "max_connections=300", f"unix_socket_directories={folder}"]
    options = [word for setting in settings for word in ("-c", setting)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [*as_user, programs / "postgres", "-D", cluster, *options],
            stdout=log,
            stderr=log,
            cwd=folder,
        )
    try:
        _wait(PostgresServer(folder), server, folder / "log")
        yield PostgresServer(folder)
    finally:
        server.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
        server.wait(timeout=START_S)
        shutil.rmtree(folder)


def _programs() -> Path:
    found = shutil.which("postgres")
    folders = [Path(found).parent] if found else []
    folders += sorted(DEBIAN_FOLDER.glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists():
            return folder
    pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")


def _wait(server: PostgresServer, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            psycopg.connect(server.url).close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text()) from None
            time.sleep(0.05)
