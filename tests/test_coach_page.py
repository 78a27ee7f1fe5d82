"""The coach's page in a real browser: a clip, its video, what was measured, words that are true."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from served import Served

from workbench.simulated.sessions import make_footage

LIES = """Verdict: It left the foot at 200 km/h.
Fix 1: Your knee was bent by 179°.
Fix 2: We are 3 % sure.
Drill: <b>Ten</b> kicks.
"""


PATIENCE_S = 6


class Liar(BaseHTTPRequestHandler):
    """A model that says nothing true, or nothing at all."""

    is_silent = False

    def do_POST(self):
        self.send_response(200)
        self.end_headers()
        if Liar.is_silent:
            self.wfile.flush()
            time.sleep(2 * PATIENCE_S)
            return
        content = json.dumps({"choices": [{"delta": {"content": LIES}}]})
        self.wfile.write(f"data: {content}\n\ndata: [DONE]\n\n".encode())

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def page_of(tmp_path_factory):
    """The served page over one rendered shot, with a coach who lies at the toggle."""
    folder, home = tmp_path_factory.mktemp("footage"), tmp_path_factory.mktemp("home")
    wh = (320, 180)
    make_footage(folder, sessions=0, shooting_sessions=1, shots=1, seed=3, size_wh=wh)
    liar = ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    threading.Thread(target=liar.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{liar.server_port}/v1"
    more = ("--out", str(home / "coach"), "--server", url, "--model", "liar")
    more += ("--patience", str(PATIENCE_S))
    with Served("coach", folder, home, *more).running() as served:
        yield served
    liar.shutdown()
    liar.server_close()


def test_a_clip_is_shown_then_talked_about_and_another_coach_tells_no_lie(page_of, browser):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(page_of.url)
    page.click("#gallery button")
    page.wait_for_selector("#parts dt:nth-of-type(4)", timeout=300_000)
    assert page.eval_on_selector("#video", "v => v.readyState") >= 2  # before the first word
    assert page.text_content("#headline") in ("Goal", "No goal", "Can’t tell")
    first = page.text_content("#parts")
    page.keyboard.press("c")
    page.wait_for_selector("#marked:not([hidden])")
    page.wait_for_selector("#parts dt:nth-of-type(4)")
    said = page.text_content("#parts")
    assert "200" not in said
    assert said.replace(" *", "") == first  # the rules, marked
    assert not errors
    assert all(url.startswith((f"http://127.0.0.1:{page_of.port}/", "data:")) for url in asked)
    page.close()


def test_the_video_plays_on_while_a_coach_is_silent(page_of, browser, monkeypatch):
    page = browser.new_page()
    page.goto(page_of.url)
    page.click("#gallery button")
    page.wait_for_selector("#parts dt:nth-of-type(4)", timeout=300_000)
    told = page.text_content("#parts")
    monkeypatch.setattr(Liar, "is_silent", True)
    started = time.monotonic()
    page.keyboard.press("c")
    page.wait_for_function("document.querySelector('#parts').textContent === '…'")
    at = "document.querySelector('#video').currentTime"
    page.wait_for_function(f"window.before = {at}, true")
    page.wait_for_function(f"{at} !== window.before", timeout=PATIENCE_S * 1000)
    overlay = page.eval_on_selector("#video", "v => fetch(v.src).then(one => one.status)")
    assert overlay == 200
    assert page.text_content("#parts") == "…"  # still silent
    page.wait_for_selector("#marked:not([hidden])", timeout=10 * PATIENCE_S * 1000)
    page.wait_for_selector("#parts dt:nth-of-type(4)")
    assert time.monotonic() - started >= PATIENCE_S
    assert page.text_content("#parts").replace(" *", "") == told
    page.close()


def test_a_clip_of_ones_own_is_analysed_and_stays_in_the_gallery(page_of, browser, tmp_path):
    film = make_footage(
        tmp_path, sessions=0, shooting_sessions=1, shots=1, seed=4, size_wh=(320, 180)
    )
    video = (tmp_path / film[0].file).rename(tmp_path / "IMG_4711.mov")
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    failed = []
    page.on("response", lambda one: failed.append(one.url) if one.status >= 400 else None)
    page.goto(page_of.url)
    page.wait_for_selector("#empty")  # what to do, and no video without a clip
    assert not page.is_visible("#video")
    page.wait_for_selector("#gallery button")
    page.set_input_files("#file", video)
    page.wait_for_selector("#parts dt:nth-of-type(4)", timeout=300_000)
    assert page.inner_text("#gallery button[aria-current=true]") == "IMG_4711"
    assert "corners (workbench serve" not in page.text_content("main")  # they are clicked here
    assert not failed
    page.close()


@pytest.mark.parametrize(
    ("name", "kind", "content", "status"),
    [("shot.mp4", "application/octet-stream", b"no video", 422),
     ("shot.exe", "application/octet-stream", b"x", 415), ("shot.mp4", "text/plain", b"x", 415)],
)  # fmt: skip
def test_what_is_no_video_is_refused(page_of, name, kind, content, status):
    with page_of.client() as client:
        headers = {"content-type": kind}
        answer = client.post("/api/upload", params={"name": name}, content=content, headers=headers)
        assert answer.status_code == status, answer.text
        assert "/tmp" not in answer.text
        assert client.get("/api/jobs/none").status_code == 404
        assert client.get("/api/uploads/none").status_code == 404
        corners = {"media_id": "x", "goal": {"frame": 0, "corners_px": [[1, 2]]}}
        assert client.post("/api/analyse", json=corners).status_code == 400
