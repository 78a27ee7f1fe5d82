"""The joints of people who run, kick, jump, throw, slide, fall, block and dive.

The unit is the people of one frame. Metres, in the pitch's axes; knows nothing about cameras.
"""

import numpy as np
import numpy.typing as npt

from workbench.simulated.matches.pitch import Act

Floats = npt.NDArray[np.float64]

HEAD, NECK, PELVIS, LEFT_KNEE, LEFT_FOOT, RIGHT_KNEE, RIGHT_FOOT, LEFT_HAND, RIGHT_HAND = range(9)

# By act: how joints go with the frames since the contact. Angles in radians, lengths in metres;
# `leg` and `knee` are of the right leg, `rear` and `rear_knee` of the left.
_KEYS: dict[Act, dict[str, tuple[list[float], list[float]]]] = {
    Act.KICK: {
        "leg": ([-5, -2, 0, 3, 8], [0, -1.0, 0.35, 1.15, 0]),
        "knee": ([-5, -2, 0, 8], [0.2, 1.3, 0.1, 0.1]),
        "left_arm": ([-5, -2, 0, 3, 8], [0, -1.0, 0.35, 1.15, 0]),
        "raised": ([-5, 8], [0.15, 0.15]),
    },
    Act.JUMP: {
        "lift": ([-7, -4, 0, 4, 8], [0, 0.36, 0.5, 0.36, 0]),
        "lean": ([-7, -1, 2, 8], [-0.25, -0.3, 0.55, 0.1]),
        "leg": ([-7, 8], [-0.2, -0.2]),
        "rear": ([-7, 8], [-0.2, -0.2]),
        "knee": ([-7, 8], [0.8, 0.8]),
        "rear_knee": ([-7, 8], [0.8, 0.8]),
        "raised": ([-7, 8], [0.5, 0.5]),
    },
    Act.THROW: {
        "lean": ([-14, -3, 1, 8], [0, -0.4, 0.5, 0.1]),
        "left_arm": ([-14, -3, 1, 8], [-0.2, -0.8, 0.7, 0.9]),
        "right_arm": ([-14, -3, 1, 8], [-0.2, -0.8, 0.7, 0.9]),
        "raised": ([-14, 8], [1, 1]),
    },
    Act.TACKLE: {
        "low": ([-5, -1, 8, 14], [0, 0.55, 0.55, 0]),
        "leg": ([-5, -1, 8, 14], [0, 1.35, 1.35, 0]),
        "rear": ([-5, -1, 8, 14], [0, 0.7, 0.7, 0]),
        "rear_knee": ([-5, -1, 8, 14], [0, 1.6, 1.6, 0]),
        "knee": ([-5, 14], [0, 0]),
        "lean": ([-5, -1, 8, 14], [0, -0.7, -0.7, 0]),
    },
    Act.FALL: {
        "low": ([0, 7, 38, 45], [0, 0.8, 0.8, 0]),
        "lean": ([0, 7, 38, 45], [0, 1.35, 1.35, 0]),
        "leg": ([0, 7, 38, 45], [0, -1.0, -1.0, 0]),
        "rear": ([0, 7, 38, 45], [0, -1.2, -1.2, 0]),
    },
    Act.BLOCK: {
        "leg": ([-4, 0, 4, 8], [0, 0.8, 0.8, 0]),
        "knee": ([-4, 8], [0, 0]),
        "lift": ([-4, 0, 4, 8], [0, 0.1, 0.1, 0]),
        "raised": ([-4, 0, 4, 8], [0, 0.3, 0.3, 0]),
        "lean": ([-4, 0, 4, 8], [0, -0.2, -0.2, 0]),
    },
    Act.DIVE: {
        "side": ([-5, 0, 10, 20], [0, 1.1, 1.1, 0]),
        "low": ([-5, 0, 10, 20], [0, 0.3, 0.3, 0]),
        "raised": ([-5, 0, 10, 20], [0, 1, 1, 0]),
    },
}


def joints(
    position: Floats, facing: Floats, gait: Floats, speed: Floats, kind: npt.ArrayLike,
    clock: npt.ArrayLike,
) -> Floats:  # fmt: skip
    """Return the joints (N, 9, 3) of N people, in the order of the constants above.

    Arguments are the columns of `PlayedMatch` in one frame.
    """
    count = len(position)
    ahead = np.stack([np.cos(facing), np.sin(facing), np.zeros(count)], axis=1)
    right = np.stack([ahead[:, 1], -ahead[:, 0], np.zeros(count)], axis=1)
    up = np.array([0, 0, 1.0])
    stride = np.minimum(1, speed / 6.0)
    swing, lag = np.sin(gait), np.cos(gait)
    posed = {
        "leg": -0.85 * stride * swing,
        "rear": 0.85 * stride * swing,
        "knee": stride * (0.25 + 0.9 * np.maximum(0, lag)),
        "rear_knee": stride * (0.25 + 0.9 * np.maximum(0, -lag)),
        "left_arm": -0.9 * stride * swing,
        "right_arm": 0.9 * stride * swing,
        "lean": 0.1 + 0.2 * stride,
        **{name: np.zeros(count) for name in ("lift", "low", "side", "raised")},
    }
    kinds, clocks = np.asarray(kind), np.asarray(clock)
    for person in np.flatnonzero(kinds).tolist():
        for name, (frames, values) in _KEYS[Act(kinds[person])].items():
            posed[name][person] = np.interp(clocks[person], frames, values)
    lean, side = posed["lean"][:, None], posed["side"][:, None]
    spine = ahead * np.sin(lean) + right * np.sin(side) + up * (np.cos(lean) * np.cos(side))
    height = 0.93 + posed["lift"] - posed["low"]
    pelvis = np.concatenate([position, height[:, None]], axis=1)
    neck = pelvis + 0.55 * spine
    found = [neck + 0.2 * spine, neck, pelvis]
    for leg, knee, side_m in (("rear", "rear_knee", -0.1), ("leg", "knee", 0.1)):
        thigh = posed[leg][:, None]
        shin = thigh - posed[knee][:, None]
        bend = pelvis + side_m * right + 0.45 * (np.sin(thigh) * ahead - np.cos(thigh) * up)
        found += [bend, bend + 0.46 * (np.sin(shin) * ahead - np.cos(shin) * up)]
    for arm, side_m in (("left_arm", -0.22), ("right_arm", 0.22)):
        angle, raised = posed[arm][:, None], posed["raised"][:, None]
        up_or_down = np.cos(angle) * (2 * raised - 1) * up
        found.append(neck + side_m * right + 0.58 * (np.sin(angle) * ahead + up_or_down))
    placed = np.stack(found, axis=1)
    placed[..., 2] = np.maximum(placed[..., 2], 0.04)
    return placed
