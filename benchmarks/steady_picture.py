"""Registration to a reference view on rendered camera moves with exact truth, against chaining.

A penalty scene of textured planes; people cover about a third of the picture, a score board is
burnt in. Error: of the worst visible goal corner, in pixels of a 1280×720 picture, in the frames
that registration gives out, and of marks on the ground in front. Chained is what most tools do:
each frame to the one before, composed, people masked alike. "travel" cannot be steadied: there a
frame must be refused or be right. Time is CPU time of one thread.

    python benchmarks/steady_picture.py                    # four minutes
    python benchmarks/steady_picture.py --seeds 12 --frames 48
"""

import argparse
import time
from collections.abc import Sequence
from typing import get_args

import cv2
import numpy as np
from moving_views import STEADIABLE, Move, View, film_views

from workbench.footage.planemaps import Floats, fit_map, follow, move_points, spread_points
from workbench.footage.registration import Registrar
from workbench.stats import Interval, show, wilson

WH = (1280, 720)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="films of each move")
    parser.add_argument("--frames", type=int, default=24, help="of each film")
    parser.add_argument("--covered", type=float, default=0.3, help="least share of people")
    parser.add_argument("--light", type=float, default=1.0, help=".25 is a dark evening")
    parser.add_argument("--unmasked", action="store_true", help="do not say where people are")
    parser.add_argument("--moves", nargs="*", default=get_args(Move), choices=get_args(Move))
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print("move           n  covered  accepted                goal px: median, p95, worst", end="")
    print("   ground  chained   ms")
    every: list[float] = []
    kept = total = 0
    for move in options.moves:
        rows = [row for seed in range(options.seeds) for row in film(move, seed + 100, options)]
        table = np.array(rows)  # goal, ground, chained, milliseconds, covered
        good = np.isfinite(table[:, 0])
        if move in STEADIABLE:
            every += table[good, 0].tolist()
            kept, total = kept + int(good.sum()), total + len(table)
        accepted = share(wilson(int(good.sum()), len(table)))
        print(f"{move:12}{len(table):4}{table[:, 4].mean():9.2f}  {accepted:22}", end="")
        print(f"{spread(table[good, 0]):>28}{middle(table[good, 1]):9}", end="")
        print(f"{middle(table[:, 2]):9}{np.median(table[:, 3]):5.0f}", flush=True)
    if total:
        print(f"{'steadiable':12}{total:4}{'':9}  {share(wilson(kept, total)):22}", end="")
        print(f"{spread(np.array(every)):>28}")


def film(move: Move, seed: int, options: argparse.Namespace) -> list[tuple[float, ...]]:
    """Register one film to its first frame: errors of goal, ground and chaining, and the time."""
    shown = film_views(
        move, options.frames, seed=seed, covered=options.covered, wh=WH, light=options.light
    )
    first = next(shown)
    board = np.zeros((WH[1] // 8, WH[0] // 8), bool)
    board[1:11, 2:35] = True
    people = None if options.unmasked else first.people
    registrar = Registrar(first.image, people, goal_px=first.goal_px, overlay=board)
    chained, before, rows = np.eye(3), first, []
    for view in shown:
        start_s = time.process_time()
        found = registrar.register(view.image, None if options.unmasked else view.people)
        took_ms = 1e3 * (time.process_time() - start_s)
        chained = chain(before, view) @ chained
        off = [np.nan, np.nan]
        if found.to_frame is not None and found.ground_to_frame is not None:
            off = [
                error(found.to_frame, first.goal_px, view.goal_px),
                error(found.ground_to_frame, first.ground_px, view.ground_px),
            ]
        rows.append((*off, error(chained, first.goal_px, view.goal_px), took_ms, covered(view)))
        before = view
    return rows


def covered(view: View) -> float:
    """The share of the picture that is inside a box."""
    inside = np.zeros(WH[::-1], bool)
    for x0, y0, x1, y1 in view.people.astype(int):
        inside[y0:y1, x0:x1] = True
    return float(inside.mean())


def chain(before: View, after: View) -> Floats:
    """The map from one frame to the next, people masked."""
    greys = [cv2.cvtColor(view.image, cv2.COLOR_RGB2GRAY) for view in (before, after)]
    free = np.full(greys[0].shape, 255, np.uint8)
    for x0, y0, x1, y1 in before.people.astype(int):
        free[y0:y1, x0:x1] = 0
    points = spread_points(greys[0], free, 700)
    there, found = follow(greys[0], greys[1], points, levels=4)
    step = fit_map(points[found], there[found], WH)
    return np.eye(3) if step is None else step


def error(to_frame: Floats, was: Floats, now: Floats) -> float:
    """Of the worst point that is in both pictures; NaN without one."""
    inside = np.all([((points > 0) & (points < WH)).all(axis=1) for points in (was, now)], axis=0)
    off = np.linalg.norm(move_points(to_frame, was) - now, axis=1)[inside]
    return float(off.max()) if len(off) else np.nan


def share(estimate: Interval) -> str:
    return show(estimate)


def spread(off: Sequence[float] | Floats) -> str:
    seen = np.asarray(off)[np.isfinite(off)]
    if not len(seen):
        return "–"
    return f"{np.median(seen):.2f} {np.percentile(seen, 95):5.2f} {seen.max():5.2f}"


def middle(off: Floats) -> str:
    seen = off[np.isfinite(off)]
    return f"{np.median(seen):9.2f}" if len(seen) else f"{'–':>9}"


if __name__ == "__main__":
    main()
