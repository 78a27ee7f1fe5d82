"""Figures of spotting: the ladder, classes, tolerance, a minute of a match, right and wrong spots.

Every function answers the question in its title, draws on the axes it is given and returns them;
none shows or saves anything.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from workbench.actions.spotting.greyframes import STEP_S
from workbench.actions.spotting.ladder import Rung
from workbench.actions.spotting.mistakes import KINDS, Finding, count_kinds, find_mistakes
from workbench.actions.spotting.report import MEAN_PRESENT, tolerance_curve
from workbench.footage.frames import frames_at, sample_readable
from workbench.footage.video_info import probe
from workbench.labels.events import Events
from workbench.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    SOFT,
    VERMILION,
    YELLOW,
    axes_or_new,
    draw_interval,
    draw_sheet,
    open_frame,
)

_KIND_COLOURS = dict(
    zip(KINDS, (GREEN, SKY, YELLOW, PURPLE, ORANGE, VERMILION, "#D9D9D9"), strict=True)
)
_STRIP_S = (-0.4, -0.2, 0.0, 0.2, 0.4)
_STRIP_WIDTH = 200


def draw_ladder(rungs: Sequence[Rung], ax: Axes | None = None) -> Axes:
    """Draw mAP@1 of each spotter with its interval, chance below."""
    ax = axes_or_new(ax, (8, 0.9 + 0.4 * len(rungs)), layout="constrained")
    for row, one in enumerate(rungs):
        draw_interval(ax, one.at1[MEAN_PRESENT], row, colour=GREY if row == 0 else BLUE)
    ax.set_yticks(range(len(rungs)), [one.name for one in rungs])
    ax.set(
        xlabel="mAP@1 over classes with labels, 95 % interval",
        xlim=(0, None),
        ylim=(-0.5, len(rungs) - 0.5),
        title="What is each part worth, on one budget?",
    )
    return open_frame(ax)


def draw_learning(matches_to_rung: Mapping[int, Rung], ax: Axes | None = None) -> Axes:
    """Draw mAP@1 by the number of matches that were learned from, on as many steps."""
    ax = axes_or_new(ax, (5.4, 3.2), layout="constrained")
    counts = sorted(matches_to_rung)
    found = [matches_to_rung[count].at1[MEAN_PRESENT] for count in counts]
    values = [one.value for one in found]
    ax.vlines(counts, [one.low for one in found], [one.high for one in found], color=GREY)
    ax.plot(counts, values, "o-", color=BLUE)
    ax.set_xticks(counts)
    ax.set(
        xlabel="matches learned from, as many steps each",
        ylabel="mAP@1, 95 % interval",
        ylim=(0, None),
        title="Would more matches help?",
    )
    return open_frame(ax)


def draw_class_scores(best: Rung, floor: Rung, ax: Axes | None = None) -> Axes:
    """Draw the average precision of each class with its interval, and what chance gets."""
    names = [name for name in best.score.classes if best.at1[name].n]
    ax = axes_or_new(ax, (8, 0.9 + 0.34 * len(names)), layout="constrained")
    scored, by_chance = best.at1, floor.at1
    for row, name in enumerate(names):
        draw_interval(ax, scored[name], row, colour=BLUE)
        ax.plot(by_chance[name].value, row, "|", color=VERMILION, markersize=14, mew=2)
    ax.set_yticks(range(len(names)), [f"{name.lower()}  n={scored[name].n}" for name in names])
    ax.set(
        xlabel="AP@1, 95 % interval (red: chance)",
        xlim=(-0.01, 1.01),
        ylim=(len(names) - 0.5, -0.5),
        title="Which actions does it find?",
    )
    return open_frame(ax)


def draw_tolerance(rungs: Sequence[Rung], ax: Axes | None = None) -> Axes:
    """Draw mAP against how far a spot may be from its action."""
    ax = axes_or_new(ax, (7, 3.8), layout="constrained")
    styles = ("-", "--", "-.", ":")
    for place, one in enumerate(reversed(rungs)):
        rows = tolerance_curve(one.score)
        windows, means = ([row[key] for row in rows] for key in ("window_ms", "mAP"))
        ax.plot(windows, means, styles[place % 4], marker="o", markersize=4, label=one.name)
    ax.set_xscale("log")
    ax.set_xticks(windows, [f"±{window:.0f}" for window in windows], rotation=45)
    ax.minorticks_off()
    ax.axvline(480, color=SOFT, linewidth=0.8, linestyle=":")
    ax.set(xlabel="a spot counts within … ms (dotted: mAP@1)", ylabel="mAP", ylim=(0, 1))
    ax.set_title("How exactly does it know when?")
    ax.legend(frameon=False, fontsize="small")
    return open_frame(ax)


def draw_minute(
    one: Rung, truth: Mapping[str, Events], match: str, start_s: float, ax: Axes | None = None
) -> Axes:
    """Draw a minute: raw scores by class and step, what happened, and what is said to happen."""
    classes = one.score.classes
    ax = axes_or_new(ax, (12, 0.8 + 0.33 * len(classes)), layout="constrained")
    start_s = max(0.0, min(start_s, len(one.raws[match]) * STEP_S - 60))
    first, end = int(start_s / STEP_S), int((start_s + 60) / STEP_S)
    chances = 1 / (1 + np.exp(-one.raws[match][first:end, : len(classes)].astype(float)))
    extent = (first * STEP_S, (first + len(chances)) * STEP_S, len(classes) - 0.5, -0.5)
    ax.imshow(chances.T, cmap="Greys", vmin=0, vmax=1, aspect="auto", extent=extent)
    for events, marker, colour, name, shift in (
        (truth[match], "v", GREEN, "happened", -0.28),
        (one.likely[match], "^", VERMILION, "spotted", 0.28),
    ):
        times = events.position_ms / 1000
        shown = (times >= extent[0]) & (times < extent[1])
        rows = events.label[shown] + shift
        ax.plot(times[shown], rows, marker, color=colour, label=name, mec=INK, mew=0.4)
    ax.set_yticks(range(len(classes)), [name.lower() for name in classes])
    ax.set(xlabel="seconds", xlim=extent[:2], ylim=extent[2:])
    ax.set_title(f"What does it say of a minute of {match}? (grey: raw scores)", loc="left")
    ax.legend(frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
    return open_frame(ax)


def draw_error_kinds(one: Rung, ax: Axes | None = None) -> Axes:
    """Draw what the surest spots of each class are, and the labels that were missed."""
    counts = count_kinds(find_mistakes(one.score))
    ax = axes_or_new(ax, (9, 0.9 + 0.34 * len(counts)), layout="constrained")
    left = np.zeros(len(counts))
    for kind in KINDS:
        widths = np.array([row[kind] for row in counts.values()])
        if widths.any():
            colour = _KIND_COLOURS[kind]
            ax.barh(range(len(counts)), widths, left=left, color=colour, label=kind, ec="white")
        left += widths
    ax.set_yticks(range(len(counts)), [name.lower() for name in counts])
    ax.set(xlabel="spots, as many of each class as it has labels; then missed labels")
    ax.set(ylim=(len(counts) - 0.5, -0.5), title="What goes wrong?")
    ax.legend(frameon=False, ncols=4, fontsize="small", loc="lower right")
    return open_frame(ax)


def draw_strips(
    one: Rung, videos: Mapping[str, Path], kind: str, ax: Axes | None = None, *, limit: int = 4
) -> Axes:
    """Draw the surest spots of a kind (see `mistakes`), each as frames around its moment."""
    found = [finding for finding in find_mistakes(one.score) if finding.kind == kind]
    surest = sorted(found, key=lambda finding: -finding.score)
    chosen: list[Finding] = []
    for finding in surest:  # one of each class first
        if all(finding.class_name != other.class_name for other in chosen):
            chosen.append(finding)
    chosen = (chosen + [finding for finding in surest if finding not in chosen])[:limit]
    rows = [_strip(videos[finding.match], finding.time_s) for finding in chosen]
    captions = [
        f"{finding.class_name.lower()} {finding.score:.2f}"
        + (f"\nis {finding.truth.lower()}" if finding.truth else "")
        + f"\n{finding.match.rpartition('/')[2]}, {finding.time_s:.1f} s"
        for finding in chosen
    ]
    return draw_sheet(rows, captions, f"{kind}: the surest of {len(found)}", ax, empty="none")


def _strip(video: Path, time_s: float) -> list[npt.NDArray[np.uint8]]:
    info = probe(video)
    last_s = float((info.frame_count - 1) / info.fps)
    frames = frames_at(video, np.clip(time_s + np.array(_STRIP_S), 0, last_s))
    size = (_STRIP_WIDTH, round(_STRIP_WIDTH * info.height / info.width / 2) * 2)
    return list(sample_readable(video, frames, size).images)
