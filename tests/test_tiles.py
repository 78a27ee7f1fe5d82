"""The browser tools as JupyterLab tiles, behind jupyter-server-proxy and Jupyter's login."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import httpx
import pytest
from videos import make_video

TOKEN = "jupyter-token"


@pytest.fixture
def jupyter(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "videos").mkdir()
    make_video(tmp_path / "videos/shot.mp4", 20, fps=Fraction(25))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyter", "server", "--no-browser", "--allow-root"]
    command += [f"--port={port}", f"--IdentityProvider.token={TOKEN}", f"--notebook-dir={tmp_path}"]
    own = {"WORKBENCH_FOOTAGE": str(tmp_path / "videos"), "HOME": str(tmp_path)}
    own |= {"WORKBENCH_DB": f"sqlite:///{tmp_path / 'labels.sqlite'}"}
    own |= {"JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime")}
    process = subprocess.Popen(
        command, env=os.environ | own, cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 40
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.mark.parametrize("tool", ["clipper", "goals"])
def test_a_tile_opens_its_tool(jupyter: str, tool: str) -> None:
    with httpx.Client(base_url=jupyter, timeout=60, follow_redirects=True) as stranger:
        answer = stranger.get(f"/{tool}/api/session")
        assert answer.status_code == 403 or "/login" in str(answer.url)
    headers = {"authorization": f"token {TOKEN}"}
    with httpx.Client(base_url=jupyter, headers=headers, timeout=60) as client:
        tiles = client.get("/server-proxy/servers-info").json()["server_processes"]
        assert tool in [tile["name"] for tile in tiles if tile["launcher_entry"]["enabled"]]
        assert client.get(f"/{tool}/api/session").json()["tool"] == tool
        page = client.get(f"/{tool}/").text
        assert 'src="/' not in page  # relative addresses only: behind the proxy there is a prefix
        assert 'href="/' not in page
        (video,) = client.get(f"/{tool}/api/media").json()
        part = client.get(f"/{tool}/media/{video['media_id']}", headers={"range": "bytes=0-"})
        assert part.status_code == 206
        assert len(part.content) == video["size_bytes"]
