"""Shots of rendered footage as a detector would report them, without their pictures.

The unit is one shot, as in `shots`, of another world: goals, shooters and goalkeepers as `staging`
choreographs them, whole bodies instead of a few points, one camera near the shooter as in
`sessions`. No pixel is drawn, so a shot takes milliseconds instead of seconds.
"""

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from workbench.footage.pinhole import Floats, goal_corners
from workbench.simulated.crowd import Watched, boxes_of
from workbench.simulated.scene import Scene
from workbench.simulated.shots import (
    AT_NIGHT,
    BY_HAND,
    FROM_THE_STANDS,
    ZOOMED,
    SimulatedShot,
    SimulationSettings,
    observe,
    simulate_shot,
)
from workbench.simulated.staging import KEEPER_ID, ShotTruth, draw_place, stage_shot
from workbench.simulated.venue import VENUES, draw_venue
from workbench.simulated.worlds import Kind

RENDERED = SimulationSettings(
    distortion_k1=0.0,
    noise_px=(0.15, 0.6),
    drift_px=(0.0, 0.4),
    gap_share=(0.02, 0.40),
    gap_frames=(1.0, 6.0),
    outlier_share=(0.0, 0.05),
    exposure_s=(0.005, 0.016),
    corner_noise_px=(0.3, 1.5),
    watched=Watched(share=0.9, noise_px=(0.8, 3.0)),
    kick_error_frames=2.0,
)
_SIZES = ((640, 360), (1280, 720))
_FRAME_RATES = (25.0, 30.0, 30.0)
_DURATION_S = 3.0
_STEP_S = 1 / 240
_SAID_TO_KIND: dict[str, Kind] = {
    "goal": "goal", "post": "post", "wide": "wide", "over": "over", "short": "short",
}  # fmt: skip


def track_rendered_shot(seed: int, settings: SimulationSettings = RENDERED) -> SimulatedShot:
    """Stage a shot as rendered footage does, and report it as a detector would, in about 20 ms.

    Sizes in pixels in the settings are for a picture 640 wide, and grow with half its size.

    Example:
        >>> track_rendered_shot(7).question()["fps"] in (25.0, 30.0)
        True
    """
    rng = np.random.default_rng([seed, 3])
    venue = draw_venue(rng, VENUES[seed % 2])
    wh = _SIZES[rng.integers(len(_SIZES))]
    camera_m = None if rng.random() < 0.5 else rng.uniform(5.5, 30.0)
    place = draw_place(rng, venue, wh, camera_m)
    fps = _FRAME_RATES[rng.integers(len(_FRAME_RATES))]
    scene, truth = stage_shot(rng, place, venue)
    camera = place.camera
    frames = round(_DURATION_S * fps)
    times_s = (np.arange(frames, dtype=np.float64) + 0.5) / fps
    moments = [scene(time_s) for time_s in times_s]
    positions = np.array([moment.balls[0].center for moment in moments], np.float64)
    track = observe(rng, camera, times_s, positions, positions, settings)
    corners = camera.project(goal_corners(truth.goal_wh_m))[0]
    corners = corners + rng.normal(0, rng.uniform(*settings.corner_noise_px), (4, 2))
    bodies = {
        f"P{number}": np.array([moment.people[number].joints for moment in moments])
        for number in range(KEEPER_ID)
    }
    if rng.random() >= settings.watched.share:
        bodies = {}
    error = rng.uniform(-settings.kick_error_frames, settings.kick_error_frames)
    contact_frame = truth.contact_s * fps - 0.5
    start, off = scene(truth.contact_s).balls[0].center, camera.position
    between = math.atan2(start[0], start[1]) - math.atan2(off[0], off[1])
    return SimulatedShot(
        seed=seed,
        fps=fps,
        image_wh=wh,
        track=track,
        goal_corners_px=corners,
        goal_size_m=truth.goal_wh_m,
        people=boxes_of(rng, camera, bodies, settings.watched),
        kick_frame=round(contact_frame + error),
        kind=_kind_of(truth),
        is_goal=truth.is_goal,
        placement="behind",
        contact_frame=contact_frame,
        speed_kmh=truth.speed_kmh,
        line_speed_kmh=_line_speed_kmh(scene, times_s, positions),
        crossing_m=truth.crossing_m,
        positions_m=positions,
        pixels=camera.project(positions)[0],
        events=tuple((name, at * fps - 0.5) for name, at in truth.events),
        camera=camera.matrix,
        camera_distance_m=float(np.linalg.norm(camera.position)),
        view_angle_deg=abs(math.degrees(math.remainder(between, 2 * math.pi))),
    )


# Those that a fit of shots is calibrated on, one left out at a time; each makes a shot of a seed.
SIMULATORS: dict[str, Callable[[int], SimulatedShot]] = {
    "usual": simulate_shot,
    "stadium": partial(simulate_shot, settings=FROM_THE_STANDS),
    "park": partial(simulate_shot, settings=BY_HAND),
    "rendered": track_rendered_shot,
}
# And some that none is calibrated on.
STRANGE: dict[str, Callable[[int], SimulatedShot]] = {
    "night": partial(simulate_shot, settings=AT_NIGHT),
    "zoomed": partial(simulate_shot, settings=ZOOMED),
}


def _kind_of(truth: ShotTruth) -> Kind:
    if truth.verdict in _SAID_TO_KIND:
        return _SAID_TO_KIND[truth.verdict]
    return "held" if any(name == "held" for name, _ in truth.events) else "parried"


def _line_speed_kmh(scene: Scene, times_s: Floats, positions_m: Floats) -> float | None:
    """Speed of the ball where it first meets the plane of the line, if it does."""
    beyond = np.flatnonzero(positions_m[:, 1] <= 0)
    if not len(beyond) or beyond[0] == 0:
        return None
    at = int(beyond[0])
    before, after = positions_m[at - 1, 1], positions_m[at, 1]
    meets_s = times_s[at - 1] + (times_s[at] - times_s[at - 1]) * before / (before - after)
    first, last = (scene(meets_s + by).balls[0].center for by in (-_STEP_S, 0.0))
    return 3.6 * float(np.linalg.norm(last - first)) / _STEP_S
