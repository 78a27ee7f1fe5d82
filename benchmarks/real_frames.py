"""What teachers see in real frames: people and ball against boxes drawn by eye, one table.

The boxes are in `real_frames.json`: frames of clips in the folder WORKBENCH_SHARED (by default
../shared; without it the script stops), of fixed and of moving cameras. People of whom only a crowd
is seen count neither way (`crowd`), nor do balls that are not played (`spare_balls`); where it
could not be told whether a ball is in the picture (`balls` null), the frame says nothing about
balls. People were drawn by correcting what YOLOX-nano saw in 3×3 tiles, so their recall favours it
a little; balls by looking at enlarged pictures. A person is right from IoU .5, a ball if its middle
lies within two thirds of its size (at least three pixels).

    python benchmarks/real_frames.py                         # half an hour on one core
    python benchmarks/real_frames.py --files mata juggling   # only these

Every finder sees 30 frames around each of the drawn ones, once; what it finds is kept in --folder.
The combinations are those of the teacher `auto`. `ms` is CPU time per frame.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import dist
from pathlib import Path
from typing import Any

import numpy as np

from workbench.detect.ballchoice import Candidate
from workbench.detect.balljoin import BALLNET, choose_ball
from workbench.detect.ballnet.stored import BESIDE as WEIGHTS_BESIDE
from workbench.detect.ballnet.teacher import BallNetTeacher
from workbench.detect.detections import BALL, PERSON
from workbench.detect.motion.teacher import MotionTeacher
from workbench.detect.teacher import Past
from workbench.detect.teachers.coco import CocoTeacher
from workbench.footage.video_info import probe
from workbench.saving import save_json
from workbench.stats import show, wilson

TRUTH = Path(__file__).with_suffix(".json")
REACH = 30  # frames around a drawn one, from which a path of the ball is seen
PERSON_SCORE, BALL_SCORE = 0.3, 0.3  # from which a label counts, as in notebook 20
BESIDE = "beside"  # the ball network with the weights for use beside a detector
COMBINATIONS = (
    ("coco",), ("motion",), (BALLNET,), (BESIDE,), ("coco", "motion"), ("coco", BESIDE),
    ("coco", BESIDE, "motion"),
)  # fmt: skip
Box = Sequence[float]
Found = list[list[Any]]  # class, left, top, width, height, score


@dataclass
class Tally:
    """Right labels, wrong labels, objects without one."""

    right: int = 0
    wrong: int = 0
    missed: int = 0

    def __str__(self) -> str:
        shares = ((self.right, self.right + self.wrong), (self.right, self.right + self.missed))
        return " / ".join(show(wilson(*share)) if share[1] else "–" for share in shares)


def main() -> None:
    """Let every finder look once, then print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where finds are kept")
    parser.add_argument("--detector", help="default: YOLOX-nano of the shared folder")
    parser.add_argument("--files", nargs="*", default=[], help="parts of file names")
    given = parser.parse_args()
    shared = Path(os.environ.get("WORKBENCH_SHARED", "../shared"))
    if not (shared / "footage").is_dir():
        raise SystemExit(f"no real footage in {shared}: set WORKBENCH_SHARED")
    rows = json.loads(TRUTH.read_text(encoding="utf-8"))["frames"]
    rows = [r for r in rows if not given.files or any(part in r["file"] for part in given.files)]
    detector = given.detector or str(shared / "models/yolox_nano_coco.onnx")
    folder = given.folder or Path(tempfile.mkdtemp())
    looks: Mapping[str, Callable[[Path, range], Iterable[Found]]] = {
        "coco": coco_look(CocoTeacher(detector)),
        BALLNET: ballnet_look(BallNetTeacher()),
        BESIDE: ballnet_look(BallNetTeacher(weights=str(WEIGHTS_BESIDE))),
        "motion": motion_look(MotionTeacher()),
    }
    finds, cost = look_at_all(rows, shared / "footage", looks, folder)
    widths = {row["file"]: probe(shared / "footage" / row["file"]).width for row in rows}
    print("ms per frame: " + ", ".join(f"{name} {ms:.0f}" for name, ms in cost.items()))
    print(f"{'':24}{'people P / R':32}{'ball P / R'}")
    for names in COMBINATIONS:
        for camera in ("fixed", "moving"):
            own = [r for r in rows if r["camera"] == camera]
            if camera == "moving" and "motion" in names:
                continue
            people = count_people(own, finds[names[0]])
            ball = count_balls(own, join(own, names, finds, widths))
            print(f"{' + '.join(names):22}{camera:8}{people!s:44}{ball}")
    for camera in ("fixed", "moving"):
        own = [r for r in rows if r["camera"] == camera]
        drawn = sum(len(r["people"] or ()) for r in own)
        balls = [r["balls"] for r in own if r["balls"] is not None]
        print(f"{camera}: {len(own)} frames of {len({r['file'] for r in own})} clips, "
              f"{drawn} people, {sum(map(len, balls))} balls in {len(balls)} frames")  # fmt: skip


def coco_look(teacher: CocoTeacher) -> Callable[[Path, range], Iterator[Found]]:
    """What the detector sees."""

    def look(path: Path, frames: range) -> Iterator[Found]:
        for found in teacher.look(path, frames):
            yield [[one.class_name, *one.xywh, one.score] for one in found]

    return look


def motion_look(teacher: MotionTeacher) -> Callable[[Path, range], Iterator[Found]]:
    """What the motion teacher sees in its own windows."""

    def look(path: Path, frames: range) -> Iterator[Found]:
        for window in teacher.windows(path):
            if window.start < frames.stop and frames.start < window.stop:
                labels = teacher.label_window(path, window, Past())
                for frame, found in zip(window, labels, strict=True):
                    if frame in frames:
                        yield [[one.class_name, *one.xywh, one.score] for one in found]

    return look


