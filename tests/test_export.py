"""What the clipper makes of cuts: clip files and rows that stay what they are called."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from videos import make_video

from annotation_tools.clipper.export import Cut, Exporter
from annotation_tools.serving import MediaIndex
from workbench.footage.clips import Clip, load_clips, save_clips


def export(folder: Path, out: Path, *cuts: tuple[str, int, int], mode: str = "exact") -> list[dict]:
    """Export cuts of the videos so called, with an exporter that has just been started."""
    media = MediaIndex.from_folder(folder)
    name_to_id = {medium.name: medium.media_id for medium in media}
    exporter = Exporter(media, out)
    exporter.start(
        [
            Cut(f"{name} {start}", name_to_id[name], start, end, "kick", "soccer")
            for name, start, end in cuts
        ],
        mode,
    )
    while exporter.status()["state"] == "running":
        time.sleep(0.01)
    rows = exporter.status()["rows"]
    assert [row["problem"] for row in rows] == [None] * len(cuts)
    return rows


def rows_of(out: Path) -> dict[str, Clip]:
    return {clip.clip_id: clip for clip in load_clips(out)}


@pytest.mark.parametrize("later", ["a b.mp4", "A-b.mp4", "a_b.mp4", "a/b.mp4"])
def test_a_namesake_renames_no_clip_that_was_exported(tmp_path: Path, later: str) -> None:
    folder, out = tmp_path / "raw", tmp_path / "out"
    make_video(folder / "a-b.mp4", 30)
    export(folder, out, ("a-b.mp4", 3, 12))
    first = rows_of(out)
    save_clips(out, [replace(clip, split="train", venue="home") for clip in first.values()])
    first = rows_of(out)
    made = {clip.file: (out / clip.file).stat().st_mtime_ns for clip in first.values()}
    make_video(folder / later, 40)
    export(folder, out, ("a-b.mp4", 3, 12), (later, 3, 12))
    both = rows_of(out)
    assert len(both) == 2
    assert {clip_id: both[clip_id] for clip_id in first} == first
    assert {file: (out / file).stat().st_mtime_ns for file in made} == made
    assert len({clip.session for clip in both.values()}) == 2
    assert rows_of(out) == both


def test_a_clip_of_a_video_that_is_gone_keeps_its_name(tmp_path: Path) -> None:
    folder, out = tmp_path / "raw", tmp_path / "out"
    old = make_video(folder / "a-b.mp4", 30)
    export(folder, out, ("a-b.mp4", 3, 12))
    first = rows_of(out)
    old.unlink()
    make_video(folder / "a b.mp4", 40)
    export(folder, out, ("a b.mp4", 3, 12))
    assert first.items() < rows_of(out).items()


def test_the_same_cut_is_kept_and_a_moved_one_replaced(tmp_path: Path) -> None:
    folder, out = tmp_path / "raw", tmp_path / "out"
    make_video(folder / "a.mp4", 30)
    assert [row["state"] for row in export(folder, out, ("a.mp4", 3, 12))] == ["done"]
    assert [row["state"] for row in export(folder, out, ("a.mp4", 3, 12))] == ["kept"]
    export(folder, out, ("a.mp4", 3, 15))  # the same cut, longer
    (clip,) = rows_of(out).values()
    assert (clip.start_frame, clip.end_frame, clip.sport) == (3, 15, "soccer")
    assert [path.name for path in (out / "clips").iterdir()] == [Path(clip.file).name]
