"""The browser tools as JupyterLab tiles, behind jupyter-server-proxy and Jupyter's login."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import httpx
import pytest
from served import JUPYTER_TOKEN, running_jupyter
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from videos import make_video

from annotation_tools.serving import jupyter as tiles
from annotation_tools.serving import server


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("tiles")
    (folder / "videos").mkdir()
    make_video(folder / "videos/shot.mp4", 20, fps=Fraction(25))
    own = {"WORKBENCH_FOOTAGE": str(folder / "videos")}
    own |= {"WORKBENCH_DB": f"sqlite:///{folder / 'labels.sqlite'}"}
    with running_jupyter("jupyter server", folder, folder, **own) as url:
        yield url


@pytest.mark.parametrize("tool", ["clipper", "goals"])
def test_a_tile_opens_its_tool(jupyter: str, tool: str) -> None:
    with httpx.Client(base_url=jupyter, timeout=60, follow_redirects=True) as stranger:
        answer = stranger.get(f"/{tool}/api/session")
        assert answer.status_code == 403 or "/login" in str(answer.url)
    headers = {"authorization": f"token {JUPYTER_TOKEN}"}
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
        (icon,) = (tile["launcher_entry"]["icon_url"] for tile in tiles if tile["name"] == tool)
        assert client.get(icon).headers["content-type"].startswith("image/svg")


def test_the_front_page_is_a_tile_with_the_tools_below_it(jupyter: str) -> None:
    if "workbench" not in entry_points(group="jupyter_serverproxy_servers").names:
        pytest.skip("installed before there was a front page: pip install -e . once more")
    headers = {"authorization": f"token {JUPYTER_TOKEN}"}
    with httpx.Client(base_url=jupyter, headers=headers, timeout=60) as client:
        assert 'src="/' not in client.get("/workbench/").text
        overview = client.get("/workbench/api/overview").json()
        assert [tool["missing"] for tool in overview["tools"]] == [""] * 4
        for tool in ("clipper", "goals"):
            assert client.get(f"/workbench/{tool}/api/session").json()["tool"] == tool


def test_every_tile_has_a_command_and_an_icon() -> None:
    for tile in (tiles.front(), tiles.clipper(), tiles.goals()):
        assert tile["command"][3:-2] in (["serve"], ["serve", "clipper"], ["serve", "goals"])
        assert Path(tile["launcher_entry"]["icon_path"]).is_file()


def test_tiles_without_footage_say_what_to_do_and_open_once_it_is_there(tmp_path: Path) -> None:
    own = {"WORKBENCH_DB": f"sqlite:///{tmp_path / 'labels.sqlite'}"}
    headers = {"authorization": f"token {JUPYTER_TOKEN}"}
    with (
        running_jupyter("jupyter server", tmp_path, tmp_path, **own) as url,
        httpx.Client(base_url=url, headers=headers, timeout=60) as client,
    ):
        for tool in ("clipper", "goals"):
            answer = client.get(f"/{tool}/")
            assert answer.status_code == 503
            assert "There is no footage below" in answer.text
            assert "Copy videos to data/raw" in answer.text
        demo = tmp_path / "data/demo/footage"
        demo.mkdir(parents=True)
        make_video(demo / "shot.mp4", 20, fps=Fraction(25))
        for tool in ("clipper", "goals"):
            assert client.get(f"/{tool}/api/session").json()["tool"] == tool
            (video,) = client.get(f"/{tool}/api/media").json()
            assert video["name"] == "shot.mp4"


def test_a_tile_that_takes_long_says_so_and_opens_by_itself(monkeypatch: Any) -> None:
    monkeypatch.setattr(server, "PATIENCE_S", 0.05)
    may_open, tries = threading.Event(), []

    def make() -> Starlette:
        tries.append(1)
        may_open.wait(30)
        return Starlette(routes=[Route("/", lambda request: PlainTextResponse("open"))])

    async def visit() -> None:
        transport = httpx.ASGITransport(server._WhenReady(make))
        async with httpx.AsyncClient(transport=transport, base_url="http://tile") as client:
            for _ in range(2):
                answer = await client.get("/")
                assert (answer.status_code, answer.headers["refresh"]) == (503, "2")
                assert "Looking through the footage" in answer.text
            may_open.set()
            monkeypatch.setattr(server, "PATIENCE_S", 30)
            assert (await client.get("/")).text == "open"

    with ThreadPoolExecutor(1) as pool:  # Playwright leaves a loop running in the thread of tests
        pool.submit(asyncio.run, visit()).result()
    assert len(tries) == 1
