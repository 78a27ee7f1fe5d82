"""The figures of one shot: speed over time, and the goal's mouth as the shooter sees it.

Every function answers the question in its title, draws on the axes it is given and returns them.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, Ellipse, Rectangle
from matplotlib.ticker import MultipleLocator

from workbench.shots.analysed import ShotAnalysis
from workbench.shots.words import EVENT_WORDS, headline_colour, reason_words, speed_words
from workbench.style import BLUE, GREY, INK, SKY, axes_or_new, open_frame

BALL_RADIUS_M, POST_M = 0.11, 0.12  # Laws of the Game: 68–70 cm around, posts at most 12 cm wide
_REACH_M = 2.0  # how far beside and above the goal the view reaches
_90 = 1.645  # standard deviations of a 90 % interval


def draw_speed_curve(shot: ShotAnalysis, ax: Axes | None = None) -> Axes:
    """Draw the ball's fitted speed since the kick, with what happened on the way."""
    ax = axes_or_new(ax, (6.4, 3.2), layout="constrained")
    ax.set_title("How fast was the ball?", loc="left")
    path, verdict = shot.verdict.path, shot.verdict
    if path is None:
        return say_why_not(ax, f"No flight was fitted: {reason_words(verdict)}")
    kick = shot.kick_frame if shot.kick_frame is not None else float(path.frames[0])
    flown = path.frames >= kick
    time_s = (path.frames[flown] - kick) / shot.fps
    ax.plot(time_s, path.speed_kmh[flown], color=BLUE, linewidth=2.5)
    if verdict.speed_interval_kmh is not None and verdict.speed_kmh is not None:
        low, high = verdict.speed_interval_kmh
        ax.plot([0, 0], [low, high], color=BLUE, linewidth=8, alpha=0.35, solid_capstyle="butt")
        ax.annotate(
            speed_words(verdict.speed_kmh, verdict.speed_interval_kmh), (0, high), (6, 2),
            textcoords="offset points", fontsize=9, fontweight="bold", color=INK,
        )  # fmt: skip
    top = 1.25 * max(
        1.0, float(path.speed_kmh[flown].max()), (verdict.speed_interval_kmh or (0, 0))[1]
    )
    _mark_events(ax, shot, kick, float(time_s[-1]))
    ax.set(xlabel="seconds since the kick", ylabel="km/h", ylim=(0, top))
    open_frame(ax)
    ax.grid(axis="y", color="#ECECEC")
    ax.set_axisbelow(True)
    return ax


def _mark_events(ax: Axes, shot: ShotAnalysis, kick: float, last_s: float) -> None:
    """A line and a word per event; the words alternate in height, because events come close."""
    events = [event for event in shot.verdict.events if event.kind != "kick"]
    shown = [event for event in events if 0 <= (event.frame - kick) / shot.fps <= last_s]
    for place, event in enumerate(shown):
        time_s = (event.frame - kick) / shot.fps
        ax.axvline(time_s, color=GREY, linewidth=1, linestyle=(0, (3, 3)), zorder=0)
        ax.annotate(
            EVENT_WORDS[event.kind], (time_s, 1), (2, -11 - 11 * (place % 3)),
            xycoords=("data", "axes fraction"), textcoords="offset points", fontsize=8,
            color="#555555",
        )  # fmt: skip


def draw_goal_mouth(shot: ShotAnalysis, ax: Axes | None = None) -> Axes:
    """Draw where the ball crossed the goal line's plane, seen by the shooter, to scale."""
    ax = axes_or_new(ax, (6.4, 3.6), layout="constrained")
    ax.set_title("Where did it cross?", loc="left")
    verdict, (width, height) = shot.verdict, shot.goal_wh_m
    crossing = verdict.crossing_m
    _draw_goal(ax, width, height)
    reach_x = width / 2 + _REACH_M
    reach_z = height + _REACH_M / 2
    if crossing is None:
        ax.text(
            0, height / 2, _no_crossing(shot), ha="center", va="center", fontsize=10,
            color=INK, bbox={"boxstyle": "round", "fc": "white", "ec": "none", "alpha": 0.85},
        )  # fmt: skip
    else:
        x, z = crossing
        reach_x = max(reach_x, abs(x) + 0.5)
        reach_z = max(reach_z, z + 0.5)
        spread = verdict.details.get("crossing_sd_m")
        colour = headline_colour(verdict)
        if spread is not None:
            sure = Ellipse((x, z), 2 * _90 * spread[0], 2 * _90 * spread[1], fc=colour, alpha=0.25)
            ax.add_patch(sure)
        ax.add_patch(Circle((x, z), BALL_RADIUS_M, fc="white", ec=INK, lw=1.5, zorder=6))
        side = "left" if x > 0 else "right"
        ax.annotate(
            f"{abs(x):.1f} m {side}, {z:.1f} m up", (x, z), (0, 12), textcoords="offset points",
            ha="center", fontsize=9, fontweight="bold", zorder=7,
            bbox={"boxstyle": "round,pad=0.2", "fc": "white", "ec": "none", "alpha": 0.85},
        )  # fmt: skip
    ax.set(xlim=(reach_x, -reach_x), ylim=(-0.35, reach_z), aspect="equal")
    ax.set(xlabel="metres from the middle, as the shooter sees it", ylabel="metres up")
    ax.yaxis.set_major_locator(MultipleLocator(1))
    ax.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    return open_frame(ax)


def _draw_goal(ax: Axes, width: float, height: float) -> None:
    for x in np.linspace(-width / 2, width / 2, max(2, round(width / 0.35))):
        ax.plot([x, x], [0, height], color="#E1E5E8", linewidth=0.7, zorder=0)
    for z in np.linspace(0, height, max(2, round(height / 0.35))):
        ax.plot([-width / 2, width / 2], [z, z], color="#E1E5E8", linewidth=0.7, zorder=0)
    ax.axhspan(-0.35, 0, color="#E9F0E4", zorder=0)
    for corner, wide, high in (
        ((-width / 2 - POST_M, 0.0), POST_M, height + POST_M),
        ((width / 2, 0.0), POST_M, height + POST_M),
        ((-width / 2 - POST_M, height), width + 2 * POST_M, POST_M),
    ):
        ax.add_patch(Rectangle(corner, wide, high, fc=SKY, ec=INK, lw=0.8, zorder=3))


def _no_crossing(shot: ShotAnalysis) -> str:
    kinds = {event.kind for event in shot.verdict.events}
    if "save" in kinds:
        return "It was stopped before the line."
    if "post" in kinds:
        return "It came back from the frame."
    return "Nobody can tell: it was not seen to cross."


def say_why_not(ax: Axes, words: str) -> Axes:
    """Show why there is nothing to draw."""
    ax.text(0.5, 0.5, words, ha="center", va="center", wrap=True, color="#666666")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    return ax
