"""The base of the browser tools: who is let in, and which bytes they get."""

import os
import re
import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from starlette.testclient import TestClient
from videos import make_video

from annotation_tools.clipper import make_clipper
from annotation_tools.goals import make_goals
from annotation_tools.serving import Guard, MediaIndex
from annotation_tools.serving.ranges import OPEN_RANGE_BYTES, VideoResponse, clamp_ranges
from workbench.labels.store import LabelStore

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("serving") / SCRIPT.replace("/", "_")
    folder.mkdir()
    make_video(folder / "shot.mp4", 20, fps=Fraction(25))
    return folder


@pytest.fixture
def client(folder: Path, tmp_path: Path) -> Iterator[TestClient]:
    with LabelStore(f"sqlite:///{tmp_path / 'labels.sqlite'}") as store:
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


@pytest.mark.parametrize("tool", ["goals", "clipper"])
def test_odd_neighbours_keep_nobody_from_the_good_videos(tool: str, tmp_path: Path) -> None:
    """A name that is no UTF-8, files that cannot be read, a film without a sound or a clock."""
    folder = tmp_path / "odd"
    folder.mkdir()
    good = make_video(folder / "good.mp4", 20, fps=Fraction(25))
    make_video(folder / os.fsdecode(b"tor\xe9.mp4"), 22, fps=Fraction(25))
    content = make_video(folder / "codec.mkv", 24).read_bytes()
    (folder / "codec.mkv").write_bytes(content.replace(b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/XYZ"))
    (folder / "text.mp4").write_text("no video\n" * 90)
    (folder / "dangling.mp4").symlink_to(folder / "gone.mp4")
    piece = make_video(tmp_path / "a.ts", 20).read_bytes()
    (folder / "joined.ts").write_bytes(piece * 2)
    readable = {"good.mp4": 20, "tor%E9.mp4": 22, "joined.ts": 40}
    with LabelStore(tmp_path / "labels.sqlite") as store:
        common = {"media": MediaIndex.from_folder(folder), "store": store}
        common |= {"guard": Guard.local("right", b"s" * 32)}
        if tool == "goals":
            app = make_goals(**common, folder=folder)
        else:
            app = make_clipper(**common, out_dir=tmp_path / "out")
        with TestClient(app, base_url="http://localhost") as client:
            client.headers["authorization"] = "token right"
            media = {row["name"]: row["media_id"] for row in client.get("/api/media").json()}
            assert set(media) == {*readable, "codec.mkv", "text.mp4"}
            if tool == "goals":
                names = {row["name"] for row in client.get("/api/items").json()}
                assert names == set(media)
            for name, media_id in media.items():
                answer = client.get(f"/api/media/{media_id}/frames")
                if name not in readable:
                    assert answer.status_code == 422
                    assert set(answer.json()) >= {"problem", "remedy"}
                    continue
                assert answer.json()["frame_count"] == readable[name]
                image = client.get(f"/api/media/{media_id}/image?frame=3&width=64")
                assert image.headers["content-type"] == "image/jpeg"
                body = client.get(f"/media/{media_id}", headers={"range": "bytes=0-9"})
                assert body.status_code == 206
            good.unlink()  # while the tool runs
            assert client.get(f"/media/{media['good.mp4']}").status_code == 410
            assert "good.mp4" not in {row["name"] for row in client.get("/api/media").json()}


def test_a_file_that_may_not_be_read_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make_video(tmp_path / "good.mp4", 8)
    shutil.copy(tmp_path / "good.mp4", tmp_path / "locked.mp4")
    opened = Path.open

    def refuse(path: Path, *args: Any, **options: Any) -> Any:  # root may read anything
        if path.name == "locked.mp4":
            raise PermissionError(13, "Permission denied")
        return opened(path, *args, **options)

    monkeypatch.setattr(Path, "open", refuse)
    assert [medium.name for medium in MediaIndex.from_folder(tmp_path).files] == ["good.mp4"]
    assert "locked.mp4 is left out" in caplog.text
    assert "Permission denied" in caplog.text


# ------------------------------------------------------------------------------------- the guard


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "token wrong"}, 401),
        ({"authorization": "token right"}, 200),
        ({"cookie": "workbench-goals-8802=1700000000.forged"}, 401),
        ({"authorization": "token right", "host": "evil.example"}, 400),
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


def test_a_body_that_does_not_announce_its_length_is_limited_too(known: TestClient) -> None:
    sent = {"origin": "http://localhost:8802", "content-type": "application/json"}
    answer = known.post("/api/labels", content=iter([b"[" * 1000] * 100), headers=sent)
    assert answer.status_code == 413
    assert "KiB" in answer.json()["problem"]


