"""The clipper's page as a new user meets it: keys, timeline, proposals, snapshot, phone."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from moving_views import film_views
from playwright.sync_api import expect
from served import Served
from videos import make_video, read_number

from annotation_tools.clipper.proposals import propose
from workbench.footage.frames import sample_frames
from workbench.footage.silence import find_sounding
from workbench.footage.video_info import probe
from workbench.footage.writer import VideoWriter
from workbench.labels.store import LabelStore

FRAMES = 100


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("matches")
    make_video(folder / "match.mp4", FRAMES, fps=Fraction(25), clicks_s=(0.5, 0.8, 2.4))
    with VideoWriter(folder / "takes.mp4", (320, 180), 25) as video:
        for move, seed, frames, light in (
            ("pan", 1, 14, 1),
            ("pan", 2, 30, 0.3),
            ("zoom", 3, 28, 1),
        ):
            for view in film_views(move, frames, seed=seed, wh=(320, 180), light=light):
                video.write(view.image)
    return folder


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("home")
    options = ["--annotator", "ann", "--out", str(home / "out")]
    with Served("clipper", folder, home, *options).running() as server:
        yield server


@contextmanager
def page_at(
    browser: Any, server: Served, video: str, who: str, wh: tuple[int, int] = (1280, 720)
) -> Iterator[Any]:
    """The page with a video open, for an annotator of its own."""
    is_phone = wh[0] < 500
    size = {"width": wh[0], "height": wh[1]}
    context = browser.new_context(viewport=size, has_touch=is_phone, is_mobile=is_phone)
    page = context.new_page()
    page.set_default_timeout(20_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(server.url)
    page.locator("#video").select_option(label=video)
    page.wait_for_selector("#loading", state="hidden")
    page.locator("#frame", has_text=re.compile("^frame 0")).wait_for()
    if not is_phone:
        page.locator("#annotator").fill(who)
        page.keyboard.press("Enter")
    yield page
    context.close()
    assert errors == []


def go_to(page: Any, frame: int) -> None:
    page.evaluate(f"clipper.player.seek({frame})")
    page.locator("#frame", has_text=re.compile(rf"^frame {frame}$")).wait_for()


def cuts(server: Served, who: str) -> list[tuple[int, int]]:
    with LabelStore(server.database) as store:
        values = [entry.value for entry in store.current("cut", annotator=who).values()]
    return sorted((value["start_frame"], value["end_frame"]) for value in values if value)


def saved(page: Any) -> None:
    page.wait_for_selector("#saved:not(.waiting):not(.offline)")


def mark(page: Any, start: int, last: int) -> None:
    go_to(page, start)
    page.keyboard.press("i")
    go_to(page, last)
    page.keyboard.press("o")


def test_out_before_in_keeps_both_and_says_so(browser: Any, server: Served) -> None:
    with page_at(browser, server, "match.mp4", "orla") as page:
        mark(page, 40, 20)
        assert page.locator("#draft").inner_text() == "IN 40 OUT 20 OUT is before IN"
        page.keyboard.press("Enter")
        page.locator("#notice", has_text="OUT (frame 20) is before IN (frame 40)").wait_for()
        expect(page.locator("#cuts li")).to_have_count(0)
        go_to(page, 10)
        page.keyboard.press("i")
        assert "IN 10 OUT 20 11 frames" in page.locator("#draft").inner_text()
        page.keyboard.press("Enter")
        expect(page.locator("#cuts li")).to_have_count(1)
        saved(page)
    assert cuts(server, "orla") == [(10, 21)]


def test_edges_are_dragged_and_the_toolbar_stands_still(browser: Any, server: Served) -> None:
    with page_at(browser, server, "match.mp4", "dana") as page:
        mark(page, 20, 39)
        page.keyboard.press("Enter")
        expect(page.locator("#cuts li")).to_have_count(1)
        boxes = """[...document.querySelectorAll('.transport button')]
            .map((button) => button.getBoundingClientRect().toJSON())"""
        before = page.evaluate(boxes)
        page.keyboard.press("[")
        expect(page.locator("#push-text")).to_have_text("Done")
        assert page.evaluate(boxes) == before
        assert len({round(box["y"]) for box in before}) == 1  # in one line
        box = page.locator("#timeline").bounding_box()

        def x(frame: int) -> float:
            return float(box["x"] + box["width"] * frame / FRAMES)

        y = box["y"] + 30
        for edge, to in ((20, 30), (40, 61)):
            page.mouse.move(x(edge) + 2, y)
            page.mouse.down()
            page.mouse.move(x(to), y, steps=4)
            page.mouse.up()
        page.locator("#frame", has_text=re.compile(r"^frame 60$")).wait_for()
        saved(page)
        assert cuts(server, "dana") == [(30, 61)]
        page.keyboard.press("Control+z")
        page.keyboard.press("Control+z")  # one drag is one step back
        saved(page)
        assert cuts(server, "dana") == [(20, 40)]
        page.locator("#sports button", has_text="soccer").click()
        expect(page.locator("#cuts select")).to_have_value("soccer")


def test_e_and_enter_export(browser: Any, server: Served) -> None:
    with page_at(browser, server, "match.mp4", "emil") as page:
        mark(page, 5, 9)
        page.keyboard.press("Enter")
        page.keyboard.press("e")
        page.keyboard.press("Enter")
        page.locator("#rows td", has_text="exported").wait_for()
        assert page.locator("#export-dialog").is_visible()


def test_takes_and_sounds_are_proposed(folder: Path) -> None:
    takes = propose(folder / "takes.mp4", "scenes", 0, 72, 1.0, -45)
    assert takes["ranges"] == [(14, 44), (44, 72)]  # the first is shorter than a second
    one = propose(folder / "match.mp4", "scenes", 0, FRAMES, 1.0, -45)
    assert (one["ranges"], one["why"]) == ([], "There is no hard cut here: it is one take.")
    sounds = find_sounding(probe(folder / "match.mp4"), 0, FRAMES, -45)
    # Clicks of 10 ms at 0.5, 0.8 and 2.4 s: the first two are one stretch. 25 frames a second.
    (first, second), (third, fourth) = sounds
    assert abs(first - 12) <= 2
    assert abs(second - 21) <= 3
    assert abs(third - 60) <= 2
    assert abs(fourth - 62) <= 3
    assert propose(folder / "takes.mp4", "sound", 0, 72, 1.0, -45)["why"] == (
        "This video has no sound."
    )
    assert find_sounding(probe(folder / "match.mp4"), 0, 10, -45) == ()


def test_proposals_are_kept_one_by_one_or_all(browser: Any, server: Served) -> None:
    with page_at(browser, server, "takes.mp4", "pia") as page:
        page.keyboard.press("d")
        page.keyboard.press("Enter")  # looks
        page.locator("#proposed", has_text="2 takes between hard cuts").wait_for()
        page.keyboard.press("Escape")
        go_to(page, 50)
        page.keyboard.press("Enter")
        expect(page.locator("#cuts li")).to_have_count(1)
        page.keyboard.press("d")
        page.locator("#keep-all").click()
        expect(page.locator("#cuts li")).to_have_count(2)
        saved(page)
    assert cuts(server, "pia") == [(14, 44), (44, 72)]


def test_a_snapshot_is_the_frame_on_the_screen(browser: Any, server: Served, folder: Path) -> None:
    with page_at(browser, server, "match.mp4", "sue") as page:
        go_to(page, 37)
        with page.expect_download() as found:
            page.keyboard.press("s")
        assert found.value.suggested_filename == "match_frame_000037.png"
        png = np.frombuffer(found.value.path().read_bytes(), np.uint8)
        picture = cv2.imdecode(png, cv2.IMREAD_COLOR)[..., ::-1]
        assert read_number(picture) == 37
        assert (picture == sample_frames(folder / "match.mp4", [37])[0]).all()
        page.keyboard.press("f")
        page.locator("#on-stage", has_text="frame 37").wait_for(state="visible")


def test_a_phone_shows_everything(browser: Any, server: Served) -> None:
    with page_at(browser, server, "match.mp4", "", (390, 844)) as page:
        assert page.evaluate("scrollY") == 0
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert page.locator("#annotator").is_visible()
        page.locator("#export").scroll_into_view_if_needed()
        page.locator("#sports").tap()  # nothing lies over it
