"""The bank of hypotheses about the end of a shot, and the priors that each implies.

The unit of data is one hypothesis (in the net, held, turned away, off the frame, ...): a prior
probability, where it happens, and priors of the ball's motion afterwards. The numbers describe
football in general, not some footage; the head calibrates the outcome. Fits nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.footage.pinhole import BALL_RADIUS_M, Floats
from workbench.shots.fit3d import columns as col
from workbench.shots.fit3d.ballistics import FALLS, HELD, NETTED
from workbench.shots.fit3d.fit import ANYWHERE, INSIDE, ON_FRAME, OUTSIDE, Observations, Priors
from workbench.shots.goal.camera import CameraMode, told_sigma_m
from workbench.shots.leastsquares import Batch, Bools, Ints
from workbench.shots.verdict import EventKind


@dataclass(frozen=True)
class Hypothesis:
    """One thing that may have happened to the ball."""

    name: str
    prior: float
    depth_m: tuple[float, float]  # where along Y
    where: int  # INSIDE, OUTSIDE, ON_FRAME or ANYWHERE: how it meets the plane of the line
    ending: int  # FALLS, HELD or NETTED
    after_mps: tuple[float, float, float]  # mean velocity afterwards
    after_sigma: tuple[float, float]  # of its level and vertical parts
    log_damping: tuple[float, float]  # mean and sigma, per second
    start_depths_m: tuple[float, ...]  # where a fit puts the event to begin with
    goes: tuple[float, float]  # relative weight of samples in which a goal follows, and of others
    event: EventKind | None  # what the end of the free path is called, if anything

    @property
    def touched(self) -> bool:
        """Whether somebody touches the ball."""
        return self.event in ("save", "deflection")


BANK = (
    Hypothesis("net", 0.41, (-2.6, -0.25), INSIDE, NETTED, (0, 0, 0), (2.6, 1.6), (0.8, 0.9),
                (-0.6, -1.3), (1, 0), "net"),
    Hypothesis("held", 0.06, (-0.1, 3.6), ANYWHERE, HELD, (0, 0, 0), (2.5, 4.0), (2.0, 0.5),
                (0.4, 1.2, 2.4), (0, 1), "save"),
    Hypothesis("parried", 0.15, (0.12, 3.6), ANYWHERE, FALLS, (0, 1, 1.0), (5.0, 4.0), (-1.0, 1.0),
                (0.4, 1.2, 2.4), (0.1, 1), "save"),
    Hypothesis("blocked", 0.04, (3.0, 9.0), ANYWHERE, FALLS, (0, 2, 1.5), (5.0, 2.3), (-1.0, 1.0),
                (4.0, 6.0), (0.05, 1), "deflection"),
    Hypothesis("frame", 0.05, (-0.18, 0.18), ON_FRAME, FALLS, (0, 2, 0), (6.0, 3.0), (-1.0, 1.0),
                (0.0,), (0.4, 1), "post"),
    Hypothesis("outside", 0.15, (-10.0, -0.2), OUTSIDE, FALLS, (0, 0, 0), (3.5, 2.0), (0.0, 1.5),
                (-0.8, -3.0, -6.0), (0, 1), None),
    Hypothesis("side net", 0.03, (-2.4, -0.15), OUTSIDE, NETTED, (0, 0, 0), (2.6, 1.6), (0.8, 0.9),
                (-0.6, -1.3), (0, 1), None),
    Hypothesis("beyond", 0.015, (-9.5, -2.2), INSIDE, FALLS, (0, 1, 0), (2.5, 1.5), (0.0, 1.5),
                (-4.0,), (1, 0), None),
    Hypothesis("none", 0.12, (-99.0, 99.0), ANYWHERE, FALLS, (0, 0, 0), (1.0, 1.0), (0.0, 1.0),
                (), (0.06, 1), None),
)  # fmt: skip
NOTHING = len(BANK) - 1
LAST_EVENT_S = 1.0  # "none" has its event this long after the end of the track

_MEAN_AND_SIGMA = {
    col.LOG_DRAG: (0.0, 0.32),
    col.SIDE: (0.0, 3.5),
    col.LIFT: (0.0, 3.0),
    col.BOUNCE: (0.60, 0.12),
    col.GRIP: (0.76, 0.12),
    col.LOG_ROLLING: (0.1, 0.5),
    col.BEFORE_X: (0.0, 1.8),
    col.BEFORE_Y: (0.0, 1.8),
    col.LOG_SINKING: (1.2, 1.2),
    col.SIZE_BIAS: (0.0, 0.08),
    col.Z: (BALL_RADIUS_M, 0.03),
    col.VX: (0.0, 40.0),
    col.VY: (0.0, 40.0),
    col.VZ: (3.0, 5.0),
}
_AIR_START_M, _AIR_START_SIGMA_M, _AIR_BEFORE_SIGMA_MPS, _AIR_PRIOR = 0.7, 0.45, 4.0, 0.08
_KICK_SIGMA_FRAMES = 1.0  # of a contact frame that is given
_KICK_SIGMA_S = 0.1  # of a guess
_BEFORE_S, _BEFORE_AIR_S = 0.4, 0.07  # how long before the kick observations count
_UNCOUNTED_COST = 1.2  # of an observation that a problem leaves out


@dataclass(frozen=True)
class Cases(Batch):
    """Which hypothesis, camera and start each problem is about."""

    hypothesis: Ints  # (B,) index into BANK
    camera: Ints  # (B,) index of the mode
    air: Bools  # (B,) whether the ball is kicked in the air


def priors_of(
    observations: Observations,
    modes: Sequence[CameraMode],
    cases: Cases,
    guessed_kicks_s: Floats,
) -> Priors:
    """Return the priors of each case (B,); guesses of the kick (B,) serve where nobody knows it."""
    which, air = cases.hypothesis, cases.air
    mean = np.zeros((len(which), col.BALL_SIZE))
    sigma = np.full_like(mean, np.inf)
    for column, (middle, spread) in _MEAN_AND_SIGMA.items():
        mean[:, column], sigma[:, column] = middle, spread
    after_sigma = np.array([item.after_sigma for item in BANK])
    damping = np.array([item.log_damping for item in BANK])
    mean[:, col.AFTER] = np.array([item.after_mps for item in BANK])[which]
    sigma[:, [col.AFTER_X, col.AFTER_Y]] = after_sigma[which, :1]
    sigma[:, col.AFTER_Z] = after_sigma[which, 1]
    mean[:, col.LOG_DAMPING], sigma[:, col.LOG_DAMPING] = damping[which].T
    mean[air, col.Z], sigma[air, col.Z] = _AIR_START_M, _AIR_START_SIGMA_M
    sigma[air, col.BEFORE_X] = sigma[air, col.BEFORE_Y] = _AIR_BEFORE_SIGMA_MPS
    mean[which == NOTHING, col.EVENT_S] = observations.times_s[-1] + LAST_EVENT_S
    sigma[which == NOTHING, col.EVENT_S] = 0.1
    mean[:, col.KICK_S], sigma[:, col.KICK_S] = guessed_kicks_s, _KICK_SIGMA_S
    if observations.kick_s is not None:
        mean[:, col.KICK_S] = observations.kick_s
        sigma[:, col.KICK_S] = _KICK_SIGMA_FRAMES * (1 / observations.fps)
    if observations.distance_m is not None:
        mean[:, col.Y] = observations.distance_m
        sigma[:, col.Y] = told_sigma_m(observations.distance_m)
    began = guessed_kicks_s[:, None] - np.where(air, _BEFORE_AIR_S, _BEFORE_S)[:, None]
    return Priors(
        mean=mean,
        weight=1.0 / sigma,
        camera=np.stack([mode.parameters for mode in modes])[cases.camera],
        information=np.stack([mode.information for mode in modes])[cases.camera],
        counted=(observations.times_s >= began).astype(np.float64),
        ending=np.array([item.ending for item in BANK])[which],
        event_y=np.array([item.depth_m for item in BANK])[which],
        event_frame=np.array([item.where for item in BANK])[which],
    )


def cost_of_start(
    observations: Observations, priors: Priors, modes: Sequence[CameraMode], cases: Cases
) -> Floats:
    """Cost (B,) of the observations left out, of the camera, and of a kick in the air or not."""
    left_out = ((1.0 - priors.counted) * observations.worth).sum(axis=1)
    camera = np.array([mode.cost for mode in modes])[cases.camera]
    style = np.where(cases.air, -np.log(_AIR_PRIOR), -np.log1p(-_AIR_PRIOR))
    return np.asarray(_UNCOUNTED_COST * left_out + camera + style - np.log(priors.weight[:, col.Z]))
