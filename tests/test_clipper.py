"""The clipper in a real browser: the frame it says is the frame it shows, and cuts are exact."""

import os
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect
from served import Served
from videos import make_video, read_number

from workbench.footage.clips import load_clips
from workbench.footage.frames import iter_frames
from workbench.labels.store import LabelStore

FRAMES, SIZE_WH = 90, (160, 96)
SEEKS = int(os.environ.get("WORKBENCH_SEEKS", "8"))  # per video, each followed by a step
VFR = np.cumsum(np.random.default_rng(0).choice([30, 40, 70], FRAMES)).tolist()
# The page's own video element, drawn where the barcode can be read back.
PIXELS = """() => {
  const video = document.querySelector("#player");
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [80, 48];
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0, 80, 48);
  return Array.from(context.getImageData(0, 0, canvas.width, canvas.height).data);
}"""


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("matches")
    for name, fps in (("25", 25), ("2997", Fraction(30000, 1001)), ("30", 30),
                      ("5994", Fraction(60000, 1001))):  # fmt: skip
        make_video(folder / f"fps_{name}.mp4", FRAMES, size_wh=SIZE_WH, fps=Fraction(fps))
    make_video(folder / "vfr.mp4", FRAMES, size_wh=SIZE_WH, pts=VFR, time_base=Fraction(1, 1000))
    return folder


