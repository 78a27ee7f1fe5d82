"""Simulated shots as one phone's ball detector would report them, with the truth beside each.

The unit is one shot: a track of ball positions (with noise, motion blur, bursts of missed frames
and false detections, some at one fixed place), the goal's corners as a person clicked them, boxes
of people, a contact frame from the shooter's pose, and what really happened. One seed, one
shot, whatever was simulated before. For measuring `judge_shot` and for training its head; renders
no pictures (`sessions` does).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.footage.pinhole import BALL_RADIUS_M, Camera, Floats, goal_corners
from workbench.simulated.cameras import PHONE_FOCAL_PX_AT_1920, PLACEMENTS, Placement, beside_a_shot
from workbench.simulated.crowd import (
    KEEPER,
    SHOOTER,
    Watched,
    boxes_of,
    draw_keeper,
    draw_shooter,
    standing_body,
)
from workbench.simulated.kicks import StagedShot, draw_within, stage
from workbench.simulated.worlds import FREE_KICKS, PARK, STADIUM, USUAL, Kind, Range, World

_WATCHED = Watched()
_STAGINGS = 20  # attempts to find a camera that sees the shot


@dataclass(frozen=True)
class SimulationSettings:
    """How phones, detectors and clicks vary; pairs are the least and the greatest value."""

    fps: float = 30.0
    image_wh: tuple[int, int] = (1920, 1080)
    placement_share: tuple[float, float, float, float] = (0.40, 0.30, 0.15, 0.15)  # PLACEMENTS
    focal_px_at_1920: Range = PHONE_FOCAL_PX_AT_1920
    camera_m: Range = (1.2, 3.0)  # height
    distortion_k1: float = 0.02
    noise_px: Range = (0.5, 1.5)  # standard deviation of the ball's centre along each axis
    drift_px: Range = (0.0, 0.0)  # of an error that lasts, besides
    drift_s: Range = (0.2, 0.2)  # how long it lasts: its correlation falls to 1/e
    gap_share: Range = (0.10, 0.60)  # frames without any detection
    gap_frames: Range = (1.5, 4.0)  # mean length of a gap
    outlier_share: Range = (0.02, 0.10)  # detections that are not the ball
    decoy_share: float = 0.40  # outliers at one fixed place
    diameter_noise: Range = (0.05, 0.12)  # relative, frame by frame
    diameter_bias: float = 0.05  # relative, of a whole shot, standard deviation
    clock_s: float = 0.0  # how far pictures are off their even beat, at most
    seen_on_s: Range = (0.5, 1.1)  # after what matters of the flight
    exposure_s: Range = (0.001, 0.015)
    corner_noise_px: Range = (1.0, 3.0)
    corner_outside_m: Range = (0.0, 0.0)  # clicked so far outside the inner edge
    people: tuple[int, int] = (3, 10)  # standing about; the ones out of the picture are not given
    watched: Watched = _WATCHED
    kick_error_frames: float = 1.5  # either way
    kick_known_share: float = 1.0  # of shots whose contact frame is told
    world: World = USUAL


STANDARD = SimulationSettings()  # what reported figures are measured with
# Other worlds as other cameras and detectors see them. Errors last, for a tracker smooths, and a
# steadied picture drifts.
FROM_THE_STANDS = SimulationSettings(
    fps=50.0,
    placement_share=(0.35, 0.35, 0.20, 0.10),
    focal_px_at_1920=(1250.0, 1900.0),
    camera_m=(1.5, 6.0),
    distortion_k1=0.01,
    noise_px=(0.3, 1.0),
    drift_px=(0.5, 2.5),
    drift_s=(0.05, 0.25),
    gap_share=(0.02, 0.30),
    gap_frames=(2.0, 9.0),
    outlier_share=(0.0, 0.04),
    diameter_noise=(0.08, 0.16),
    diameter_bias=0.10,
    exposure_s=(0.0005, 0.004),
    corner_noise_px=(0.5, 2.5),
    corner_outside_m=(0.0, 0.10),
    watched=Watched(seen=(0.85, 1.0), noise_px=(1.0, 3.0)),
    kick_error_frames=2.5,
    world=STADIUM,
)
BY_HAND = SimulationSettings(
    fps=25.0,
    image_wh=(1280, 720),
    placement_share=(0.5, 0.25, 0.15, 0.10),
    focal_px_at_1920=(1150.0, 1650.0),
    camera_m=(1.3, 2.0),
    distortion_k1=0.05,
    noise_px=(0.4, 1.5),
    drift_px=(0.3, 2.0),
    drift_s=(0.15, 0.8),
    gap_share=(0.20, 0.65),
    gap_frames=(1.0, 6.0),
    outlier_share=(0.0, 0.12),
    decoy_share=0.7,
    diameter_noise=(0.05, 0.25),
    diameter_bias=0.08,
    exposure_s=(0.002, 0.02),
    corner_noise_px=(0.7, 2.5),
    people=(0, 5),
    watched=Watched(share=0.7, seen=(0.5, 0.95), noise_px=(2.0, 6.0)),
    kick_error_frames=2.0,
    world=PARK,
)
# A phone by hand at night, its film shared and encoded anew: small pictures off their beat, dark
# balls of which the lit side is seen, and a film that goes on after the shot.
AT_NIGHT = SimulationSettings(
    image_wh=(854, 480),
    placement_share=(0.6, 0.3, 0.05, 0.05),
    focal_px_at_1920=(1250.0, 1900.0),
    camera_m=(1.2, 2.0),
    noise_px=(0.25, 0.9),
    drift_px=(0.2, 0.9),
    drift_s=(0.1, 0.5),
    gap_share=(0.05, 0.45),
    gap_frames=(1.0, 5.0),
    outlier_share=(0.0, 0.08),
    diameter_noise=(0.08, 0.25),
    diameter_bias=0.12,
    clock_s=0.012,
    seen_on_s=(0.5, 1.8),
    exposure_s=(0.005, 0.02),
    corner_noise_px=(0.5, 1.8),
    people=(0, 3),
    watched=Watched(share=0.85, seen=(0.5, 0.95), noise_px=(1.0, 4.0)),
    kick_error_frames=2.0,
    world=FREE_KICKS,
)

# Long lenses, from a stand: the goal alone hardly tells how far off they are.
ZOOMED = SimulationSettings(focal_px_at_1920=(3000.0, 9000.0), camera_m=(3.0, 12.0))


@dataclass(frozen=True, eq=False)
class SimulatedShot:
    """What `judge_shot` is given, and the truth."""

    seed: int
    fps: float
    image_wh: tuple[int, int]
    track: pd.DataFrame  # frame, x, y, width_px, height_px, diameter_px, score
    goal_corners_px: Floats  # (4, 2) +X foot, +X top, −X top, −X foot, as clicked
    goal_size_m: tuple[float, float]
    people: pd.DataFrame  # `crowd.BOX_COLUMNS`; no row where nobody is found
    kick_frame: int | None  # contact as the pose says, some frames off
    kind: Kind
    is_goal: bool
    placement: Placement
    contact_frame: float  # true, between two frames
    speed_kmh: float  # just after contact
    line_speed_kmh: float | None  # None where the ball never comes to the plane of the line
    crossing_m: tuple[float, float] | None  # x, z there
    positions_m: Floats  # (F, 3) true centre in every frame, the middle row's time
    pixels: Floats  # (F, 2) true, with the lens's distortion
    events: tuple[tuple[str, float], ...]  # name, frame
    camera: Floats  # (3, 4) world point to pixel, without distortion
    camera_distance_m: float  # to the middle of the goal line
    view_angle_deg: float  # between shot and camera, seen from the goal; 0 straight behind

    @property
    def has_speed(self) -> bool:
        """Whether the ball was kicked; how fast a goalkeeper throws is nobody's question."""
        return self.kind != "throw_out"

    @property
    def from_m(self) -> float:
        """How far from the plane of the goal line the ball was kicked."""
        return abs(float(self.positions_m[max(int(self.contact_frame), 0), 1]))

    def question(self) -> dict[str, Any]:
        """The arguments of `ask`, which makes them the question of `judge_shot`.

        Example:
            >>> verdict = judge_shot(ask(**simulate_shot(7).question()), "3d")
        """
        names = ("track", "goal_corners_px", "goal_size_m", "fps", "image_wh", "people")
        return {name: getattr(self, name) for name in (*names, "kick_frame")}


