"""The figures of one shot: speed over time, a map from above, and the goal's mouth.

Every function answers the question in its title, draws on the axes it is given and returns them.
Metres as in `footage.pinhole`, drawn as the shooter sees them: left on the left. Places come from
the fitted camera: the ball from the fit, people from where their feet meet the ground.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Arc, Circle, Ellipse, Rectangle
from matplotlib.ticker import MultipleLocator

from workbench.footage.pinhole import (
    BALL_RADIUS_M,
    FULL_GOAL_M,
    GOAL_AREA_M,
    PENALTY_AREA_M,
    PENALTY_SPOT_M,
    POST_RADIUS_M,
    Floats,
    to_ground,
)
from workbench.shots.analysed import ShotAnalysis
from workbench.shots.pictures.colours import player_colours, speed_colour
from workbench.shots.verdict import FlightPath
from workbench.shots.words import event_words, headline_colour, reason_words, speed_words
from workbench.style import BLUE, GREY, INK, SKY, axes_or_new, open_frame

_REACH_M = 2.0  # how far beside and above the goal the view reaches
_90 = 1.645  # standard deviations of a 90 % interval
_GRASS, _CHALK = "#E9F0E4", "#9DB08F"
_RINGS_M = (5, 10, 15, 20, 25, 30)
_MARGIN_M, _BEHIND_M = 2.5, -4.0


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
            event_words(event), (time_s, 1), (2, -11 - 11 * (place % 3)),
            xycoords=("data", "axes fraction"), textcoords="offset points", fontsize=8,
            color="#555555",
        )  # fmt: skip


def feet_on_pitch(shot: ShotAnalysis) -> dict[str, Floats]:
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
        pairs = zip(rows["frame"].tolist(), feet, strict=True)
        feet = np.concatenate([shot.view.to_reference(frame, foot) for frame, foot in pairs])
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
    ax.plot([-half, half], [0, 0], "o", color=INK, markersize=4.5, zorder=3)


def _draw_players(ax: Axes, feet: dict[str, Floats], kick_frame: float, fps: float) -> None:
    colours = player_colours(feet)
    for name, places in feet.items():
        if not len(places):
            continue
        run_up = places[(places[:, 0] >= kick_frame - 1.5 * fps) & (places[:, 0] <= kick_frame)]
        ax.plot(run_up[:, 1], run_up[:, 2], color=colours[name], alpha=0.5, linewidth=1.5)
        at_kick = places[np.argmin(np.abs(places[:, 0] - kick_frame))]
        ax.plot(
            at_kick[1], at_kick[2], "o", color=colours[name], markersize=11, markeredgecolor=INK,
            zorder=4,
        )  # fmt: skip
        ax.annotate(
            name, (at_kick[1], at_kick[2]), (9, 0), textcoords="offset points", va="center",
            fontsize=9, fontweight="bold", color=INK, annotation_clip=True,
        )  # fmt: skip


def _draw_path(ax: Axes, path: FlightPath) -> None:
    x, y = path.positions_m[:, 0], path.positions_m[:, 1]
    ax.plot(x, y, color=INK, linewidth=4.5, solid_capstyle="round", zorder=5)
    for place in range(len(x) - 1):
        colour = speed_colour(float(path.speed_kmh[place]))
        ax.plot(x[place : place + 2], y[place : place + 2], color=colour, linewidth=2.8, zorder=6)
    ax.plot(x[0], y[0], "o", color="white", markeredgecolor=INK, markersize=6, zorder=7)


def _draw_crossing(ax: Axes, shot: ShotAnalysis) -> None:
    crossing, spread = shot.verdict.crossing_m, shot.verdict.details.get("crossing_sd_m")
    if crossing is None:
        return
    ax.plot(crossing[0], 0, "X", color="white", markeredgecolor=INK, markersize=10, zorder=8)
    if spread is not None:
        ax.errorbar(crossing[0], 0, xerr=_90 * spread[0], color=INK, capsize=3, zorder=7)


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
        reach_x = max(reach_x, abs(crossing[0]) + 0.5)
        reach_z = max(reach_z, crossing[1] + 0.5)
        _mark_crossing(ax, shot, *crossing)
    ax.set(xlim=(reach_x, -reach_x), ylim=(-0.35, reach_z), aspect="equal")
    ax.set(xlabel="metres from the middle, as the shooter sees it", ylabel="metres up")
    ax.yaxis.set_major_locator(MultipleLocator(1))
    ax.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    return open_frame(ax)


def _mark_crossing(ax: Axes, shot: ShotAnalysis, x: float, z: float) -> None:
    """The ball where it crossed, and an ellipse that holds it nine times in ten."""
    spread = shot.verdict.details.get("crossing_sd_m")
    if spread is not None:
        wide, high = 2 * _90 * spread[0], 2 * _90 * spread[1]
        ax.add_patch(Ellipse((x, z), wide, high, fc=headline_colour(shot.verdict), alpha=0.25))
    ax.add_patch(Circle((x, z), BALL_RADIUS_M, fc="white", ec=INK, lw=1.5, zorder=6))
    ax.annotate(
        f"{abs(x):.1f} m {'left' if x > 0 else 'right'}, {z:.1f} m up", (x, z), (0, 12),
        textcoords="offset points", ha="center", fontsize=9, fontweight="bold", zorder=7,
        bbox={"boxstyle": "round,pad=0.2", "fc": "white", "ec": "none", "alpha": 0.85},
    )  # fmt: skip


def _draw_goal(ax: Axes, width: float, height: float) -> None:
    for x in np.linspace(-width / 2, width / 2, max(2, round(width / 0.35))):
        ax.plot([x, x], [0, height], color="#E1E5E8", linewidth=0.7, zorder=0)
    for z in np.linspace(0, height, max(2, round(height / 0.35))):
        ax.plot([-width / 2, width / 2], [z, z], color="#E1E5E8", linewidth=0.7, zorder=0)
    ax.axhspan(-0.35, 0, color=_GRASS, zorder=0)
    post = 2 * POST_RADIUS_M
    for corner, wide, high in (
        ((-width / 2 - post, 0.0), post, height + post),
        ((width / 2, 0.0), post, height + post),
        ((-width / 2 - post, height), width + 2 * post, post),
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
    ax.set_axis_off()
    return ax
