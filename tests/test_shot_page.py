"""The page of a shot: one file, readable on a phone, nothing obeyed that comes from data."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filmed_shots import FilmedShot, film_shot

from workbench.shots.pictures import page
from workbench.shots.pictures.page import save_pictures, save_shot_page
from workbench.shots.verdict import ShotVerdict

HOSTILE = "<script>document.title='run'</script>\"'>&"


@pytest.fixture(scope="module")
def shot() -> FilmedShot:
    return film_shot()


@pytest.fixture(scope="module")
def saved(shot: FilmedShot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a shot whose every text is hostile."""
    verdict = replace(shot.analysis.verdict, reason=HOSTILE)
    clip = replace(shot.clip, session=HOSTILE)
    hostile = replace(
        shot.analysis, clip=clip, labels=HOSTILE, verdicts={**shot.analysis.verdicts, "3d": verdict}
    )
    folder = tmp_path_factory.mktemp("page")
    [path] = save_pictures([hostile], shot.folder, folder)
    return path


def test_is_one_file_that_loads_nothing_and_obeys_nothing(saved: Path) -> None:
    text = saved.read_text()
    assert HOSTILE not in text
    assert "&lt;script&gt;" in text
    loads = re.findall(r'(?:src|href|poster)="([^"]*)"', text)
    assert loads
    assert all(target.startswith(("data:", "#")) for target in loads)
    assert "url(" not in text


@pytest.mark.parametrize(
    ("size", "scheme"), [((390, 844), "light"), ((1280, 720), "dark"), ((320, 640), "dark")]
)
def test_fits_the_screen_and_plays(
    browser: Any, saved: Path, size: tuple[int, int], scheme: str
) -> None:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme
    )
    tab = context.new_page()
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.goto(saved.as_uri())
    tab.wait_for_function("document.querySelector('video').readyState >= 2")
    assert tab.evaluate("document.documentElement.scrollWidth") <= size[0]
    headline = tab.locator("h1").bounding_box()
    assert headline["y"] + headline["height"] < size[1]  # seen without scrolling
    assert tab.title() != "run"
    assert complaints == []
    pictures = tab.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert pictures
    assert all(pictures)
    context.close()


def test_says_why_nobody_can_tell(shot: FilmedShot, tmp_path: Path) -> None:
    dark = ShotVerdict("3d", 0.5, False, True, "Can't tell, because it is dark.", None, None, None)
    unseen = replace(
        shot.analysis, verdicts={"3d": dark, "2d": dark}, shooter=None, foot=None, technique=()
    )
    text = save_shot_page(unseen, shot.video, None, tmp_path / "page.html").read_text()
    assert "Can’t tell" in text
    assert "It is dark." in text
    assert "km/h" not in text.split("</style>")[-1].split("How it was decided")[0]
    assert "proves the machinery" in text  # built-in footage says so on every page


def test_a_large_video_stays_beside_the_page(
    shot: FilmedShot, tmp_path: Path, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "INLINE_BYTES", 1000)
    [path] = save_pictures([shot.analysis], shot.folder, tmp_path)
    assert f'src="{shot.clip.clip_id}.mp4"' in path.read_text()
    tab = browser.new_page()
    tab.goto(path.as_uri())
    tab.wait_for_function("document.querySelector('video').readyState >= 2")
    tab.close()
