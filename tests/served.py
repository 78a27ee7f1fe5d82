"""The browser tools and Jupyter as people start them: each server in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest


class Served:
    """A tool that can be killed and started again on the same port and database.

    Its cache, cookies and settings are kept below `home`, and its database too unless one is named.
    """

    def __init__(
        self, tool: str, footage: Path, home: Path, *options: str, database: str | None = None
    ) -> None:
        self.footage, self.home = footage, home
        self.database = database or f"sqlite:///{home / 'labels.sqlite'}"
        self.port = 0  # at the first start, the system finds a free one
        words = ["serve", tool] if tool else ["serve"]  # without one, the front page
        self._command = [sys.executable, "-m", "workbench.cli", *words, "--no-browser"]
        self._command += ["--footage", str(footage), "--db", self.database, *options]
        self._command += ["--cache", str(home / "cache")]
        self.process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> str:
        """Start the tool; it listens before it says its address, which is returned."""
        own = {"XDG_STATE_HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home)}
        self.process = subprocess.Popen(
            [*self._command, "--port", str(self.port)],
            env=os.environ | own,
            cwd=self.home,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        assert "token=" in self.url, "the server does not start"
        self.port = urlsplit(self.url).port or 0
        return self.url

    def client(self) -> httpx.Client:
        """A client that knows the token, as a program of the user's would."""
        base = f"http://127.0.0.1:{self.port}"
        (token,) = parse_qs(urlsplit(self.url).query)["token"]
        headers = {"authorization": f"token {token}", "origin": base}
        return httpx.Client(base_url=base, headers=headers, timeout=60)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    @contextmanager
    def running(self) -> Iterator[Self]:
        """The started tool; killed at the end, if that has not happened before."""
        self.start()
        try:
            yield self
        finally:
            if self.process is not None and self.process.poll() is None:
                self.kill()


JUPYTER_TOKEN = "jupyter-token"


@contextmanager
def running_jupyter(
    program: str, root: Path, home: Path, *options: str, **environment: str
) -> Iterator[str]:
    """A Jupyter server over `root` that knows nothing of this user's settings; yields its address.

    It finds a free port by itself and notes it in its runtime folder.
    """
    command = [sys.executable, "-m", *program.split(), "--no-browser", "--allow-root", "--port=0"]
    command += [f"--IdentityProvider.token={JUPYTER_TOKEN}", f"--ServerApp.root_dir={root}"]
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "HOME")
    own = {name: str(home / name) for name in names} | environment
    with (home / "jupyter.log").open("w") as log:
        process = subprocess.Popen(
            [*command, *options], env=os.environ | own, stdout=log, stderr=log, cwd=root
        )
    note = home / "JUPYTER_RUNTIME_DIR" / f"jpserver-{process.pid}.json"
    try:
        until = time.monotonic() + 180
        while not _answers(note):
            if process.poll() is not None or time.monotonic() > until:
                said = (home / "jupyter.log").read_text()
                pytest.fail(f"Jupyter did not start:\n{said[-2000:]}")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{json.loads(note.read_text())['port']}"
    finally:
        process.terminate()
        process.wait(30)


def _answers(note: Path) -> bool:
    """Whether the server that has written this note, if it has, answers."""
    try:
        port = json.loads(note.read_text())["port"]
        status = httpx.get(f"http://127.0.0.1:{port}/api/status?token={JUPYTER_TOKEN}", timeout=5)
    except (OSError, ValueError, httpx.HTTPError):
        return False
    return status.status_code == 200
