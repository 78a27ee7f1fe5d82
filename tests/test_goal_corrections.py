"""Clicking the goal and correcting a shot in the goal labeller: its server, and a browser."""

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from moving_views import View, film_views
from served import Served
from starlette.testclient import TestClient
from videos import make_video

from annotation_tools.goals import make_goals
from annotation_tools.serving import Guard, MediaIndex
from workbench.footage.clips import Clip, save_clips
from workbench.footage.writer import VideoWriter
from workbench.labels.records import Entry
from workbench.labels.store import LabelStore

WH = (640, 360)
CORNERS = [[100.0, 300.0], [110.0, 120.0], [480.0, 110.0], [500.0, 310.0]]


def clip_row(name: str, frames: int, camera: str, session: str = "s") -> Clip:
    times = {"time_base": Fraction(1, 25), "fps": Fraction(25), "start_pts": 0}
    ends = {"start_frame": 0, "end_frame": frames, "end_pts": frames}
    return Clip(
        name, f"{name}.mp4", f"{name}.mp4", session, width=WH[0], height=WH[1], camera=camera,
        **times, **ends,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of one session, four of sessions of their own; the cameras stand still."""
    folder = tmp_path_factory.mktemp("clips")
    rows = []
    for number, session in enumerate("ssabcd"):
        name, frames = f"shot_{number}", 20 + number
        make_video(folder / f"{name}.mp4", frames, size_wh=WH, fps=Fraction(25))
        rows.append(clip_row(name, frames, "fixed", session))
    save_clips(folder, rows)
    return folder


def say(database: str, kind: str, item: str, value: dict[str, Any], who: str = "ben") -> None:
    with LabelStore(database) as store:
        store.append(Entry(kind, item, value, annotator=who, tool="goals"))


# ---- the server ------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LabelStore]:
    with LabelStore(tmp_path / "labels.sqlite") as opened:
        yield opened


def client_of(folder: Path, store: LabelStore, **options: Any) -> TestClient:
    guard = Guard.local("t", b"s" * 32)
    media = MediaIndex.from_folder(folder)
    app = make_goals(media=media, store=store, guard=guard, folder=folder, **options)
    headers = {"authorization": "token t"}
    return TestClient(app, base_url="http://localhost", headers=headers)


def test_a_goal_is_told_for_the_clips_of_its_session(folder: Path, store: LabelStore) -> None:
    value = {"frame": 3, "corners_px": CORNERS, "goal_wh_m": [5, 2]}
    store.append(Entry("corners", "shot_0", value, annotator="ben", tool="t"))
    with client_of(folder, store) as client:
        own = client.get("/api/goal?item_id=shot_0").json()
        assert (own["corners_px"], own["frame"], own["is_own"]) == (CORNERS, 3, True)
        assert own["reason"] == "Clicked by ben."
        other = client.get("/api/goal?item_id=shot_1").json()
        assert not other["is_own"]
        assert other["goal_wh_m"] in ([5, 2], None)  # as far as the pictures can be registered
        assert "shot_0" in other["reason"]
        assert client.get("/api/clicked").json() == ["shot_0"]
        assert client.get("/api/goal?item_id=elsewhere").status_code == 404


def test_the_goal_of_a_moving_camera_is_told_frame_by_frame(
    tmp_path: Path, store: LabelStore
) -> None:
    folder = tmp_path / "clips"
    views: list[View] = list(film_views("pan", 12, seed=3, wh=WH, covered=0.1))
    with VideoWriter(folder / "pan.mp4", WH, 25) as video:
        for view in views:
            video.write(view.image)
    save_clips(folder, [clip_row("pan", 12, "steadied")])
    value = {"frame": 4, "corners_px": views[4].goal_px.tolist()}
    store.append(Entry("corners", "pan", value, annotator="ben", tool="t"))
    with client_of(folder, store) as client:
        frames = client.get("/api/goal/frames?item_id=pan").json()["frames"]
    assert len(frames) == 12
    for frame in (1, 4, 8):
        assert np.abs(np.array(frames[frame]) - views[frame].goal_px).max() < 1.5


def test_what_a_run_found_is_told_apart_from_its_verdict(
    folder: Path, store: LabelStore, tmp_path: Path
) -> None:
    verdicts = tmp_path / "verdicts.json"
    row = {"verdict": "goal", "kick_frame": 7, "foot": "left", "corners_px": CORNERS}
    verdicts.write_text(json.dumps({"shot_0": row}))
    with client_of(folder, store, verdicts=verdicts) as client:
        found = client.get("/api/found?item_id=shot_0").json()
        assert found == {"kick_frame": 7, "foot": "left", "corners_px": CORNERS, "goal": None}
        assert client.get("/api/found?item_id=shot_1").json()["kick_frame"] is None
        odd = {**row, "corners_px": [CORNERS[0]] * 4, "foot": "both", "kick_frame": -1}
        verdicts.write_text(json.dumps({"shot_0": odd}))  # its verdict counts all the same
        found = client.get("/api/found?item_id=shot_0").json()
        assert set(found.values()) == {None}
        assert client.get("/api/model").json()["verdicts"]["shot_0"]["verdict"] == "goal"


# ---- in a browser ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def labeller(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server; every test has a clip of its own."""
    home = tmp_path_factory.mktemp("home")
    with Served("goals", folder, home, "--annotator", "anna").running() as served:
        yield served


@pytest.fixture
def page(browser: Any, labeller: Served) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page = context.new_page()
    page.set_default_timeout(20_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(labeller.url)
    yield page
    context.close()
    assert errors == []


def open_clip(page: Any, mode: str, item: str) -> None:
    page.wait_for_selector('body[data-shown^="shot"]')
    page.evaluate(f"location.hash = '#{mode}={item}'")
    page.wait_for_selector(f'body[data-shown="{item}"]')
    page.wait_for_selector(f"#{mode}-panel:visible")
    page.wait_for_function("() => goals.correct.goal !== null")  # the server has answered


def on_screen(page: Any, place: list[float]) -> tuple[float, float]:
    """Where a place of the video is on the page."""
    matrix = "document.querySelector('#drawing').getScreenCTM()"
    scale, left, top = page.evaluate(f"() => {{ const m = {matrix}; return [m.a, m.e, m.f] }}")
    return left + scale * place[0], top + scale * place[1]


def drag(page: Any, start: list[float], stop: list[float]) -> None:
    page.mouse.move(*on_screen(page, start))
    page.mouse.down()
    page.mouse.move(*on_screen(page, stop))
    page.mouse.up()


def said(labeller: Served, page: Any, kind: str, item: str) -> dict[str, Any] | None:
    page.evaluate(f"() => goals.clicked.{kind}.settled()")
    with LabelStore(labeller.database) as store:
        entry = store.current(kind, annotator="anna").get(("anna", item))
    return None if entry is None else entry.value


def test_four_clicks_make_a_goal_that_is_dragged_sized_and_taken_back(
    labeller: Served, page: Any
) -> None:
    open_clip(page, "goal", "shot_2")
    assert not page.locator("#verdicts").is_visible()
    for number in (2, 0, 3):
        page.mouse.click(*on_screen(page, CORNERS[number]))
    assert "3 of 4" in page.locator("#goal-hint").inner_text()
    assert page.locator("#loupe").is_visible()
    page.keyboard.press("y")  # no verdict by mistake
    assert said(labeller, page, "corners", "shot_2") is None
    page.mouse.click(*on_screen(page, CORNERS[1]))
    page.wait_for_selector("#goal-hint:has-text('Serves all clips')")
    value = said(labeller, page, "corners", "shot_2")
    assert value is not None
    assert np.abs(np.array(value["corners_px"]) - CORNERS).max() < 0.6
    assert value["goal_wh_m"] == [7.32, 2.44]

    drag(page, CORNERS[2], [470.0, 90.0])
    page.keyboard.press("Shift+ArrowUp")  # the corner that was dragged has the keyboard
    page.wait_for_function("() => goals.clicked.corners.mine.length === 3")
    value = said(labeller, page, "corners", "shot_2")
    assert value is not None
    assert np.abs(np.array(value["corners_px"][2]) - [470, 85]).max() < 0.6
    page.keyboard.press("Control+z")
    value = said(labeller, page, "corners", "shot_2")
    assert value is not None
    assert value["corners_px"][2][1] == pytest.approx(90, abs=0.6)

    page.locator("#goal-size").select_option("other")
    page.locator("#goal-width").fill("4.5")
    page.locator("#goal-height").fill("1.75")
    page.keyboard.press("Tab")
    page.wait_for_function("() => !goals.clicked.corners.waiting")
    value = said(labeller, page, "corners", "shot_2")
    assert value is not None
    assert value["goal_wh_m"] == [4.5, 1.75]

    page.reload()
    open_clip(page, "goal", "shot_2")
    page.wait_for_selector("#drawing .handle >> nth=3")
    assert page.locator("#goal-size").input_value() == "other"
    page.keyboard.press("Backspace")
    page.wait_for_selector("#drawing .handle", state="detached")
    assert said(labeller, page, "corners", "shot_2") is None
    page.keyboard.press("c")
    page.wait_for_selector("#verdicts:visible")
    with LabelStore(labeller.database) as store:
        assert store.current("verdict") == {}


def test_a_corner_between_the_others_is_told_and_not_kept(labeller: Served, page: Any) -> None:
    open_clip(page, "goal", "shot_3")
    for place in (*CORNERS[:3], [250.0, 180.0]):
        page.mouse.click(*on_screen(page, place))
    page.wait_for_selector("#notice.bad:has-text('one corner lies between')")
    assert said(labeller, page, "corners", "shot_3") is None
    page.mouse.click(*on_screen(page, CORNERS[3]))  # the last click alone is asked for again
    page.wait_for_selector("#goal-hint:has-text('Serves all clips')")
    assert said(labeller, page, "corners", "shot_3") is not None


def test_corners_of_somebody_else_are_shown_and_become_ones_own_when_dragged(
    labeller: Served, page: Any
) -> None:
    value = {"frame": 3, "corners_px": CORNERS, "goal_wh_m": [3, 2]}
    say(labeller.database, "corners", "shot_4", value)
    open_clip(page, "goal", "shot_4")
    page.wait_for_selector("#drawing .handle >> nth=3")
    assert page.locator("#goal-size").input_value() == "3 x 2"
    drag(page, CORNERS[0], [90.0, 320.0])
    page.wait_for_function("() => !goals.clicked.corners.waiting && goals.correct.goal.is_own")
    own = said(labeller, page, "corners", "shot_4")
    assert own is not None
    assert np.abs(np.array(own["corners_px"]) - [[90, 320], *CORNERS[1:]]).max() < 0.6
    assert own["goal_wh_m"] == [3, 2]


def test_kick_foot_and_ball_are_corrected(labeller: Served, page: Any) -> None:
    open_clip(page, "shot", "shot_5")
    page.keyboard.press("Home")
    page.wait_for_selector("#frame:text-is('frame 0')")
    page.keyboard.press("Shift+Period")
    page.wait_for_selector("#frame:text-is('frame 10')")
    page.keyboard.press("i")
    page.keyboard.press("Shift+ArrowLeft")
    page.mouse.click(*on_screen(page, [200.0, 150.0]))
    page.wait_for_selector("#drawing .ball")
    page.keyboard.press("Period")
    page.wait_for_selector("#frame:text-is('frame 11')")
    assert page.locator("#drawing .ball").count() == 0
    page.keyboard.press("o")
    value = said(labeller, page, "shot", "shot_5")
    assert value is not None
    assert (value["kick_frame"], value["foot"]) == (10, "left")
    (frame, x, y), gone = value["ball"]
    assert (frame, gone) == (10, [11, None, None])
    assert abs(x - 200) < 0.6
    assert abs(y - 150) < 0.6
    page.keyboard.press("Delete")
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Shift+KeyI")
    page.wait_for_selector("#frame:text-is('frame 10')")
    page.keyboard.press("Delete")
    page.keyboard.press("i")
    assert said(labeller, page, "shot", "shot_5") is None  # nothing is left to be corrected
    page.keyboard.press("Control+z")
    value = said(labeller, page, "shot", "shot_5")
    assert value == {"kick_frame": 10, "foot": None, "ball": None, "distance_m": None}


def test_from_how_far_is_told_refused_and_taken_back(labeller: Served, page: Any) -> None:
    open_clip(page, "shot", "shot_5")
    for typed, kept in (("11", 11.0), ("120", 11.0), ("", None)):
        page.fill("#distance", typed)
        page.press("#distance", "Enter")
        value = said(labeller, page, "shot", "shot_5")
        assert (value["distance_m"] if value else None) == kept
