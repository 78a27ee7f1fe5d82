"""A map of the shot from above, to scale: goal, lines, players, the ball's path and its crossing.

Metres on the pitch as in `footage.pinhole`, with the goal at the top and left on the left, as the
shooter sees it. Places come from the fitted camera: the ball from the fit, people from where their
feet meet the ground. Knows nothing about frames beyond where their pixels lie on the ground.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Arc, Rectangle
from matplotlib.ticker import MultipleLocator
from numpy.typing import NDArray

from workbench.footage.pinhole import (
    FULL_GOAL_M,
    GOAL_AREA_M,
    PENALTY_AREA_M,
    PENALTY_SPOT_M,
    to_ground,
)
from workbench.shots.analysed import ShotAnalysis
from workbench.shots.pictures.colours import player_colours, speed_colour
from workbench.shots.pictures.figures import say_why_not
from workbench.shots.verdict import FlightPath
from workbench.shots.words import reason_words
from workbench.style import SKY, axes_or_new, open_frame

_GRASS, _CHALK, _INK = "#E9F0E4", "#9DB08F", "#222222"
_RINGS_M = (5, 10, 15, 20, 25, 30)
_MARGIN_M, _BEHIND_M = 2.5, -4.0


def feet_on_pitch(shot: ShotAnalysis) -> dict[str, NDArray[np.float64]]:
    """Return for each player frame, X and Y in metres (N, 3) of where they stand.

    The feet are the middle of the lower edge of a player's box; whoever jumps or dives seems
    farther away than they are. Empty without a fitted camera.
    """
    path = shot.verdict.path
    if path is None:
        return {}
    found = {}
    for name, rows in shot.people.table.groupby("player", sort=True):
        feet = np.stack([(rows["x0"] + rows["x1"]) / 2, rows["y1"]], axis=1)
        places = np.column_stack([rows["frame"], to_ground(path.camera, feet)])
        found[str(name)] = places[np.isfinite(places).all(axis=1)]
    return found


def draw_pitch_map(shot: ShotAnalysis, ax: Axes | None = None) -> Axes:
    """Draw the shot from above: path coloured by speed, players at the kick, run-ups faint."""
    ax = axes_or_new(ax, (5.2, 5.6), layout="constrained")
    ax.set_title("Where on the pitch did it happen?", loc="left")
    path = shot.verdict.path
    if path is None:
        return say_why_not(ax, f"No camera was fitted: {reason_words(shot.verdict)}")
    feet = feet_on_pitch(shot)
    _frame_view(ax, path, shot)
    _draw_lines(ax, shot.goal_wh_m)
    kick = shot.kick_frame if shot.kick_frame is not None else float(path.frames[0])
    _draw_players(ax, feet, kick, shot.fps)
    _draw_path(ax, path)
    _draw_crossing(ax, shot)
    return ax


def _frame_view(ax: Axes, path: FlightPath, shot: ShotAnalysis) -> None:
    """Show goal and path whole, the camera only where it is near, and at least ten metres."""
    half = max(6.0, shot.goal_wh_m[0] / 2 + 2, float(np.abs(path.positions_m[:, 0]).max()) + 1)
    far = max(10.0, float(path.positions_m[:, 1].max()) + _MARGIN_M)
    near = max(_BEHIND_M, min(-_MARGIN_M, float(path.positions_m[:, 1].min()) - 0.5))
    ax.set(xlim=(half, -half), ylim=(far, near), aspect="equal", facecolor=_GRASS)
    ax.set(xlabel="metres from the middle of the goal", ylabel="metres from the goal line")
    ax.xaxis.set_major_locator(MultipleLocator(2))
    ax.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    open_frame(ax)


def _draw_lines(ax: Axes, goal_wh_m: tuple[float, float]) -> None:
    ax.axhline(0, color=_CHALK, linewidth=1.5, zorder=1)
    if goal_wh_m == FULL_GOAL_M:  # a full-size goal stands in a penalty area, others anywhere
        for width, depth in (GOAL_AREA_M, PENALTY_AREA_M):
            outline = Rectangle((-width / 2, 0), width, depth, fill=False, ec=_CHALK, lw=1.5)
            ax.add_patch(outline)
        ax.plot(0, PENALTY_SPOT_M, "o", color=_CHALK, markersize=4, zorder=1)
        ax.add_patch(Arc((0, PENALTY_SPOT_M), 18.3, 18.3, theta1=37, theta2=143, ec=_CHALK, lw=1.5))
    else:
        for radius in _RINGS_M:
            arc = Arc((0, 0), 2 * radius, 2 * radius, theta1=0, theta2=180, ec=_CHALK, lw=0.8)
            arc.set_linestyle((0, (4, 4)))
            ax.add_patch(arc)
            ax.annotate(
                f"{radius} m", (0, radius), color="#71836A", fontsize=8, ha="center", va="bottom",
                annotation_clip=True,
            )  # fmt: skip
    half, depth = goal_wh_m[0] / 2, 0.3 * goal_wh_m[0]
    net = Rectangle((-half, -depth), 2 * half, depth, fc="white", ec="#C8CDD2", lw=0, hatch="xxxx")
    ax.add_patch(net)
    ax.plot([-half, -half, half, half], [0, -depth, -depth, 0], color="#9AA3AB", linewidth=1)
    ax.plot([-half, half], [0, 0], color=SKY, linewidth=3.5, solid_capstyle="butt", zorder=2)
    ax.plot([-half, half], [0, 0], "o", color=_INK, markersize=4.5, zorder=3)


def _draw_players(
    ax: Axes, feet: dict[str, NDArray[np.float64]], kick_frame: float, fps: float
) -> None:
    colours = player_colours(feet)
    for name, places in feet.items():
        if not len(places):
            continue
        run_up = places[(places[:, 0] >= kick_frame - 1.5 * fps) & (places[:, 0] <= kick_frame)]
        ax.plot(run_up[:, 1], run_up[:, 2], color=colours[name], alpha=0.5, linewidth=1.5)
        at_kick = places[np.argmin(np.abs(places[:, 0] - kick_frame))]
        ax.plot(
            at_kick[1], at_kick[2], "o", color=colours[name], markersize=11, markeredgecolor=_INK,
            zorder=4,
        )  # fmt: skip
        ax.annotate(
            name, (at_kick[1], at_kick[2]), (9, 0), textcoords="offset points", va="center",
            fontsize=9, fontweight="bold", color=_INK, annotation_clip=True,
        )  # fmt: skip


def _draw_path(ax: Axes, path: FlightPath) -> None:
    x, y = path.positions_m[:, 0], path.positions_m[:, 1]
    ax.plot(x, y, color=_INK, linewidth=4.5, solid_capstyle="round", zorder=5)
    for place in range(len(x) - 1):
        colour = speed_colour(float(path.speed_kmh[place]))
        ax.plot(x[place : place + 2], y[place : place + 2], color=colour, linewidth=2.8, zorder=6)
    ax.plot(x[0], y[0], "o", color="white", markeredgecolor=_INK, markersize=6, zorder=7)


def _draw_crossing(ax: Axes, shot: ShotAnalysis) -> None:
    crossing = shot.verdict.crossing_m
    if crossing is None:
        return
    ax.plot(crossing[0], 0, "X", color="white", markeredgecolor=_INK, markersize=10, zorder=8)
    spread = shot.verdict.details.get("crossing_sd_m")
    if spread is not None:
        ax.errorbar(crossing[0], 0, xerr=1.645 * spread[0], color=_INK, capsize=3, zorder=7)