@pytest.fixture
def url(videos: Path, tmp_path: Path) -> Iterator[str]:
    options = ["--annotator", "ann", "--out", str(tmp_path / "out")]
    with Served("clipper", videos, tmp_path, *options).running() as server:
        yield server.url


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": 1280, "height": 720})  # with a context of its own
    page.set_default_timeout(30_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert errors == []


def choose(page: Any, name: str) -> None:
    page.locator("#video").select_option(label=name)
    page.wait_for_selector("#loading", state="hidden")
    page.locator("#frame", has_text=re.compile(r"^frame 0")).wait_for()


def go_to(page: Any, frame: int) -> None:
    """Go to a frame, and wait until the browser itself says that it is on the screen."""
    page.keyboard.press("g")
    page.locator("#place").fill(str(frame))
    page.keyboard.press("Enter")
    page.wait_for_selector("#go-dialog", state="hidden")
    page.locator("#frame:not(.inferred)", has_text=re.compile(rf"^frame {frame}$")).wait_for()


def keep_cut(page: Any, start: int, end: int, count: int) -> None:
    """Mark frames [start, end), keep them as a cut, and wait until there are `count` cuts."""
    # A key in the moment in which the dialog closes is the dialog's; marking twice marks once.
    marked = {"i": "#draft:not(:empty)", "o": "#push:enabled"}
    for frame, key in ((start, "i"), (end - 1, "o")):
        go_to(page, frame)
        for _ in range(20):
            page.keyboard.press(key)
            page.wait_for_timeout(150)
            if page.locator(marked[key]).count():
                break
    page.keyboard.press("Enter")
    expect(page.locator("#cuts li")).to_have_count(count)


def wait_for_export(page: Any, count: int) -> None:
    """Wait until the page says that so many clips are there; a failure shows what it says."""
    states = page.locator("#rows tbody td:last-child")
    expect(states).to_have_text([re.compile("exported|was there")] * count, timeout=60_000)


def shown(page: Any) -> int:
    pixels = np.array(page.evaluate(PIXELS), np.uint8).reshape(48, 80, 4)
    return read_number(pixels[..., :3])


@pytest.mark.parametrize("name", ["fps_25", "fps_2997", "fps_30", "fps_5994", "vfr"])
def test_the_frame_it_says_is_the_frame_it_shows(url: str, page: Any, name: str) -> None:
    page.goto(url)
    choose(page, f"{name}.mp4")
    wrong = []
    for frame in np.random.default_rng(1).integers(0, FRAMES - 1, SEEKS).tolist():
        go_to(page, frame)
        if shown(page) != frame:
            wrong.append((frame, shown(page)))
        step, key = (1, ".") if frame + 1 < FRAMES - 1 else (-1, ",")
        page.keyboard.press(key)
        beside = frame + step
        page.locator("#frame:not(.inferred)", has_text=re.compile(rf"^frame {beside}$")).wait_for()
        if shown(page) != beside:
            wrong.append((beside, shown(page)))
    assert wrong == []


def test_three_cuts_are_made_undone_and_exported_to_the_frame(
    url: str, page: Any, tmp_path: Path
) -> None:
    page.goto(url)
    choose(page, "fps_2997.mp4")
    asked = [(5, 20), (30, 31), (61, 88)]
    for number, (start, end) in enumerate(asked):
        keep_cut(page, start, end, number + 1)
    rows = page.locator("#cuts li")
    expect(rows).to_have_count(3)
    page.keyboard.press("Control+z")
    expect(rows).to_have_count(2)
    page.keyboard.press("Control+Shift+z")
    expect(rows).to_have_count(3)
    page.wait_for_selector("#saved:not(.waiting):not(.offline)")
    with LabelStore(f"sqlite:///{tmp_path / 'labels.sqlite'}") as store:
        cuts = [entry.value for entry in store.current("cut").values()]
    assert sorted((cut["start_frame"], cut["end_frame"]) for cut in cuts if cut) == asked

    page.keyboard.press("e")
    page.locator("#start").click()
    wait_for_export(page, 3)
    clips = sorted(load_clips(tmp_path / "out"), key=lambda clip: clip.start_frame)
    for clip, (start, end) in zip(clips, asked, strict=True):
        assert (clip.start_frame, clip.end_frame) == (start, end)
        images = [frame.image for frame in iter_frames(tmp_path / "out" / clip.file)]
        assert [read_number(image) for image in images] == list(range(start, end))


def test_a_video_whose_labels_come_late_gets_no_cut_of_the_next(
    url: str, page: Any, tmp_path: Path
) -> None:
    late: list[Any] = []
    page.route("**/api/labels?**", lambda route: route.continue_() if late else late.append(route))
    page.goto(url)
    page.locator("#video").wait_for()
    choose(page, "fps_30.mp4")
    late[0].continue_()
    page.wait_for_load_state("networkidle")
    keep_cut(page, 3, 9, 1)
    page.wait_for_selector("#saved:not(.waiting):not(.offline)")
    chosen = page.locator("#video").input_value()
    assert chosen not in late[0].request.url
    with LabelStore(f"sqlite:///{tmp_path / 'labels.sqlite'}") as store:
        assert [entry.source_id for entry in store.current("cut").values()] == [chosen]


def test_a_smart_cut_is_exact_and_says_how_much_was_copied(
    url: str, page: Any, tmp_path: Path
) -> None:
    page.goto(url)
    choose(page, "fps_25.mp4")
    keep_cut(page, 5, 60, 1)
    page.keyboard.press("e")
    page.locator("#export-dialog label", has_text="Smart").click()
    page.locator("#start").click()
    wait_for_export(page, 1)
    expect(page.locator("#rows tbody td").nth(4)).to_have_text(re.compile(r"^\d+ of 55$"))
    (clip,) = load_clips(tmp_path / "out")
    images = [frame.image for frame in iter_frames(tmp_path / "out" / clip.file)]
    assert [read_number(image) for image in images] == list(range(5, 60))


def test_a_fast_copy_says_how_much_earlier_it_starts(url: str, page: Any, tmp_path: Path) -> None:
    page.goto(url)
    choose(page, "fps_25.mp4")
    keep_cut(page, 40, 60, 1)
    page.keyboard.press("e")
    page.locator("#export-dialog label", has_text="Fast copy").click()
    page.locator("#start").click()
    row = page.locator("#rows tbody tr")
    row.wait_for()
    wait_for_export(page, 1)
    (clip,) = load_clips(tmp_path / "out")
    assert clip.start_frame <= 40
    assert clip.end_frame >= 60
    images = [frame.image for frame in iter_frames(tmp_path / "out" / clip.file)]
    assert [read_number(image) for image in images] == list(range(clip.start_frame, clip.end_frame))
    assert "40" in row.inner_text()


def test_script_in_the_name_of_a_cut_stays_text(url: str, page: Any) -> None:
    evil = "<img src=x onerror=document.title='owned'>"
    page.goto(url)
    choose(page, "fps_25.mp4")
    keep_cut(page, 10, 20, 1)
    name = page.locator("#cuts li input").first
    name.fill(evil)
    name.press("Enter")
    page.wait_for_selector("#saved:not(.waiting):not(.offline)")
    page.reload()  # the video opens again, at the frame where it was left
    expect(page.locator("#cuts li input").first).to_have_value(evil)
    assert page.title() != "owned"
    assert page.locator("img[src=x]").count() == 0