def simulate_shot(
    seed: int, settings: SimulationSettings = STANDARD, kind: Kind | None = None
) -> SimulatedShot:
    """Simulate one shot, in about 5 ms.

    Args:
        seed: Any whole number; the same seed gives the same shot.
        settings: How things vary.
        kind: What is meant to happen; drawn from the usual mix where None.

    Example:
        >>> simulate_shot(7).track.columns.to_list()
        ['frame', 'x', 'y', 'width_px', 'height_px', 'diameter_px', 'score']
    """
    rng = np.random.default_rng(seed)
    placement = PLACEMENTS[rng.choice(len(PLACEMENTS), p=settings.placement_share)]
    staged, camera, readout_s = _stage_in_view(rng, placement, settings, kind)
    fps = settings.fps
    contact_frame = rng.uniform(0.5, 1.2) * fps + rng.random()
    frames = int(contact_frame + (_interest_s(staged) + rng.uniform(*settings.seen_on_s)) * fps)
    times_s = (np.arange(frames, dtype=np.float64) - contact_frame) / fps
    if settings.clock_s:
        off_s = rng.uniform(0, settings.clock_s)
        times_s += rng.uniform(-off_s, off_s, frames)
    half = readout_s / 2
    before_m, after_m = staged.positions_at(times_s - half), staged.positions_at(times_s + half)
    track = observe(rng, camera, times_s, before_m, after_m, settings)
    positions = staged.positions_at(times_s)
    corners = camera.project(_clicked_m(rng, staged.goal.wh_m, settings))[0]
    corners += rng.normal(0, rng.uniform(*settings.corner_noise_px), (4, 2))
    crowd = int(rng.integers(settings.people[0], settings.people[1] + 1))
    feet_m, tall_m = _standing_people(rng, crowd, staged.start_m)
    error = rng.uniform(-settings.kick_error_frames, settings.kick_error_frames)
    kick_known = rng.random() < settings.kick_known_share
    flight, line = staged.flight, staged.flight.line_speed_mps
    # Boxes have draws of their own: the same shot with and without them.
    rng = np.random.default_rng([seed, 2])
    bodies = {
        f"P{number}": np.broadcast_to(standing_body(foot, tall), (frames, 5, 3))
        for number, (foot, tall) in enumerate(zip(feet_m, tall_m, strict=True))
    }
    keeper = draw_keeper(rng, staged, times_s, settings.world.keeper_share)
    if keeper is not None:
        bodies[KEEPER] = keeper
    bodies[SHOOTER] = draw_shooter(rng, staged, times_s)
    found = rng.random() < settings.watched.share
    people = boxes_of(rng, camera, bodies if found else {}, settings.watched)
    return SimulatedShot(
        seed=seed,
        fps=fps,
        image_wh=settings.image_wh,
        track=track,
        goal_corners_px=corners,
        goal_size_m=staged.goal.wh_m,
        people=people,
        kick_frame=round(contact_frame + error) if kick_known else None,
        kind=staged.kind,
        is_goal=flight.is_goal,
        placement=placement,
        contact_frame=contact_frame,
        speed_kmh=3.6 * float(np.linalg.norm(staged.velocity_mps)),
        line_speed_kmh=None if line is None else 3.6 * line,
        crossing_m=flight.crossing_m,
        positions_m=positions,
        pixels=camera.project(positions)[0],
        events=tuple((name, contact_frame + at * fps) for name, at in flight.events),
        camera=camera.matrix,
        camera_distance_m=float(np.linalg.norm(camera.position)),
        view_angle_deg=_angle_deg(staged.start_m[:2], camera.position[:2]),
    )


