"""A look at a simulated shot: what the detector reported, over what was there."""

from matplotlib.axes import Axes

from workbench.simulated.shots.shot import SimulatedShot
from workbench.style import BLUE, GREY, ORANGE, VERMILION, axes_or_new


def draw_simulated_shot(shot: SimulatedShot, ax: Axes | None = None) -> Axes:
    """Draw the true path, the reported track, the clicked goal and people in the picture."""
    ax = axes_or_new(ax, (7.2, 4.2))
    contact = int(shot.contact_frame)
    ax.plot(*shot.pixels[: contact + 2].T, color=GREY, lw=1, ls=":", label="true, before the kick")
    ax.plot(*shot.pixels[contact + 1 :].T, color=BLUE, lw=1, label="true, after it")
    ax.scatter(shot.track.x, shot.track.y, s=9, color=ORANGE, zorder=3, label="reported")
    ax.plot(*shot.goal_corners_px.T, color=VERMILION, lw=2, marker="o", ms=3, label="goal")
    for foot_x, foot_y, head_x, head_y in shot.people if shot.people is not None else []:
        ax.plot([foot_x, head_x], [foot_y, head_y], color="black", lw=3, alpha=0.4)
    ax.legend(fontsize=7)
    for name, at in shot.events:
        if at < len(shot.pixels) and name != "bounce":
            ax.annotate(name, shot.pixels[int(at)], fontsize=7)
    ax.set(xlim=(0, shot.image_wh[0]), ylim=(shot.image_wh[1], 0), aspect="equal")
    ax.set_title(
        f"What does the detector report? A {shot.kind.replace('_', ' ')} at "
        f"{shot.speed_kmh:.0f} km/h,\ncamera {shot.placement.replace('_', ' ')}, "
        f"{shot.camera_distance_m:.0f} m from the goal",
        fontsize=10,
    )
    ax.set(xlabel="x in px", ylabel="y in px")
    return ax
