"""How often teachers see the ball, from 10, 20, 30 and 40 m, at equal precision.

Built-in shots at 640×360 with cameras so far from the spot of the shot, seeds that nothing was
tuned on. Every variant labels the same clips: the motion teacher plain, assuming that the ball may
be of three pixels, with the second look, with both; the ball network, alone and with the motion
teacher beside it. A label is right if its box overlaps the truth with IoU 0.5; at three pixels one
pixel beside is too far, so there is a recall by centre, too: the distance of the centres is at most
the ball's size (at least three pixels), as tracking papers count it.

    python benchmarks/ball_recall.py                  # about ten minutes, rendering included
    python benchmarks/ball_recall.py --folder DIR     # keeps the footage, or uses what is there
    python benchmarks/ball_recall.py --variants net   # only this one (plain is always there)

How to read the table: `precision`, `recall` and `by centre` with every label kept; `at .80` and
`at equal precision` are the recall with only the best-scored labels kept, as many as leave the
precision no worse than .80, or than the plain teacher's from that distance (– where no number of
labels does); `gain` is how much the latter is above the plain teacher's recall, with the 95 %
interval of a paired bootstrap over clips. `ball` is the median side of the true box.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as rle

from workbench.detect.ballnet.teacher import BallNetTeacher
from workbench.detect.labelling import label_clips
from workbench.detect.motion.teacher import MotionTeacher
from workbench.detect.store import ClipDetections, load_truth
from workbench.detect.teacher import Teacher
from workbench.footage.clips import load_clips
from workbench.simulated.sessions import make_footage
from workbench.stats import Clusters, pooled_difference, show

VARIANTS: dict[str, Callable[[], Teacher]] = {
    "plain": lambda: MotionTeacher(small_ball=False, second_look=False),
    "small ball": lambda: MotionTeacher(small_ball=True, second_look=False),
    "second look": lambda: MotionTeacher(small_ball=False, second_look=True),
    "both": lambda: MotionTeacher(small_ball=True, second_look=True),
    "net": BallNetTeacher,
    "net, motion": lambda: BallNetTeacher(beside=MotionTeacher()),
}
ENOUGH = 0.8  # the precision of the column `at .80`
LEAST_IOU = 0.5
Shares = NDArray[np.float64]


@dataclass(frozen=True)
class Balls:
    """Every ball label of a variant: its clip, its score, whether it is right."""

    clip: NDArray[np.int64]
    score: NDArray[np.float64]
    right: NDArray[np.bool_]
    near: NDArray[np.bool_]  # right by its centre
    true_balls: NDArray[np.int64]  # by clip

    @property
    def precision(self) -> float:
        """Share of all labels that are right."""
        return float(self.right.mean()) if len(self.right) else float("nan")

    @property
    def recall(self) -> float:
        """Share of all true balls that have a right label."""
        return float(self.right.sum() / self.true_balls.sum())

    @property
    def recall_by_centre(self) -> float:
        """Share of all true balls that have a label on them."""
        return float(self.near.sum() / self.true_balls.sum())

    def hits(self, least_score: float) -> NDArray[np.int64]:
        """Right labels of each clip with at least that score."""
        kept = self.right & (self.score >= least_score)
        return np.bincount(self.clip[kept], minlength=len(self.true_balls))

    def threshold(self, precision: float) -> float | None:
        """The score that keeps most labels while the precision is no worse than asked for."""
        order = np.argsort(-self.score, kind="stable")
        share = np.cumsum(self.right[order]) / np.arange(1, len(order) + 1)
        enough = np.flatnonzero(share >= precision)
        return float(self.score[order[enough[-1]]]) if len(enough) else None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="where footage is kept (default: nowhere)")
    parser.add_argument("--metres", type=float, nargs="+", default=[10, 20, 30, 40])
    parser.add_argument("--seeds", type=int, nargs="+", default=[202, 203, 204])
    parser.add_argument("--sessions", type=int, default=2, help="per seed and distance")
    parser.add_argument("--shots", type=int, default=2, help="per session")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print(
        f"{'camera':>6} {'ball':>6}  {'variant':12} {'precision':>9} {'recall':>6} {'by centre':>9}"
        f"  {'at .80':>6}  {'at equal precision':>18}  {'gain':>21} {'CPU ms/frame':>12}"
    )
    with tempfile.TemporaryDirectory() as scratch:
        footage = options.folder or Path(scratch) / "footage"
        for metres in options.metres:
            folders = [footage / f"{metres:g}m_seed{seed}" for seed in options.seeds]
            for folder, seed in zip(folders, options.seeds, strict=True):
                make_footage(
                    folder, sessions=0, shooting_sessions=options.sessions, shots=options.shots,
                    seed=seed, camera_m=metres,
                )  # fmt: skip
            report(metres, folders, Path(scratch) / "labels", options.variants)


def report(metres: float, folders: Sequence[Path], scratch: Path, variants: Sequence[str]) -> None:
    """Print the rows of one distance."""
    plain: Balls | None = None
    for name, make in VARIANTS.items():
        if name != "plain" and name not in variants:
            continue
        balls, sides, cpu_ms = measure(make(), folders, scratch / name)
        plain = plain or balls
        equal, gain = at_equal_precision(balls, plain)
        least = balls.threshold(ENOUGH)
        enough = "–" if least is None else f"{balls.hits(least).sum() / balls.true_balls.sum():.2f}"
        print(
            f"{metres:4g} m {np.median(sides):4.1f}px  {name:12} {balls.precision:9.2f} "
            f"{balls.recall:6.2f} {balls.recall_by_centre:9.2f}  {enough:>6}  {equal:>18}  "
            f"{gain:>21} "
            f"{cpu_ms:12.0f}",
            flush=True,
        )


def measure(
    teacher: MotionTeacher, folders: Sequence[Path], scratch: Path
) -> tuple[Balls, list[float], float]:
    """Label all clips: their balls, sides of the true boxes in pixels, CPU ms per frame."""
    labels: list[ClipDetections] = []
    truth: list[ClipDetections] = []
    start = time.process_time()
    for folder in folders:
        clips = load_clips(folder)
        labels += label_clips(clips, folder, scratch / folder.name, teacher)
        truth += load_truth(clips, folder)
    cpu_ms = 1000 * (time.process_time() - start) / sum(len(clip.frames) for clip in labels)
    rows: list[tuple[int, float, bool, bool]] = []
    sides: list[float] = []
    for place, (said, there) in enumerate(zip(labels, truth, strict=True)):
        for frame in range(len(there.frames)):
            true = [ball.xywh for ball in there.of_class(frame, "ball")]
            sides += [float(np.sqrt(box[2] * box[3])) for box in true]
            for ball in said.of_class(frame, "ball"):
                own = np.array([ball.xywh])
                overlap = rle.iou(own, np.array(true), [0] * len(true)) if true else np.zeros(1)
                right = bool(np.max(overlap) >= LEAST_IOU)
                rows.append((place, ball.score or 0.0, right, is_near(ball.xywh, true)))
    clip, score, hit, near = zip(*rows, strict=True) if rows else ((), (), (), ())
    counts = [sum(bool(t.of_class(f, "ball")) for f in range(len(t.frames))) for t in truth]
    labelled = np.array(clip, int), np.array(score, float), np.array(hit, bool)
    return Balls(*labelled, np.array(near, bool), np.array(counts)), sides, cpu_ms


def is_near(box: Sequence[float], true: Sequence[Sequence[float]]) -> bool:
    """Whether a box's centre lies within a ball's size of a true one's."""
    x, y, width, height = box
    return any(
        np.hypot(left + w / 2 - x - width / 2, top + h / 2 - y - height / 2) <= max(3.0, w, h)
        for left, top, w, h in true
    )


def at_equal_precision(balls: Balls, plain: Balls) -> tuple[str, str]:
    """Recall at the plain teacher's precision, and its gain over the plain teacher's recall."""
    least = balls.threshold(plain.precision)
    if least is None:
        return "–", "–"

    clusters = Clusters("clip", tuple(range(len(balls.true_balls))))
    gain = pooled_difference(
        (plain.hits(-np.inf), plain.true_balls), (balls.hits(least), balls.true_balls), clusters
    )
    equal = balls.hits(least).sum() / balls.true_balls.sum()
    return f"{equal:.2f}", show(gain, signed=True)


if __name__ == "__main__":
    main()
