"""The goal labeller's review, events and blind rounds, in a browser with the keyboard."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from served import Served
from videos import make_video

from workbench.labels.records import Entry, read_source
from workbench.labels.store import LabelStore

LONG = "a_match_on_a_sunday_in_the_rain_with_a_very_long_name"
FRAMES = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("review") / "clips"
    folder.mkdir()
    for number in range(5):
        make_video(folder / f"{LONG}_{number}.mp4", FRAMES + number, fps=Fraction(25))
    verdicts = {name(3): {"verdict": "unsure", "score": 0.5}, name(4): {"verdict": "no_goal"}}
    rows = {"model": "net", "verdicts": verdicts}
    (folder / "verdicts.json").write_text(json.dumps(rows))
    return folder


def name(number: int) -> str:
    return f"{LONG}_{number}"


@contextmanager
def labeller(folder: Path, home: Path, *options: str) -> Iterator[Served]:
    with Served("goals", folder, home, "--annotator", "anna", *options).running() as server:
        yield server


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The tool with what ben and carla have said before."""
    home = tmp_path_factory.mktemp("home")
    with labeller(folder, home, "--events", "kick,save") as server:
        say(server, 0, "goal", 20, "ben")
        say(server, 0, "goal", 48, "carla")
        say(server, 2, "goal", 30, "ben")
        say(server, 2, "no_goal", None, "carla")
        say(server, 3, "goal", 30, "ben")
        say(server, 4, "no_goal", 30, "ben")
        yield server


def say(server: Served, number: int, verdict: str, frame: int | None, who: str) -> None:
    value = {"verdict": verdict, "event_frame": frame}
    with LabelStore(server.database) as store:
        store.append(Entry("verdict", name(number), value, annotator=who, tool="goals"))


def said(server: Served, kind: str, who: str) -> dict[str, Any]:
    with LabelStore(server.database) as store:
        return {item: e.value for (_, item), e in store.current(kind, annotator=who).items()}