def test_a_cookie_signed_by_another_or_long_ago_opens_nothing(client: TestClient) -> None:
    name = client.get("/?token=right").headers["set-cookie"].partition("=")[0]
    client.cookies.clear()
    own, other = Guard.local("right", b"s" * 32), Guard.local("right", b"t" * 32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.time", lambda: 1_700_000_000.0)
        old = own.cookie()
    for cookie, status in ((own.cookie(), 200), (other.cookie(), 401), (old, 401)):
        answer = client.get("/api/session", headers={"cookie": f"{name}={cookie}"})
        assert answer.status_code == status


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


@pytest.mark.parametrize(
    ("asked", "clamped"),
    [
        ("bytes=0-", f"bytes=0-{OPEN_RANGE_BYTES - 1}"),
        ("bytes=7-", f"bytes=7-{OPEN_RANGE_BYTES + 6}"),
        (f"bytes=0-{1 << 30}", f"bytes=0-{1 << 30}"),
        ("bytes=-7", "bytes=-7"),
        ("bytes= 5-6 ,, 1- ", f"bytes=5-6,1-{OPEN_RANGE_BYTES}"),
        ("bytes=5-6,99999999999-", "bytes=5-6"),
        ("bytes=99999999999-", "bytes=99999999999-"),
        ("bytes=-", None),
        ("bytes=", None),
        ("bytes=1-2;3-4", None),
        ("bytes=" + "1-2," * 33, None),
        (f"bytes={'9' * 5000}-", None),
    ],
)
def test_a_range_without_an_end_gets_one(asked: str, clamped: str | None) -> None:
    assert clamp_ranges(asked, 1 << 31) == clamped


CONTENT = bytes(range(256)) * 2


@pytest.fixture(scope="module")
def ranges_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Serves the first bytes of `CONTENT`: as many as the path says."""
    path = tmp_path_factory.mktemp("ranges") / "content.mp4"

    def serve(request: Request) -> VideoResponse:
        path.write_bytes(CONTENT[: request.path_params["size"]])
        return VideoResponse(path, "video/mp4", path.stat(), open_bytes=50)

    with TestClient(Starlette(routes=[Route("/{size:int}", serve)])) as client:
        yield client


@given(
    size=st.integers(1, len(CONTENT)),
    specs=st.lists(
        st.one_of(
            st.tuples(st.integers(0, 600), st.integers(0, 600)).map(lambda t: f"{t[0]}-{t[1]}"),
            st.integers(0, 600).map(lambda n: f"-{n}"),
            st.integers(0, 600).map(lambda n: f"{n}-"),
        ),
        min_size=1, max_size=5,
    ),
)  # fmt: skip
def test_ranges_stay_inside_the_file_and_apart(
    ranges_of: TestClient, size: int, specs: list[str]
) -> None:
    answer = ranges_of.get(f"/{size}", headers={"range": "bytes=" + ",".join(specs)})
    assert answer.status_code in (200, 206, 416)
    if answer.status_code == 206:
        seen: list[int] = []
        single = answer.headers.get("content-range")
        heads = [single] if single else re.findall(r"Content-Range: (.+)\r", answer.text)
        for head in heads:
            first, last, whole = map(int, re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", head).groups())
            assert 0 <= first <= last < whole == size
            assert CONTENT[first : last + 1] in answer.content
            seen += range(first, last + 1)
        assert seen
        assert len(seen) == len(set(seen))
        assert int(answer.headers["content-length"]) == len(answer.content)


def test_cuts_take_ones_own_classes_with_keys_that_the_clipper_leaves_free(tmp_path: Path) -> None:
    make_video(tmp_path / "good.mp4", 5)
    classes = tmp_path / "classes.yaml"
    classes.write_text("classes: {lob: o, volley: v, serve: 7, none: }", encoding="utf-8")
    with LabelStore(tmp_path / "labels.sqlite") as store:
        app = make_clipper(
            media=MediaIndex.from_folder(tmp_path), store=store, out_dir=tmp_path / "out",
            guard=Guard.local("right", b"s" * 32), classes_file=classes,
        )  # fmt: skip
        with TestClient(app, base_url="http://localhost") as client:
            told = client.get("/api/session", headers={"authorization": "token right"}).json()
    assert told["sports"] == ["lob", "volley", "serve", "none"]
    # O marks OUT, so a digit stands for lob.
    keys = {"lob": ["Digit2"], "volley": ["v"], "serve": ["Digit7"], "none": ["Digit1"]}
    assert told["class_keys"] == keys
