"""The labelling store: nothing labelled twice, nothing lost, the same bytes after any death."""

import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from colour_teachers import ColourFollower, ColourLooker, write_clip
from pycocotools.coco import COCO

from workbench.detect.detections import BALL, Detection, from_coco, is_accepted
from workbench.detect.labelling import label_clips
from workbench.detect.store import load_detections
from workbench.detect.teacher import Past, Seen, Teacher
from workbench.detect.teachers.following import FollowingTeacher
from workbench.detect.teachers.prompts import TeacherPrompter
from workbench.detect.teachers.registry import make_teacher
from workbench.engines.each import ItemsFailedError
from workbench.footage.clips import Clip, load_clips, save_clips

FRAMES, WINDOW = 30, 6
CLIPS = ("a", "b", "c")


def clip_row(name: str) -> Clip:
    return Clip(
        clip_id=name, file=f"{name}.mp4", source=f"{name}.mp4", session="s", start_frame=0,
        end_frame=FRAMES, start_pts=0, end_pts=FRAMES, time_base=Fraction(1, 30), fps=Fraction(30),
        width=160, height=96,
    )  # fmt: skip


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    folder = tmp_path / "footage"
    folder.mkdir()
    for place, name in enumerate(CLIPS):
        write_clip(folder / f"{name}.mp4", FRAMES, blue_from=4 * place)
    save_clips(folder, map(clip_row, CLIPS))
    return folder


def following(log: Path, **options: int) -> FollowingTeacher:
    """Two objects, ids and scores handed from window to window."""
    prompter = TeacherPrompter(ColourLooker(log), every=3)
    return FollowingTeacher(ColourFollower(), prompter, **({"window_frames": WINDOW} | options))


