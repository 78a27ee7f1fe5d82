"""Pictures of what does not move: the pitch with its lines, boards and crowd; and what teams wear.

The unit is one match, drawn from its seed. Textures are flat pictures in RGB that the film lays
into the scene; `ground_to_metres` and `stand_to_metres` say where.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from workbench.simulated.matches.pitch import HALF_LENGTH_M, HALF_WIDTH_M, KEEPERS, REFEREE

Image = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

_PX, _LEFT_M, _NEAR_M, _WIDE_M, _DEEP_M = 10, -80, -46, 160, 88  # pixels per metre; the ground
_STAND_PX, STAND_Y_M, _STAND_HIGH_M, _STAND_WIDE_M = 6, 41.0, 26, 320
_SUBPIXEL = 4  # bits
_KITS: tuple[Colour, ...] = (
    (220, 40, 40), (240, 240, 240), (40, 60, 200), (250, 210, 40),
    (20, 20, 30), (120, 30, 140), (250, 130, 30), (90, 190, 240),
)  # fmt: skip
_SKINS: tuple[Colour, ...] = ((224, 172, 140), (190, 140, 105), (120, 80, 55), (85, 55, 40))
_HAIRS: tuple[Colour, ...] = ((30, 25, 20), (90, 60, 40), (170, 140, 90))
_BALLS: tuple[Colour, ...] = ((250, 250, 248), (250, 250, 248), (235, 245, 90), (255, 150, 40))
ground_to_metres = np.array([[1 / _PX, 0, _LEFT_M], [0, 1 / _PX, _NEAR_M], [0, 0, 1]])
stand_to_metres = np.array(  # homogeneous X, Y, Z from a pixel
    [
        [1 / _STAND_PX, 0, -_STAND_WIDE_M / 2],
        [0, 0, STAND_Y_M],
        [0, -1 / _STAND_PX, _STAND_HIGH_M],
        [0, 0, 1],
    ]
)


@dataclass(frozen=True, eq=False)
class Stadium:
    """Textures and colours of a match."""

    ground: Image
    stand: Image
    shadow: Colour
    shirts: tuple[Colour, ...]  # by person
    shorts: tuple[Colour, ...]
    skins: tuple[Colour, ...]
    hairs: tuple[Colour, ...]
    ball: Colour


def build_stadium(rng: np.random.Generator) -> Stadium:
    """Draw the textures and colours of a match."""
    ground = _ground(rng)
    red, green, blue = (int(0.62 * channel) for channel in np.median(ground[::7, ::7], (0, 1)))
    kits = [_KITS[place] for place in rng.permutation(len(_KITS))]
    trousers = [kits[place] for place in rng.permutation([2, 3])]
    shirts = [kits[0]] * 11 + [kits[1]] * 11 + [(25, 25, 25)]
    shirts[KEEPERS[0]], shirts[KEEPERS[1]] = kits[4], kits[5]
    people = REFEREE + 1
    return Stadium(
        ground,
        _stand(rng),
        (red, green, blue),
        tuple(shirts),
        tuple([trousers[0]] * 11 + [trousers[1]] * 11 + [(15, 15, 15)]),
        tuple(_SKINS[place] for place in rng.integers(0, len(_SKINS), people)),
        tuple(_HAIRS[place] for place in rng.integers(0, len(_HAIRS), people)),
        _BALLS[rng.integers(len(_BALLS))],
    )


def _ground(rng: np.random.Generator) -> Image:
    high, wide = _DEEP_M * _PX, _WIDE_M * _PX
    grass = np.array([rng.integers(35, 80), rng.integers(95, 140), rng.integers(30, 70)], float)
    stripe = (np.arange(wide) / _PX / rng.uniform(4, 9)).astype(int) % 2 * rng.uniform(4, 14)
    patches = cv2.resize(
        rng.normal(0, 6, (_DEEP_M, _WIDE_M)), (wide, high), interpolation=cv2.INTER_CUBIC
    )
    picture = grass + stripe[None, :, None] + patches[..., None]
    picture = picture + rng.normal(0, 5, (high, wide, 1))
    ground: Image = np.ascontiguousarray(np.clip(picture, 0, 255).astype(np.uint8))
    ground[: 6 * _PX] = ground[: 6 * _PX] // 2 + 40  # a running track
    _draw_lines(ground)
    return ground


def _draw_lines(ground: Image) -> None:
    white = (232, 236, 230)

    def at(x_m: float, y_m: float) -> tuple[int, int]:
        scale = _PX << _SUBPIXEL
        return round((x_m - _LEFT_M) * scale), round((y_m - _NEAR_M) * scale)

    def box(left_m: float, near_m: float, right_m: float, far_m: float) -> None:
        corners = at(left_m, near_m), at(right_m, far_m)
        cv2.rectangle(ground, *corners, white, 2, cv2.LINE_AA, _SUBPIXEL)

    radius = round(9.15 * _PX) << _SUBPIXEL
    box(-HALF_LENGTH_M, -HALF_WIDTH_M, HALF_LENGTH_M, HALF_WIDTH_M)
    cv2.line(ground, at(0, -HALF_WIDTH_M), at(0, HALF_WIDTH_M), white, 2, cv2.LINE_AA, _SUBPIXEL)
    cv2.circle(ground, at(0, 0), radius, white, 2, cv2.LINE_AA, _SUBPIXEL)
    for end in (-1, 1):
        box(end * 52.5, -20.16, end * 36, 20.16)
        box(end * 52.5, -9.16, end * 47, 9.16)
        spot = at(end * 41.5, 0)
        cv2.circle(ground, spot, 2 << _SUBPIXEL, white, -1, cv2.LINE_AA, _SUBPIXEL)
        arc = (127, 233) if end > 0 else (-53, 53)
        cv2.ellipse(ground, spot, (radius, radius), 0, *arc, white, 2, cv2.LINE_AA, _SUBPIXEL)


def _stand(rng: np.random.Generator) -> Image:
    """Return a wall behind the far touchline: boards one metre high, above them the crowd."""
    wide, high = _STAND_WIDE_M * _STAND_PX, _STAND_HIGH_M * _STAND_PX
    crowd = rng.integers(20, 190, (high // 3, wide // 3, 3)).astype(np.uint8)
    picture = cv2.resize(crowd, (wide, high), interpolation=cv2.INTER_NEAREST)
    stand: Image = np.ascontiguousarray((picture * rng.uniform(0.4, 0.9)).astype(np.uint8))
    for x in range(0, wide, 60):
        stand[high - 7 :, x : x + 60] = rng.integers(30, 240, 3)
        name = "".join(rng.choice(list("ABEKORSTX"), 5))
        cv2.putText(stand, name, (x + 6, high - 1), 0, 0.25, (250, 250, 250), 1)
    return stand
