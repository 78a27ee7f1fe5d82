"""The base of the browser tools: who is let in, and which bytes they get."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient
from videos import make_video

from annotation_tools.goals import make_goals
from annotation_tools.serving import Guard, MediaIndex
from annotation_tools.serving.ranges import OPEN_RANGE_BYTES, UnsatisfiableError, parse_ranges
from workbench.labels.store import open_store

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("serving") / SCRIPT.replace("/", "_")
    folder.mkdir()
    make_video(folder / "shot.mp4", 20, fps=Fraction(25))
    return folder


@pytest.fixture
def client(folder: Path, tmp_path: Path) -> Iterator[TestClient]:
    with open_store(f"sqlite:///{tmp_path / 'labels.sqlite'}") as store:
        media = MediaIndex.from_folder(folder, tmp_path / "cache")
        guard = Guard.local("right", b"s" * 32)
        app = make_goals(media=media, store=store, guard=guard, folder=folder, annotator="ann")
        with TestClient(app, base_url="http://localhost:8802") as client:
            yield client


@pytest.fixture
def known(client: TestClient) -> TestClient:
    client.headers["authorization"] = "token right"
    return client


def media_url(client: TestClient) -> str:
    return f"/media/{client.get('/api/media').json()[0]['media_id']}"


# ------------------------------------------------------------------------------------- the guard


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "token wrong"}, 401),
        ({"authorization": "token right"}, 200),
        ({"cookie": "workbench-goals-8802=1700000000.forged"}, 401),
        ({"authorization": "token right", "host": "evil.example"}, 421),
    ],
)
def test_only_who_knows_the_token_gets_in(client: TestClient, headers: dict, status: int) -> None:
    assert client.get("/api/session", headers=headers).status_code == status


def test_the_token_is_exchanged_for_a_cookie_that_scripts_cannot_read(client: TestClient) -> None:
    answer = client.get("/?token=right")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "right" not in cookie
    assert client.get("/api/session").status_code == 200


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"origin": "http://evil.example"}, b"{}", 403),
        ({"origin": "http://localhost:8802", "content-type": "text/plain"}, b"{}", 415),
        ({"origin": "http://localhost:8802"}, b"{" * (1 << 20), 413),
        ({"origin": "http://localhost:8802"}, b"{no json", 400),
        ({"origin": "http://localhost:8802"}, b'{"kind": "verdict"}', 422),
    ],
)
def test_what_is_no_label_changes_nothing(
    known: TestClient, headers: dict, body: bytes, status: int
) -> None:
    sent = {"content-type": "application/json"} | headers
    answer = known.post("/api/labels", content=body, headers=sent)
    assert answer.status_code == status
    assert set(answer.json()) >= {"problem", "remedy"}
    assert known.get("/api/labels").json() in ([], {"entries": []})


@pytest.mark.parametrize(
    "path",
    ["/media/../../etc/passwd", "/media/%2e%2e%2fetc%2fpasswd", "/media/" + "0" * 64,
     "/static/../app.py", "/static/%2e%2e/app.py", "/shared/..%2fguard.py"],
)  # fmt: skip
def test_no_path_leads_out(known: TestClient, path: str) -> None:
    answer = known.get(path)
    assert answer.status_code in (400, 404)
    assert "root:" not in answer.text
    assert "import" not in answer.text


def test_every_answer_carries_the_security_headers(known: TestClient) -> None:
    for path in ("/", "/api/session", "/shared/player.js", "/nowhere"):
        headers = known.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


# -------------------------------------------------------------------------------------- the bytes


@pytest.mark.parametrize(
    ("asked", "status", "got"),
    [
        (None, 200, lambda whole: whole),
        ("bytes=0-0", 206, lambda whole: whole[:1]),
        ("bytes=10-19", 206, lambda whole: whole[10:20]),
        ("bytes=10-999999999", 206, lambda whole: whole[10:]),
        ("bytes=-7", 206, lambda whole: whole[-7:]),
        ("bytes=-999999999", 206, lambda whole: whole),
        ("bytes=100-", 206, lambda whole: whole[100:]),
        ("bytes=5-4", 200, lambda whole: whole),
        ("frames=0-1", 200, lambda whole: whole),
        ("bytes=999999999-", 416, lambda whole: None),
        ("bytes=-0", 416, lambda whole: None),
    ],
)
def test_ranges_give_the_right_bytes(
    known: TestClient, folder: Path, asked: str | None, status: int, got
) -> None:
    whole = (folder / "shot.mp4").read_bytes()
    answer = known.get(media_url(known), headers={"range": asked} if asked else {})
    assert answer.status_code == status
    wanted = got(whole)
    if wanted is None:
        assert answer.headers["content-range"] == f"bytes */{len(whole)}"
    else:
        assert answer.content == wanted
        assert int(answer.headers["content-length"]) == len(wanted)


def test_several_ranges_come_as_parts(known: TestClient, folder: Path) -> None:
    whole = (folder / "shot.mp4").read_bytes()
    answer = known.get(media_url(known), headers={"range": "bytes=0-3, 50-59"})
    assert answer.status_code == 206
    assert answer.headers["content-type"].startswith("multipart/byteranges")
    assert whole[:4] in answer.content
    assert whole[50:60] in answer.content
    assert f"bytes 50-59/{len(whole)}".encode() in answer.content


def test_a_range_of_another_version_gets_the_whole(known: TestClient, folder: Path) -> None:
    url, whole = media_url(known), (folder / "shot.mp4").read_bytes()
    etag = known.get(url).headers["etag"]
    for validator, length in ((etag, 5), ('"another"', len(whole))):
        answer = known.get(url, headers={"range": "bytes=0-4", "if-range": validator})
        assert len(answer.content) == length
    assert known.get(url, headers={"if-none-match": etag}).status_code == 304


def test_an_open_range_is_capped(tmp_path: Path) -> None:
    assert parse_ranges("bytes=0-", 1 << 31) == [range(OPEN_RANGE_BYTES)]
    assert parse_ranges(f"bytes=0-{1 << 30}", 1 << 31) == [range((1 << 30) + 1)]


@given(
    size=st.integers(1, 1000),
    specs=st.lists(
        st.one_of(
            st.tuples(st.integers(0, 1200), st.integers(0, 1200)).map(lambda t: f"{t[0]}-{t[1]}"),
            st.integers(0, 1200).map(lambda n: f"-{n}"),
            st.integers(0, 1200).map(lambda n: f"{n}-"),
        ),
        min_size=1, max_size=5,
    ),
)  # fmt: skip
def test_ranges_stay_inside_the_file_and_apart(size: int, specs: list[str]) -> None:
    try:
        ranges = parse_ranges("bytes=" + ",".join(specs), size)
    except UnsatisfiableError:
        return
    for found in ranges or []:
        assert 0 <= found.start < found.stop <= size
    seen = [place for found in ranges or [] for place in found]
    assert len(seen) == len(set(seen))
