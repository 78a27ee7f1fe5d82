"""What videos and clips are called: one name per file, found again however it was written."""

import json
import os
import unicodedata
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from videos import make_video

from workbench.errors import FootageError
from workbench.footage.clips import (
    LONGEST_NAME_BYTES,
    Clip,
    distinct_names,
    label_id,
    label_ids,
    load_clips,
    read_fraction,
    resolve_names,
    save_clips,
    video_name,
)
from workbench.footage.ingest import ingest_folder
from workbench.saving import reading, save_json


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("cam1/shot.mov", "cam1/shot.mov"),
        ("cam1\\shot.mov", "cam1/shot.mov"),
        ("./cam1//shot.mov", "cam1/shot.mov"),
        (unicodedata.normalize("NFD", "Café.mp4"), "Café.mp4"),
        (os.fsdecode(b"tor\xe9.mp4"), "tor%E9.mp4"),
        ("two\nlines.mp4", "two%0Alines.mp4"),
        ("12:30:05.mp4", "12:30:05.mp4"),
    ],
)
def test_a_file_has_one_name_whoever_writes_it(path, name):
    assert video_name(path) == name
    assert video_name(name) == name


def test_a_label_id_tells_suffixes_apart_and_depends_on_no_other_file(tmp_path):
    videos = ["cam1/shot.mp4", "cam1/shot.mov", "cam2/shot.mp4", "shot.MP4"]
    expected = ["cam1/shot", "cam1/shot.mov", "cam2/shot", "shot.MP4"]
    assert list(label_ids(tmp_path, videos).values()) == expected
    assert [label_id(video) for video in videos] == expected


@pytest.mark.parametrize(
    "videos", [["a.mov", "a.mov.mp4"], ["a.mp4", " a.mp4"], ["a.mp4", "a.mp4.mp4"]]
)
def test_videos_that_would_share_an_id_are_refused_by_name(tmp_path, videos):
    with pytest.raises(FootageError, match=rf"{videos[0]} and {videos[1]} .* share .*: rename"):
        label_ids(tmp_path, videos)


def clip(clip_id: str, file: str, **changes) -> Clip:
    values = {"source": file, "session": "s", "start_frame": 0, "end_frame": 9, "start_pts": 0}
    values |= {"end_pts": 9, "width": 64, "height": 48}
    rates = {"time_base": Fraction(1, 25), "fps": Fraction(25)}
    return Clip(clip_id=clip_id, file=file, **(values | rates | changes))


def test_a_clip_list_says_what_its_files_are_called(tmp_path):
    save_clips(tmp_path, [clip("first", "clips/a.mp4"), clip("b", "Cafe\u0301.mp4")])
    ids = label_ids(tmp_path, ["clips/a.mp4", "Café.mp4", "other.mp4"])
    assert ids == {"clips/a.mp4": "first", "Café.mp4": "b", "other.mp4": "other"}
    with pytest.raises(FootageError, match=r"clips/a.mp4 and first.mp4 .* share"):
        label_ids(tmp_path, ["clips/a.mp4", "first.mp4"])


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([("a", "a.mp4"), ("a", "b.mp4")], "clip_id 'a' is used twice"),
        ([("a", "a.mp4"), ("b", "a.mp4")], "file 'a.mp4' is used twice"),
    ],
)
def test_a_list_that_names_a_clip_twice_is_neither_written_nor_read(tmp_path, rows, problem):
    with pytest.raises(FootageError, match=problem):
        save_clips(tmp_path, [clip(*row) for row in rows])
    save_clips(tmp_path, [clip("a", "a.mp4"), clip("b", "b.mp4")])
    with reading(tmp_path / "clips.json") as content:
        for row, (clip_id, file) in zip(content["clips"], rows, strict=True):
            row.update(clip_id=clip_id, file=file)
    save_json(tmp_path / "clips.json", content)
    with pytest.raises(FootageError, match=rf"clips\.json: {problem}"):
        load_clips(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"width": "64"},
        {"width": 0},
        {"start_frame": None},
        {"start_frame": 9},
        {"start_frame": True},
        {"end_pts": 1.5},
        {"fps": 0},
        {"fps": "nan"},
        {"fps": float("inf")},
        {"fps": "1e999999999"},
        {"time_base": "1/0"},
        {"clip_id": 7},
        {"sport": 7},
        {"camera": "no"},
        {"steady_error_px": "1"},
    ],
)
def test_a_row_that_is_no_clip_is_named(tmp_path, changes):
    save_clips(tmp_path, [clip("a", "a.mp4"), clip("b", "b.mp4")])
    path = tmp_path / "clips.json"
    with reading(path) as content:
        content["clips"][1].update(changes)
    path.write_text(json.dumps(content))
    with pytest.raises(FootageError, match=r"clips\.json: clip 1 is not a clip row"):
        load_clips(tmp_path)


@pytest.mark.parametrize(("value", "number"), [("30000/1001", None), (25, 25), (29.97, None)])
def test_rates_are_read_from_json(value, number):
    assert read_fraction(value) == (number or Fraction(str(value)))


