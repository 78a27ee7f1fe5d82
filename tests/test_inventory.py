"""Taking stock: what the clip list says against what its files hold."""

from dataclasses import replace
from pathlib import Path

import pytest

from workbench.errors import FootageError
from workbench.footage.clips import (
    BUILT_IN_FOOTAGE,
    OWN_FOOTAGE,
    Clip,
    load_clips,
    origin_of,
    save_clips,
)
from workbench.footage.inventory import draw_contact_sheet, one_per_group, take_stock
from workbench.footage.video_info import probe
from workbench.simulated.sessions import make_footage


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stock")
    make_footage(folder, sessions=1, clips=4, shooting_sessions=0, seed=2, size_wh=(160, 90))
    return folder


@pytest.fixture(scope="module")
def clips(footage: Path) -> list[Clip]:
    return load_clips(footage)


def test_sound_footage_has_nothing_odd(footage: Path, clips: list[Clip]) -> None:
    stock = take_stock(clips, footage)
    assert stock.clip_to_oddities == {}
    table = stock.to_frame()
    assert table.loc["action00", "clips"] == 4
    assert table.loc["action00", "soccer"] == 1
    assert table.loc["action00", "camera"] == "unsteady"
    assert stock.duration_s == pytest.approx(sum(clip.duration_s for clip in clips))


def test_every_difference_is_named(footage: Path, clips: list[Clip]) -> None:
    wrong = [
        replace(clips[0], end_frame=clips[0].end_frame + 3),
        replace(clips[1], width=320),
        replace(clips[2], file="clips/gone.mp4"),
    ]
    odd = take_stock(wrong, footage, [replace(probe(footage / clips[3].file), oddities=("old",))])
    said = dict(odd.oddities_frame().to_numpy().tolist())
    assert f"the list says {clips[0].frame_count + 3}" in said[clips[0].clip_id]
    assert f"the list says 320×{clips[1].height}" in said[clips[1].clip_id]
    assert "gone.mp4" in said[clips[2].clip_id]
    assert said[Path(clips[3].file).name] == "old"


def test_origin_is_told_by_the_truth(clips: list[Clip]) -> None:
    assert origin_of(clips) is BUILT_IN_FOOTAGE
    assert origin_of(replace(clip, truth=None) for clip in clips) is OWN_FOOTAGE


def test_contact_sheet_shows_one_strip_per_clip(footage: Path, clips: list[Clip]) -> None:
    ax = draw_contact_sheet(clips[:2], footage, frames=5)
    (sheet,) = ax.images
    assert sheet.get_size() == (2 * (108 + 4), 5 * (192 + 4))
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert labels == [f"{clip.clip_id}\n{clip.sport}" for clip in clips[:2]]


def test_groups_are_shown_by_their_first_clip(clips: list[Clip]) -> None:
    assert one_per_group(clips, ["a", "a", "b", "b"]) == [clips[0], clips[2]]
    assert len(one_per_group(clips, ["a", "b", "c", "d"], most=2)) == 2
    assert one_per_group([], []) == []


def test_clip_list_round_trip_and_its_faults(tmp_path: Path, clips: list[Clip]) -> None:
    save_clips(tmp_path, reversed(clips))
    assert load_clips(tmp_path) == clips
    with pytest.raises(FootageError, match="used twice"):
        save_clips(tmp_path, [clips[0], clips[0]])
    assert load_clips(tmp_path) == clips  # what was saved is still there
    for content in ("", "[]", '{"clips": [{"clip_id": "a"}]}'):
        (tmp_path / "clips.json").write_text(content)
        with pytest.raises(FootageError, match=r"clips\.json"):
            load_clips(tmp_path)
    with pytest.raises(FootageError, match="does not exist"):
        load_clips(tmp_path / "nowhere")
