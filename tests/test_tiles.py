"""The browser tools as JupyterLab tiles, behind jupyter-server-proxy and Jupyter's login."""

from collections.abc import Iterator
from fractions import Fraction

import httpx
import pytest
from served import JUPYTER_TOKEN, running_jupyter
from videos import make_video


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