def looks(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.exists() else 0


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


WORKER = """
import os, signal, sys, threading
from pathlib import Path
from colour_teachers import ColourLooker
from test_labelling import following, label_clips, load_clips

footage, labels, log = map(Path, sys.argv[1:4])
looks_left, delay_s, look = int(sys.argv[4]), float(sys.argv[5]), ColourLooker.look

def look_and_die(self, image):  # soon after the last look, whatever is being done then
    global looks_left
    looks_left -= 1
    if looks_left == 0:
        threading.Timer(delay_s, os.kill, (os.getpid(), signal.SIGKILL)).start()
    return look(self, image)

ColourLooker.look = look_and_die
label_clips(load_clips(footage), footage, labels, following(log))
"""


def test_killed_at_random_moments_the_labels_are_the_same_bytes(
    footage: Path, tmp_path: Path
) -> None:
    whole_log, log = tmp_path / "whole.log", tmp_path / "log"
    label_clips(load_clips(footage), footage, tmp_path / "whole", following(whole_log))
    rng, kills = random.Random(4), 0
    command = [sys.executable, "-c", WORKER, str(footage), str(tmp_path / "labels"), str(log)]
    while True:
        life = [str(rng.randint(4, 14)), str(rng.random() * 0.02)]
        ended = subprocess.run([*command, *life], cwd=Path(__file__).parent, check=False)
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL
        kills += 1
    assert kills >= 3
    assert contents(tmp_path / "labels") == contents(tmp_path / "whole")
    # Each death costs at most the window it happened in.
    assert looks(log) <= looks(whole_log) + kills * (WINDOW // 3)
    assert not any((tmp_path / "labels/.unfinished").iterdir())


def test_finished_clips_are_not_labelled_again_and_changes_are(
    footage: Path, tmp_path: Path
) -> None:
    log, folder = tmp_path / "log", tmp_path / "labels"
    clips = load_clips(footage)

    def work(teacher: Teacher) -> int:
        before = looks(log)
        label_clips(clips, footage, folder, teacher)
        return looks(log) - before

    all_three = len(CLIPS) * FRAMES // 3
    assert work(following(log)) == all_three
    assert work(following(log)) == 0
    assert work(following(log, max_objects=1)) == all_three
    write_clip(footage / "b.mp4", FRAMES, blue_from=9)
    assert work(following(log, max_objects=1)) == FRAMES // 3
    (folder / "a.json").write_text("{")
    assert work(following(log, max_objects=1)) == FRAMES // 3
    assert work(ColourLooker(log)) == len(CLIPS) * FRAMES


def test_clips_of_the_same_view_count_where_the_teacher_learns_from_them(
    footage: Path, tmp_path: Path
) -> None:
    class Tripod(ColourLooker):
        needs_fixed_camera = True

    log = tmp_path / "log"
    clips = [replace(clip, camera="fixed") for clip in load_clips(footage)]
    teacher = Tripod(log)
    label_clips(clips, footage, tmp_path / "labels", teacher)
    write_clip(footage / "c.mp4", FRAMES, blue_from=20)
    before = looks(log)
    label_clips(clips, footage, tmp_path / "labels", teacher)
    assert looks(log) - before == len(CLIPS) * FRAMES


def test_labels_tell_who_what_for_and_which_object(footage: Path, tmp_path: Path) -> None:
    label_clips(load_clips(footage), footage, tmp_path, following(tmp_path / "log"))
    coco = COCO(str(tmp_path / "b.json"))
    assert len(coco.imgs) == FRAMES
    assert {a["track_id"] for a in coco.anns.values()} == {1, 2}
    assert {(a["teacher"], a["prompt"]) for a in coco.anns.values()} == {
        ("follower", "colour: person"), ("follower", "colour: ball")
    }  # fmt: skip
    stamp = json.loads((tmp_path / "b.json").read_text())["clip"]
    assert stamp["settings"]["prompter"]["every"] == 3
    assert [image["frame"] for image in coco.imgs.values()] == list(range(FRAMES))


def test_a_video_that_is_away_is_named(footage: Path, tmp_path: Path) -> None:
    missing = replace(clip_row("a"), file="gone.mp4")
    with pytest.raises(ItemsFailedError, match=r"1 of 1 clips failed \(a: .*gone\.mp4"):
        label_clips([missing], footage, tmp_path, ColourLooker())


@pytest.mark.parametrize(
    ("annotation", "accepted"),
    [({"score": 0.3}, True), ({"score": 0.29}, False), ({}, True), ({"score": None}, True)],
)
def test_acceptance_is_a_filter(annotation: dict, accepted: bool) -> None:
    found = from_coco({"bbox": [1, 2, 3, 4], **annotation}, "ball")
    assert is_accepted(found, 0.3) is accepted
    assert is_accepted(found, {"ball": 0.3}) is accepted
    assert is_accepted(found, {"person": 0.3})


class Unsure(ColourLooker):
    """Sees another ball that it does not label."""

    def look_window(
        self, path: Path, window: range, past: Past, same_view: Sequence[Path] = ()
    ) -> Iterator[Seen]:
        for frame, found in zip(window, self.label_window(path, window, past), strict=True):
            yield Seen(found, (Detection(BALL, (frame, 5.0, 4.0, 4.0), score=0.2, found_by="u"),))


def test_what_else_may_be_the_ball_is_kept_beside_the_labels(footage: Path, tmp_path: Path) -> None:
    log, folder, clips = tmp_path / "log", tmp_path / "labels", load_clips(footage)
    label_clips(clips, footage, folder, Unsure(log, window_frames=7))
    labels = load_detections(folder / "a.json", clips[0])
    places = [[ball.xywh[0] for ball in found] for found in labels.candidates]
    assert places == [[frame] for frame in range(FRAMES)]
    assert all(one.score == 0.9 for found in labels.frames for one in found)
    COCO(str(folder / "a.balls.json"))
    before = looks(log)
    label_clips(clips, footage, folder, Unsure(log, window_frames=7))
    assert looks(log) == before
    # What another teacher has left does not count, and goes.
    label_clips(clips[1:], footage, folder, ColourLooker(log))
    assert not (folder / "b.balls.json").exists()
    (folder / "b.balls.json").write_bytes((folder / "a.balls.json").read_bytes())
    assert not load_detections(folder / "b.json", clips[1]).candidates


def test_other_processes_give_the_same_labels(footage: Path, tmp_path: Path) -> None:
    clips, teacher = load_clips(footage), make_teacher("motion", window_frames=20)
    for engine in ("here", "processes:2"):
        label_clips(clips, footage, tmp_path / engine, teacher, engine=engine)
    assert contents(tmp_path / "here") == contents(tmp_path / "processes:2")
