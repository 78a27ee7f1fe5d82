"""Pictures of what was found: a timeline to click, misses by stage, and what a miss looks like.

The unit is one watched video, or the assessment of several. The page plays the video where it lies.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from workbench.footage.frames import frames_at, sample_frames
from workbench.highlights.misses import Assessment, Fate
from workbench.highlights.reel import clock
from workbench.highlights.stages import STAGES
from workbench.highlights.watch import Watched, ranked
from workbench.pages.page import render, show_duration
from workbench.saving import save_text
from workbench.style import (
    GREEN,
    GREY,
    INK,
    VERMILION,
    axes_or_new,
    class_colours,
    draw_interval,
    draw_sheet,
    open_frame,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TEMPLATES = Path(__file__).parent / "templates"
_LANE_PX, _LEAST_WIDTH = 34.0, 3.0
_SHOWN_S = (-0.6, -0.3, 0.0, 0.3, 0.6)  # of a miss, around its decisive moment


def save_timeline(watched: Watched, path: Path) -> Path:
    """Write a page on which every highlight can be clicked and played; return its path."""
    ranks = {one: place for place, one in enumerate(ranked(watched.highlights), 1)}
    sports = sorted({one.sport for one in watched.highlights})
    colours = class_colours(sports)
    scale = 1000 / max(watched.duration_s, 1e-3)
    lanes: list[dict[str, Any]] = []
    for sport in sports:
        bars = []
        for one in (one for one in watched.highlights if one.sport == sport):
            height = _LANE_PX * (0.25 + 0.75 * one.score)
            bars.append(
                {
                    "start_s": one.start_s,
                    "end_s": one.end_s,
                    "x": round(one.start_s * scale, 2),
                    "y": round(_LANE_PX - height, 1),
                    "width": round(max(_LEAST_WIDTH, (one.end_s - one.start_s) * scale), 2),
                    "height": round(height, 1),
                    "title": f"{one.sport} {one.score:.2f} at {clock(one.peak_s)}",
                }
            )
        lanes.append({"sport": sport, "colour": colours[sport], "bars": bars})
    rows = [
        {
            "rank": ranks[one],
            "start_s": one.start_s,
            "end_s": one.end_s,
            "when": clock(one.start_s),
            "sport": one.sport,
            "score": f"{one.score:.2f}",
            "why": "; ".join(one.reasons),
        }
        for one in watched.highlights
    ]
    near = watched.video.resolve()
    page = render(
        _TEMPLATES / "timeline.html.j2",
        script=_TEMPLATES / "timeline.js",
        name=watched.video.name,
        video=quote(_relative(near, path.resolve().parent)),
        duration=show_duration(watched.duration_s),
        stages=watched.counts(),
        notes=watched.notes,
        lanes=lanes,
        cuts=[round(cut * scale, 2) for cut in watched.cuts_s],
        rows=rows,
    )
    save_text(path, page)
    return path


def _relative(path: Path, folder: Path) -> str:
    import os

    return Path(os.path.relpath(path, folder)).as_posix()


def draw_misses(assessment: Assessment, ax: "Axes | None" = None) -> "Axes":
    """Draw a waterfall: how many true highlights each stage leaves, and how many it loses."""
    from matplotlib.ticker import MaxNLocator

    ax = open_frame(axes_or_new(ax, (8, 3.4), layout="constrained"))
    total = left = len(assessment.fates)
    ax.bar(0, total, color=GREY)
    ax.text(0, total, f" {total}", ha="center", va="bottom")
    for place, stage in enumerate(STAGES, 1):
        lost = sum(fate.lost_by == stage for fate in assessment.fates)
        left -= lost
        ax.bar(place, lost, bottom=left, color=VERMILION)
        ax.bar(place, left, color=GREY, alpha=0.35)
        ax.text(place, left + lost, f"−{lost}" if lost else "0", ha="center", va="bottom")
    found = assessment.recall()
    ax.bar(len(STAGES) + 1, left, color=GREEN)
    ax.text(len(STAGES) + 1, left, f"{left} ({found.value:.0%})", ha="center", va="bottom")
    ax.set_xticks(range(len(STAGES) + 2), ["true", *STAGES, "found"])
    ax.set(ylabel="true highlights", ylim=(0, 1.15 * max(total, 1)))
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_title("At which stage are highlights lost?", loc="left")
    return ax


def draw_oracles(found: Mapping[str, Assessment], ax: "Axes | None" = None) -> "Axes":
    """Draw recall with intervals as it is, and if each stage were perfect."""
    ax = open_frame(axes_or_new(ax, (8, 2.6), layout="constrained"))
    for place, (stage, one) in enumerate(found.items()):
        draw_interval(ax, one.recall(), -place, colour=GREEN if stage else GREY)
        ax.text(1.02, -place, str(one.false_alarms_per_hour()), va="center", fontsize=8, color=INK)
    names = [f"{stage} perfect" if stage else "as it is" for stage in found]
    ax.set_yticks([-place for place in range(len(names))], names)
    ax.set(xlim=(0, 1.01), xlabel="recall; to the right false alarms per hour")
    ax.set_title("What would a perfect stage give?", loc="left")
    return ax


def draw_missed(misses: Sequence[Fate], most: int = 4, ax: "Axes | None" = None) -> "Axes":
    """Draw frames of missed highlights, one row each: what was lost, by which stage and why."""
    rows, captions = [], []
    for fate in misses[:most]:
        times = np.clip(np.array(_SHOWN_S) + fate.act.at_s, 0, None)
        frames = sample_frames(fate.video, frames_at(fate.video, times), (192, 108))
        rows.append(list(frames))
        what = f"{fate.act.sport} at {clock(fate.act.at_s)}"
        captions.append(f"{what}\nlost by {fate.lost_by}\n{fate.reason[:44]}")
    return draw_sheet(
        rows, captions, "What was missed, and by whom?", ax, empty="nothing was missed"
    )


def alarm_table(assessment: Assessment, most: int = 20) -> pd.DataFrame:
    """Return the surest false alarms: where, as what, and why."""
    rows = sorted(assessment.false_alarms, key=lambda pair: -pair[1].score)[:most]
    return pd.DataFrame(
        [
            {"video": path.name, "at": clock(one.peak_s), "class": one.sport, "score": one.score,
             "why": "; ".join(one.reasons)}
            for path, one in rows
        ]
    )  # fmt: skip