def _angle_deg(a: Floats, b: Floats) -> float:
    cosine = a @ b / (np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _stage_in_view(
    rng: np.random.Generator, placement: Placement, settings: SimulationSettings, kind: Kind | None
) -> tuple[StagedShot, Camera, float]:
    """Stage shots until there is a place for the camera from which goal and kick are seen."""
    meant = kind
    for _ in range(_STAGINGS):
        staged = stage(rng, meant, world=settings.world)
        # The kind is kept once drawn: else the kinds that are easily filmed would be too many.
        meant = staged.meant
        filmed = beside_a_shot(
            rng, placement, staged.start_m, staged.goal.wh_m, settings.image_wh,
            settings.focal_px_at_1920, settings.distortion_k1, settings.camera_m,
        )  # fmt: skip
        if filmed is not None:
            return staged, *filmed
    raise AssertionError(f"no camera {placement} sees a shot of kind {meant}")


def observe(
    rng: np.random.Generator,
    camera: Camera,
    times_s: Floats,
    before_m: Floats,
    after_m: Floats,
    settings: SimulationSettings,
) -> pd.DataFrame:
    """Return the track that a detector reports of a ball: one row per frame with a detection.

    Args:
        rng: Draws how good the detector is in this shot, and its errors.
        camera: Sees the ball.
        times_s: Of the frames (N,).
        before_m: Ball centre (N, 3) when the first row of each frame is read.
        after_m: The same for the last row. Between the two the ball moves straight.
        settings: Within what limits the detector varies.
    """
    noise_px = rng.uniform(*settings.noise_px)
    gap_share, gap_frames = rng.uniform(*settings.gap_share), rng.uniform(*settings.gap_frames)
    outlier_share = rng.uniform(*settings.outlier_share)
    diameter_noise = rng.uniform(*settings.diameter_noise)
    diameter_bias = rng.normal(0, settings.diameter_bias)
    exposure_s = rng.uniform(*settings.exposure_s)
    centre_px, streak_px, depths = _streaks(camera, before_m, after_m, times_s, exposure_s)
    count, wh = len(times_s), np.array([camera.width, camera.height])
    diameter = 2 * BALL_RADIUS_M * camera.focal_px / np.maximum(depths, 0.3)
    diameter *= 1 + diameter_bias
    size_px = diameter[:, None] * (1 + rng.normal(0, diameter_noise, (count, 2)))
    size_px = np.maximum(size_px + np.abs(streak_px), 1.5)
    # A streak is found somewhere along its length: its ends fade.
    along = rng.normal(0, 0.12, (count, 1)) * streak_px
    x_y = centre_px + along + rng.normal(0, noise_px, (count, 2))
    x_y += _drift(rng, times_s, settings)
    score = rng.beta(6, 2, count)

    false = rng.random(count) < outlier_share
    fixed = false & (rng.random(count) < settings.decoy_share)
    decoy = rng.uniform([0, 0], wh) * [1, 0.5] + [0, 0.3 * wh[1]]
    elsewhere = rng.uniform([0, 0], wh, (count, 2))
    x_y[false] = elsewhere[false]
    x_y[fixed] = decoy + rng.normal(0, noise_px, (int(fixed.sum()), 2))
    size_px[false] = np.median(diameter) * rng.lognormal(0, 0.35, (int(false.sum()), 2))
    score[false] = rng.beta(3, 3, int(false.sum()))

    visible = (depths > 0.3) & (x_y > 0).all(axis=1) & (x_y < wh).all(axis=1)
    seen = visible & ~_bursts(rng, count, gap_share, gap_frames)
    track = pd.DataFrame(
        np.column_stack([x_y, size_px, size_px.min(axis=1), score]),
        columns=["x", "y", "width_px", "height_px", "diameter_px", "score"],
    )
    track.insert(0, "frame", np.arange(count))
    return track[seen].reset_index(drop=True)


def _streaks(
    camera: Camera, before_m: Floats, after_m: Floats, times_s: Floats, exposure_s: float
) -> tuple[Floats, Floats, Floats]:
    """Middle (N, 2) and extent (N, 2) of the blurred ball in pixels, and depths (N,)."""
    first_px, first_depth = camera.project(before_m)
    last_px, last_depth = camera.project(after_m)
    # The row at which the ball is found says when in the readout it was seen.
    share = np.clip((first_px[:, 1] + last_px[:, 1]) / 2 / camera.height, 0, 1)
    centre = first_px + (last_px - first_px) * share[:, None]
    depths = first_depth + (last_depth - first_depth) * share
    frame_s = float(np.median(np.diff(times_s)))
    streak = np.gradient(centre, axis=0) * exposure_s / frame_s
    return centre, streak, depths


def _bursts(
    rng: np.random.Generator, count: int, gap_share: float, gap_frames: float
) -> NDArray[np.bool_]:
    """Frames that are missed, in runs (a two-state chain)."""
    end = 1 / max(gap_frames, 1.0)
    begin = min(1.0, end * gap_share / max(1e-6, 1 - gap_share))
    draws = rng.random(count)
    missed = np.empty(count, bool)
    state = bool(rng.random() < gap_share)
    for place in range(count):
        missed[place] = state
        state = draws[place] >= end if state else draws[place] < begin
    return missed


def _interest_s(staged: StagedShot) -> float:
    """When what matters of a flight is over, in seconds since contact."""
    ends = ("net", "side_net", "held", "parried", "blocked", "post", "fence")
    times = [at for name, at in staged.flight.events if name in ends]
    behind = np.flatnonzero(staged.flight.positions_m[:, 1] < -1.0)
    if len(behind):
        times.append(float(staged.flight.times_s[behind[0]]))
    return min(2.2, max(0.4, min(times, default=1.6)))


def _standing_people(
    rng: np.random.Generator, count: int, around_m: Floats
) -> tuple[Floats, Floats]:
    """Feet (n, 3) and heights (n,) of people who stand about."""
    places = around_m * rng.uniform(-0.1, 1.2, (count, 1)) + rng.normal(0, 5, (count, 3))
    places[:, 1] = np.maximum(places[:, 1], -1.0)
    return places * [1, 1, 0], rng.normal(1.75, 0.07, count)


def _clicked_m(
    rng: np.random.Generator, goal_wh_m: tuple[float, float], settings: SimulationSettings
) -> Floats:
    """The corners (4, 3) that somebody means to click: of the inner edge, or farther out."""
    outside = draw_within(rng, settings.corner_outside_m)
    return goal_corners((goal_wh_m[0] + 2 * outside, goal_wh_m[1] + outside))


def _drift(rng: np.random.Generator, times_s: Floats, settings: SimulationSettings) -> Floats:
    """Errors (N, 2) in pixels that last: an autoregressive process of the first order."""
    if settings.drift_px[1] == 0:
        return np.zeros((len(times_s), 2))
    sigma_px, lasts_s = draw_within(rng, settings.drift_px), draw_within(rng, settings.drift_s)
    kept = np.exp(-np.diff(times_s) / lasts_s)
    errors = rng.normal(0, sigma_px, (len(times_s), 2))
    for place, share in enumerate(kept, start=1):
        errors[place] = share * errors[place - 1] + np.sqrt(1 - share**2) * errors[place]
    return np.asarray(errors)