def ballnet_look(teacher: BallNetTeacher) -> Callable[[Path, range], Iterator[Found]]:
    """The ball network's candidates."""

    def look(path: Path, frames: range) -> Iterator[Found]:
        for found in teacher.candidates(path, frames):
            yield [[BALL, *one.xywh, one.score] for one in found]

    return look


Finds = dict[str, dict[tuple[str, int], Found]]  # by finder, by file and frame


def look_at_all(
    rows: Sequence[Mapping[str, Any]],
    footage: Path,
    looks: Mapping[str, Callable[[Path, range], Iterable[Found]]],
    folder: Path,
) -> tuple[Finds, dict[str, float]]:
    """Finds of every finder around the drawn frames, and CPU ms per frame looked at now."""
    finds: Finds = {name: {} for name in looks}
    spent, looked = dict.fromkeys(looks, 0.0), dict.fromkeys(looks, 0)
    for file in sorted({row["file"] for row in rows}):
        drawn = [row for row in rows if row["file"] == file]
        for name, look in looks.items():
            if name == "motion" and drawn[0]["camera"] == "moving":
                continue
            kept = folder / name / f"{Path(file).stem}.json"
            if not kept.exists():
                began = time.process_time()
                content: dict[int, Found] = {}
                for frames in stretches(drawn, probe(footage / file).frame_count):
                    content |= dict(zip(frames, look(footage / file, frames), strict=True))
                spent[name] += time.process_time() - began
                looked[name] += len(content)
                save_json(kept, content, indent=None)
            for frame, found in json.loads(kept.read_text(encoding="utf-8")).items():
                finds[name][file, int(frame)] = found
    return finds, {name: 1000 * spent[name] / n for name, n in looked.items() if n}


def stretches(drawn: Sequence[Mapping[str, Any]], count: int) -> list[range]:
    """Frames near drawn ones, in pieces without a gap."""
    near = sorted(
        {f for r in drawn for f in range(r["frame"] - REACH, r["frame"] + REACH + 1)}
        & set(range(count))
    )
    breaks = [0, *(n + 1 for n, (a, b) in enumerate(pairwise(near)) if b > a + 1), len(near)]
    return [range(near[a], near[b - 1] + 1) for a, b in pairwise(breaks)]


def join(
    rows: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    finds: Finds,
    widths: Mapping[str, int],
) -> dict[tuple[str, int], Candidate]:
    """The ball by file and frame, chosen as the teacher `auto` does."""
    chosen = {}
    for file in sorted({row["file"] for row in rows}):
        frames = sorted({frame for name in names for own, frame in finds[name] if own == file})
        ends = [n + 1 for n, (a, b) in enumerate(pairwise(frames)) if b > a + 1]
        for first, last in pairwise([0, *ends, len(frames)]):
            part = frames[first:last]
            window = {
                BALLNET if name == BESIDE else name: [
                    balls_of(finds[name].get((file, frame), [])) for frame in part
                ]
                for name in names
            }
            for frame, ball in zip(part, choose_ball(window, widths[file]), strict=True):
                if ball is not None and ball.score >= BALL_SCORE:
                    chosen[file, frame] = ball
    return chosen


def balls_of(found: Found) -> list[Candidate]:
    """The balls among what was found in a frame."""
    return [Candidate((x, y, w, h), score) for kind, x, y, w, h, score in found if kind == BALL]


def count_people(
    rows: Sequence[Mapping[str, Any]], finds: Mapping[tuple[str, int], Found]
) -> Tally:
    """Count people, the surest label first."""
    tally = Tally()
    for row in (row for row in rows if row["people"] is not None):
        left = [np.array(box, float) for box in row["people"]]
        for kind, x, y, w, h, score in sorted(
            finds.get((row["file"], row["frame"]), []), key=lambda one: -one[5]
        ):
            if kind != PERSON or score < PERSON_SCORE:
                continue
            box = np.array([x, y, x + w, y + h])
            overlap = [iou(box, other) for other in left]
            best = int(np.argmax(overlap)) if overlap else -1
            if best >= 0 and overlap[best] >= 0.5:
                left.pop(best)
                tally.right += 1
            elif not any(holds(crowd, x + w / 2, y + h / 2) for crowd in row["crowd"]):
                tally.wrong += 1
        tally.missed += len(left)
    return tally


def count_balls(
    rows: Sequence[Mapping[str, Any]], chosen: Mapping[tuple[str, int], Candidate]
) -> Tally:
    """Count the ball in play."""
    tally = Tally()
    for row in (row for row in rows if row["balls"] is not None):
        ball = chosen.get((row["file"], row["frame"]))
        is_right = ball is not None and any(is_on(ball, box) for box in row["balls"])
        is_spare = ball is not None and any(is_on(ball, box) for box in row["spare_balls"])
        tally.right += is_right
        tally.wrong += ball is not None and not is_right and not is_spare
        tally.missed += len(row["balls"]) - is_right
    return tally


def is_on(ball: Candidate, box: Box) -> bool:
    """Whether its middle lies on a true ball."""
    x0, y0, x1, y1 = box
    near = max(3.0, 0.65 * max(x1 - x0, y1 - y0))
    return dist(ball.middle, ((x0 + x1) / 2, (y0 + y1) / 2)) <= near


def holds(box: Box, x: float, y: float) -> bool:
    """Whether a point lies in a box."""
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def iou(box: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    """Overlap of two boxes."""
    sides = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
    common = float(np.prod(np.maximum(sides, 0)))
    return common / float(np.prod(box[2:] - box[:2]) + np.prod(other[2:] - other[:2]) - common)


if __name__ == "__main__":
    main()
