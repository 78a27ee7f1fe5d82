"""The columns of the fit's parameters (B, 30): kick, event, camera.

The event is what ends the free path: a net, a hand, a post. Times are in seconds (_S), places and
velocities in metres and metres per second; LOG_ columns are logarithms of factors.
"""

from workbench.shots.goal.camera import CAMERA_SIZE

(
    KICK_S, X, Y, Z, VX, VY, VZ, LOG_DRAG, SIDE, LIFT, BOUNCE, GRIP, LOG_ROLLING,
    BEFORE_X, BEFORE_Y, EVENT_S, AFTER_X, AFTER_Y, AFTER_Z, LOG_DAMPING, LOG_SINKING, SIZE_BIAS,
) = range(22)  # fmt: skip
POSITION, VELOCITY, AFTER = slice(X, Z + 1), slice(VX, VZ + 1), slice(AFTER_X, AFTER_Z + 1)
BALL_SIZE = 22
SIZE = BALL_SIZE + CAMERA_SIZE