@contextmanager
def page_at(browser: Any, url: str, wh: tuple[int, int] = (1280, 720)) -> Iterator[Any]:
    is_phone = wh[0] < 500
    size = {"width": wh[0], "height": wh[1]}
    context = browser.new_context(viewport=size, has_touch=is_phone, is_mobile=is_phone)
    page = context.new_page()
    page.set_default_timeout(20_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(url)
    page.wait_for_selector("body[data-shown]:not([data-shown=''])")
    yield page
    context.close()
    assert errors == []


def shows(page: Any, item: str) -> None:
    page.wait_for_selector(f'body[data-shown="{item}"]')


def notices(page: Any, text: str) -> None:
    page.locator("#notice", has_text=text).wait_for()


def test_an_adjudicator_settles_the_worst_disagreement_first(browser: Any, server: Served) -> None:
    with page_at(browser, server.url) as page:
        page.keyboard.press("Shift+y")
        notices(page, "press V")
        page.keyboard.press("v")
        page.keyboard.press("x")
        shows(page, name(2))  # goal against no goal, before the same goal in two frames
        notices(page, "1 of 2 that wait: they differ")
        # The sign stays beside a name that has no room.
        sign = page.locator("#clips li.here .differ")
        assert sign.inner_text() == "≠"
        assert sign.bounding_box()["width"] > 5
        page.locator(".opinions li", has_text="ben").get_by_text("take").click()
        notices(page, "settled: goal, frame 30")
        page.locator(".last-word", has_text="Settled by anna").wait_for()
        assert sign.inner_text() == "="
        page.keyboard.press("x")
        shows(page, name(0))
        assert "12 frames apart" in page.locator("#opinions h2").inner_text()
        page.keyboard.press("Shift+y")  # they do not agree on a frame, and none is marked
        notices(page, "settled: goal, no frame")
        page.keyboard.press("Shift+0")
        notices(page, "open again")
        page.keyboard.press("Control+z")
        page.locator(".last-word", has_text="Settled").wait_for()
        page.keyboard.press("x")
        notices(page, "nothing waits")
        page.wait_for_selector("#saved:not(.waiting)")
    assert said(server, "settled_verdict", "anna") == {
        name(2): {"verdict": "goal", "event_frame": 30},
        name(0): {"verdict": "goal", "event_frame": None},
    }
    assert said(server, "verdict", "anna") == {}


def test_a_model_that_abstains_agrees_with_nobody(browser: Any, server: Served) -> None:
    with page_at(browser, server.url) as page:
        page.evaluate(f"location.hash = '#review={name(3)}'")
        shows(page, name(3))
        page.locator(".opinions li", has_text="net (model)").wait_for()
        assert "abstains" in page.locator(".opinions li", has_text="net").inner_text()
        assert "One verdict so far" in page.locator("#opinions h2").inner_text()
        assert page.locator("#clips li.here .differ").inner_text() == ""
        page.evaluate(f"location.hash = '#review={name(4)}'")
        shows(page, name(4))
        assert "They agree" in page.locator("#opinions h2").inner_text()


def test_several_events_with_ones_own_labels(browser: Any, server: Served, folder: Path) -> None:
    source = read_source(folder / f"{name(1)}.mp4")
    with LabelStore(server.database) as store:
        store.add_source(source)
        value = {"label": "kick", "frame": 9}
        entry = Entry("event", "theirs", value, annotator="ben", tool="t",
                      source_id=source.source_id)  # fmt: skip
        store.append(entry)
    with page_at(browser, server.url) as page:
        page.evaluate(f"location.hash = '#goal={name(1)}'")
        shows(page, name(1))
        page.keyboard.press("w")
        page.locator("#events-panel").wait_for()
        assert page.locator("#event-list li").count() == 0  # others' are seen in review alone
        page.evaluate("goals.player.seek(12)")
        page.keyboard.press("1")
        page.evaluate("goals.player.seek(40)")
        page.keyboard.press("2")
        page.locator("#new-event").fill("celebration")
        page.keyboard.press("Enter")
        page.keyboard.press("3")
        page.keyboard.press("2")  # it was no save
        rows = page.locator("#event-list li")
        expect(rows).to_have_count(2)
        assert [text.split("\n")[0] for text in rows.all_inner_texts()] == [
            "kick 12",
            "celebration 40",
        ]
        assert page.locator("#track .marks .event").count() == 2
        page.keyboard.press("v")
        expect(page.locator("#track .marks .event")).to_have_count(3)
        page.wait_for_selector("#saved:not(.waiting)")
    found = sorted(said(server, "event", "anna").values(), key=lambda value: value["frame"])
    assert found == [{"label": "kick", "frame": 12}, {"label": "celebration", "frame": 40}]


def test_blind_clips_have_no_names_and_an_order_of_ones_own(browser: Any, server: Served) -> None:
    def blind(route: Any) -> None:
        route.fulfill(json=route.fetch().json() | {"blind": True})

    orders = """async () => {
        const { arrange } = await import("./static/order.js");
        const items = await (await fetch("api/items")).json();
        const order = (who) => arrange(items, { blind: true }, who).map((item) => item.item_id);
        return [order("anna"), order("anna"), order("ben"), order("carla"), order("dora")];
    }"""
    with page_at(browser, server.url) as page:
        page.route("**/api/session", blind)
        page.reload()
        page.wait_for_selector("body[data-shown]:not([data-shown=''])")
        anna, again, *others = page.evaluate(orders)
        assert anna == again
        assert all(sorted(order) == sorted(anna) for order in others)
        assert any(order != anna for order in others)
        titles = "[...document.querySelectorAll('#clips button')].map((row) => row.title)"
        assert page.evaluate(titles) == [f"clip {number + 1}" for number in range(5)]
        assert LONG not in page.locator("body").inner_text()
        page.keyboard.press("v")
        notices(page, "labelled blind")
        assert page.locator("#opinions").is_hidden()


def test_a_phone_shows_the_name_and_opens_at_its_top(browser: Any, server: Served) -> None:
    with page_at(browser, server.url, (390, 844)) as page:
        assert page.evaluate("scrollY") == 0
        assert page.locator("#annotator").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        last = page.locator("#clips li").last
        last.scroll_into_view_if_needed()
        # Nothing lies over it: a tap reaches the clip, and its video comes into view.
        last.locator("button").tap()
        shows(page, name(4))
        assert page.evaluate("scrollY") == 0