VIDEOS = ["cam1/shot.mp4", "cam1/shot.mov", "cam2/kick.mp4", "cam2/goal.mkv", "top.mp4"]
IDS = [(video, label_id(video)) for video in VIDEOS]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("cam1/shot", "cam1/shot"),
        ("cam1/shot.mp4", "cam1/shot"),
        ("cam1\\shot.mov", "cam1/shot.mov"),
        ("/data/raw/cam1/shot.mov", "cam1/shot.mov"),
        ("kick", "cam2/kick"),
        ("kick.mp4", "cam2/kick"),
        ("goal", "cam2/goal.mkv"),
        ("./top.mp4", "top"),
        ("shot.mov", "cam1/shot.mov"),
        ("shot.mp4", "cam1/shot"),
        ("kick.mov", None),  # another file
        ("cam1/kick.mp4", None),  # of another folder
        ("nowhere", None),
        ("", None),
    ],
)
def test_names_in_files_of_others_are_found(name, meant):
    assert resolve_names([name], IDS) == ({} if meant is None else {name: meant})


@pytest.mark.parametrize("name", ["shot", "shot.mp4"])
def test_a_name_that_may_be_several_is_refused_by_name(name):
    two = [*IDS, ("cam2/shot.mp4", "cam2/shot")]
    with pytest.raises(FootageError, match=r"may be cam1/shot.* or cam.*: write its path"):
        resolve_names([name], two)


def test_every_video_has_a_name_of_its_own_whatever_its_suffix(tmp_path):
    files = ["shot.mov", "shot.mp4", "a b.mp4", "a-b.mp4", "a/b.mp4", "A-B.mp4", "球.mp4", "?.mp4"]
    files += ["x" * 250 + ".mp4", "é.mp4", unicodedata.normalize("NFD", "é.mp4")]
    names = distinct_names(files)
    assert (names["shot.mov"], names["shot.mp4"]) == ("shot-mov", "shot")
    assert len({name.casefold() for name in names.values()}) == len(files)
    assert distinct_names(files[::-1]) == names
    assert max(len(name.encode()) for name in names.values()) <= LONGEST_NAME_BYTES + 7


PATHS = st.lists(
    st.text(st.sampled_from("aAé\u0301球 .-_/\\\udce9\n%"), min_size=1, max_size=12).map(
        lambda text: f"{text}.{'mov' if len(text) % 2 else 'mp4'}"
    ),
    unique=True,
    max_size=8,
)


@given(files=PATHS, later=PATHS)
def test_names_are_distinct_and_stay_when_files_are_added(files, later):
    names = distinct_names(files)
    assert len({name.casefold() for name in names.values()}) == len(files)
    more = distinct_names([*files, *(file for file in later if file not in names)], names)
    assert {file: more[file] for file in files} == names
    assert len({name.casefold() for name in more.values()}) == len(more)


@given(files=PATHS, asked=PATHS)
def test_a_name_means_one_video_or_none_or_is_refused(files, asked):
    try:
        ids = label_ids(Path("/nowhere"), dict.fromkeys(map(video_name, files)))
    except FootageError:
        return  # two share an id
    assert len(set(ids.values())) == len(ids)
    for video, item in ids.items():  # the full name and the id are never in doubt
        assert resolve_names([item], ids.items()) == {item: item}
        assert resolve_names([video], ids.items()) == {video: item}
    for name in asked:
        with suppress(FootageError):  # it may be several
            assert set(resolve_names([name], ids.items()).values()) <= set(ids.values())


def test_clips_keep_their_ids_when_a_namesake_comes(tmp_path):
    folder, out = tmp_path / "raw", tmp_path / "out"
    folder.mkdir()
    make_video(folder / "a b.mp4", 20)
    first = ingest_folder(folder, out).clips
    made = (out / first[0].file).stat().st_mtime_ns
    make_video(folder / "a-b.mp4", 25)
    make_video(folder / "a b.mov", 30)
    second = {Path(clip.source).name: clip for clip in ingest_folder(folder, out).clips}
    assert second["a b.mp4"] == first[0]
    assert (out / first[0].file).stat().st_mtime_ns == made
    assert len({clip.clip_id for clip in second.values()}) == 3
    assert [second[name].frame_count for name in ("a-b.mp4", "a b.mov")] == [25, 30]


def test_a_broken_clip_list_is_not_written_over(tmp_path):
    (tmp_path / "raw").mkdir()
    make_video(tmp_path / "raw" / "a.mp4", 20)
    out = tmp_path / "out"
    ingest_folder(tmp_path / "raw", out)
    text = (out / "clips.json").read_text().replace('"session"', '"sesion"')
    (out / "clips.json").write_text(text)
    with pytest.raises(FootageError, match=r"clips\.json: clip 0"):
        ingest_folder(tmp_path / "raw", out)
    assert (out / "clips.json").read_text() == text
