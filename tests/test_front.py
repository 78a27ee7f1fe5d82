"""The front page: one address for all tools, what waits, and the reports."""

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from served import Served
from typer.testing import CliRunner
from videos import make_video

from workbench.cli import app
from workbench.labels.records import Entry
from workbench.labels.store import LabelStore


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("home")
    folder = home / "footage"
    for number in range(3):
        make_video(folder / f"shot_{number}.mp4", 20 + number, fps=Fraction(25))
    reports = home / "reports"
    reports.mkdir()
    read = "fetch('../api/session').then(() => (document.title = 'read'), () => {})"
    script = f"<script>document.title = 'ran'; {read}</script>"
    (reports / "index.html").write_text(f"<!doctype html><title>all runs</title>{script}")
    options = ["--annotator", "anna", "--out", str(home / "out")]
    with Served("", folder, home, *options).running() as one:
        with LabelStore(one.database) as store:
            for who, verdict in (("ben", "goal"), ("carla", "no_goal")):
                value = {"verdict": verdict, "event_frame": 3}
                store.append(Entry("verdict", "shot_1", value, annotator=who, tool="goals"))
        yield one


def overview(server: Served) -> dict[str, Any]:
    with server.client() as client:
        return dict(client.get("/api/overview").json())


def test_the_overview_counts_what_waits(server: Served) -> None:
    found = overview(server)
    waits = {row["text"]: (row["count"], row["href"]) for row in found["waits"]}
    assert waits == {
        "clips have no verdict of yours": (3, "goals/"),
        "clip is seen differently": (1, "goals/#review"),
    }
    assert [row["href"] for row in found["tools"]] == ["clipper/", "goals/", "coach/", None]
    assert (found["index"], found["reports"]) == ("reports/index.html", [])
    with server.client() as client:
        assert client.get("/goals/api/items").status_code == 200
        headers = {"content-type": "application/octet-stream"}
        sent = {"params": {"name": "a.mp4"}, "content": bytes(3 << 20), "headers": headers}
        assert (
            client.post("/coach/api/upload", **sent).status_code == 422
        )  # no video, not too large
        client.headers.pop("authorization")
        for path in (
            "/",
            "/api/overview",
            "/goals/",
            "/coach/",
            "/clipper/api/media",
            "/reports/index.html",
        ):
            assert client.get(path).status_code == 401


def test_from_the_page_into_a_tool_and_back(browser: Any, server: Served) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.set_default_timeout(20_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(server.url)
    page.wait_for_selector("body[data-shown]")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.locator("#waits a", has_text="seen differently").click()
    page.wait_for_selector('body[data-shown="shot_1"]')  # in review, at the worst disagreement
    page.keyboard.press("Shift+y")
    page.locator(".last-word", has_text="Settled by anna").wait_for()
    page.wait_for_selector("#saved:not(.waiting)")
    page.goto(server.url.split("?")[0])
    page.locator("#waits li", has_text="no verdict").wait_for()
    assert page.locator("#waits li").count() == 1
    page.keyboard.press("c")
    page.wait_for_selector("#video option", state="attached")
    assert page.url.endswith("/clipper/")
    # A report is a stranger here: its script runs, yet reads nothing of this server.
    page.goto(f"{server.url.split('?')[0]}reports/index.html")
    page.wait_for_timeout(300)
    assert page.title() == "ran"
    context.close()
    assert errors == []


def test_options_come_after_the_name_of_the_tool(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["serve", "--port", "1", "goals"])
    assert said.exit_code == 2
    assert "write --port after goals" in " ".join(said.output.replace("│", " ").split())


def test_a_project_without_footage_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with Served("", tmp_path / "empty", tmp_path).running() as server:
        found = overview(server)
    assert "holds no video" in found["tools"][0]["missing"]
    assert json.dumps(found["waits"]) == "[]"
