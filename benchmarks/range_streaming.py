"""Serving video: our Range responses against nginx on the same file, in one run.

    python benchmarks/range_streaming.py --megabytes 512 --rounds 5

Both answer one client on loopback. *Seek* is the time to the first 64 KiB from a random place, as
when somebody jumps in the timeline; *throughput* reads the whole file in ranges of 4 MiB, as a
browser does. Rounds alternate. Needs nginx (Debian's package nginx-light). Look at the ratios.
"""

import argparse
import contextlib
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import httpx
import numpy as np

from workbench.footage.writer import VideoWriter

PIECE, SEEK = 4 << 20, 64 << 10
NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 64; }}
http {{ access_log off; sendfile on;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port}; root {root}; }} }}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=512, help="size of the file")
    parser.add_argument("--rounds", type=int, default=5, help="alternating rounds")
    parser.add_argument("--seeks", type=int, default=200, help="seeks per round")
    arguments = parser.parse_args()
    if shutil.which("nginx") is None:
        sys.exit("error: nginx is not installed: install Debian's package nginx-light")
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)  # nginx reads as another user
        (folder / "videos").mkdir()
        video = _make_video(folder / "videos/match.mp4", arguments.megabytes << 20)
        clients = {
            "ours": stack.enter_context(_ours(folder)),
            "nginx": stack.enter_context(_nginx(folder)),
        }
        seeks = {who: [] for who in clients}
        rates = {who: [] for who in clients}
        rng = np.random.default_rng(0)
        for _ in range(arguments.rounds):
            places = rng.integers(0, video.stat().st_size - SEEK, arguments.seeks).tolist()
            for who, (client, url) in clients.items():
                seeks[who] += [_seek(client, url, place) for place in places]
                rates[who].append(_read_all(client, url, video.stat().st_size))
    print(f"{arguments.megabytes} MB, {arguments.rounds} rounds, medians")
    print(f"{'':8}{'seek':>12}{'95 % of seeks':>16}{'throughput':>16}")
    for who in clients:
        median, high = np.quantile(seeks[who], [0.5, 0.95]) * 1000
        rate = statistics.median(rates[who]) / 1e6
        print(f"{who:8}{median:9.2f} ms{high:13.2f} ms{rate:11.0f} MB/s")
    latency = statistics.median(seeks["ours"]) / statistics.median(seeks["nginx"])
    speed = statistics.median(rates["ours"]) / statistics.median(rates["nginx"])
    print(f"ours against nginx: {latency:.2f} × the seek time, {speed:.2f} × the throughput")


def _make_video(path: Path, size: int) -> Path:
    image = np.zeros((96, 160, 3), np.uint8)
    with VideoWriter(path, (160, 96), Fraction(25)) as writer:
        for _ in range(25):
            writer.write(image)
    with path.open("ab") as file:
        block = os.urandom(1 << 20)
        while file.tell() < size:
            file.write(block)
    return path


@contextlib.contextmanager
def _ours(folder: Path) -> Iterator[tuple[httpx.Client, str]]:
    command = [sys.executable, "-m", "workbench.cli", "serve", "goals", "--no-browser"]
    command += ["--port", "0", "--footage", str(folder / "videos")]
    command += ["--db", f"sqlite:///{folder}/labels.sqlite", "--cache", str(folder / "cache")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder)
    try:
        assert process.stdout is not None
        address = re.search(r":(\d+)/\?token=(\S+)", process.stdout.readline())
        assert address is not None
        port, token = address.groups()
        headers = {"authorization": f"token {token}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
            yield client, f"/media/{client.get('/api/media').json()[0]['media_id']}"
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def _nginx(folder: Path) -> Iterator[tuple[httpx.Client, str]]:
    port = _free_port()
    settings = folder / "nginx.conf"
    settings.write_text(NGINX.format(folder=folder, port=port, root=folder / "videos"))
    process = subprocess.Popen(["nginx", "-c", str(settings), "-p", str(folder)])
    try:
        _wait_for(port)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            yield client, "/match.mp4"
    finally:
        process.terminate()
        process.wait()


def _seek(client: httpx.Client, url: str, place: int) -> float:
    start = time.perf_counter()
    answer = client.get(url, headers={"range": f"bytes={place}-{place + SEEK - 1}"})
    elapsed = time.perf_counter() - start
    assert answer.status_code == 206
    assert len(answer.content) == SEEK
    return elapsed


def _read_all(client: httpx.Client, url: str, size: int) -> float:
    start = time.perf_counter()
    for place in range(0, size, PIECE):
        last = min(size, place + PIECE) - 1
        answer = client.get(url, headers={"range": f"bytes={place}-{last}"})
        assert len(answer.content) == last - place + 1
    return size / (time.perf_counter() - start)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(port: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    sys.exit("error: a server does not start")


if __name__ == "__main__":
    main()
