"""Painted people, balls and sticks, their shadows, and the mask of their identities.

Shapes are capsules and hulls in sub-pixel coordinates: a dark one for the shaded side, a lighter
one moved towards the light. The mask gets the same outlines without smoothing.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.footage.pinhole import Camera, Floats
from workbench.simulated.scene import JOINT, Ball, Moment, Person, Stick
from workbench.simulated.venue import Image, Rgb, Venue

_SHIFT = 4  # OpenCV's fractional bits
_ONE = 1 << _SHIFT
_SHADED, _LIT = 0.72, 1.0
_NEAREST_M = 0.4  # nearer things are behind the camera or touch the lens

# What is drawn of a limb: from joint to joint, share of that way, radii in metres, what it wears.
_LIMBS = (
    *(
        (JOINT[side + first], JOINT[side + second], share, first_m, second_m, wear)
        for side in ("l_", "r_")
        for first, second, share, first_m, second_m, wear in (
            ("hip", "knee", 1.0, 0.085, 0.058, "skin"),
            ("hip", "knee", 0.55, 0.100, 0.092, "shorts"),
            ("knee", "ankle", 1.0, 0.058, 0.040, "socks"),
            ("ankle", "toe", 1.0, 0.045, 0.040, "boots"),
            ("shoulder", "elbow", 1.0, 0.052, 0.042, "shirt"),
            ("elbow", "wrist", 1.0, 0.042, 0.032, "skin"),
        )
    ),
    (JOINT["neck"], JOINT["head"], 1.0, 0.052, 0.052, "skin"),
)
_FROM, _TO, _SHARE, _FIRST_M, _SECOND_M = (
    np.array(column) for column in list(zip(*_LIMBS, strict=True))[:5]
)
_WEAR = tuple(limb[5] for limb in _LIMBS)
_HEAD, _CHEST = JOINT["head"], JOINT["chest"]
_SHOULDERS, _HIPS = ([JOINT["l_" + name], JOINT["r_" + name]] for name in ("shoulder", "hip"))

_CIRCLE = np.stack([[math.cos(a), math.sin(a)] for a in np.linspace(0, 2 * math.pi, 10)[:-1]])
Pixel = Sequence[float]  # u, v
Disc = tuple[Pixel, float]  # middle, radius
Outlines = NDArray[np.int32]  # (2, N, 12, 2) of N capsules in fixed point: whole, and lit part
_CAP = np.exp(1j * np.linspace(-math.pi / 2, math.pi / 2, 6))  # half a circle, as complex numbers


class Painter:
    """Draws moments seen by one camera into one image region.

    Args:
        image: Region to paint, RGB.
        camera: Whose principal point is shifted so that pixel (0, 0) is the region's corner.
        towards_light: Unit vector (2,) in the image.
        exposure: Factor on all colours.
        identity: Mask of the region's size that gets each object's track id, or None.
    """

    def __init__(
        self,
        image: Image,
        camera: Camera,
        towards_light: Floats,
        exposure: float,
        identity: NDArray[np.uint8] | None = None,
    ) -> None:
        self._image, self._camera, self._identity = image, camera, identity
        self._light, self._exposure = towards_light, exposure

    def paint(self, moment: Moment, exposed: Sequence[Moment] = ()) -> None:
        """Paint everything, farthest first.

        Args:
            moment: What is painted.
            exposed: Other moments of the same exposure; the identity mask shows the balls as they
                are in these, too.
        """
        queue = [*self._people(moment.people), *self._balls(moment.balls, exposed)]
        queue += self._sticks(moment.sticks)
        for depth_m, paint in sorted(queue, key=lambda entry: -entry[0]):
            if depth_m >= _NEAREST_M:
                paint()

    def _people(self, people: Sequence[Person]) -> Iterator[tuple[float, Callable[[], None]]]:
        """Depth of each person and how to paint them; so the next two for balls and sticks."""
        if not people:
            return
        uv, depth = self._camera.project(np.concatenate([person.joints for person in people]))
        uv, depth = uv.reshape(len(people), -1, 2), depth.reshape(len(people), -1)
        scale = self._camera.focal_px / np.maximum(depth, 0.3)
        thick = scale * np.array([[person.body.girth] for person in people])
        start = uv[:, _FROM]
        end = start + (uv[:, _TO] - start) * _SHARE[:, None]
        first, second = _FIRST_M * thick[:, _FROM], _SECOND_M * thick[:, _TO]
        limbs = self._outlines(start.reshape(-1, 2), end.reshape(-1, 2), first, second)
        limbs = limbs.reshape(2, len(people), len(_LIMBS), -1, 2)
        for place, person in enumerate(people):
            shape = limbs[:, place], first[place].tolist(), uv[place], depth[place], scale[place]
            yield float(depth[place, 0]), partial(self._person, person, *shape)

    def _balls(
        self, balls: Sequence[Ball], exposed: Sequence[Moment]
    ) -> Iterator[tuple[float, Callable[[], None]]]:
        for number, ball in enumerate(balls):
            streak = [other.balls[number].center for other in exposed]
            uv, depth = self._camera.project(np.array([ball.center, *streak]))
            radii = ball.radius_m * self._camera.focal_px / np.maximum(depth, 0.3)
            discs = list(zip(uv.tolist(), radii.tolist(), strict=True))
            yield float(depth[0]), partial(self._ball, ball, *discs[0], discs[1:])

    def _sticks(self, sticks: Sequence[Stick]) -> Iterator[tuple[float, Callable[[], None]]]:
        if not sticks:
            return
        ends = np.array([[stick.start, stick.end] for stick in sticks])
        uv, depth = self._camera.project(ends.reshape(-1, 3))
        uv, depth = uv.reshape(-1, 2, 2), depth.reshape(-1, 2)
        radii = np.array([stick.radius_m for stick in sticks]) * self._camera.focal_px
        radii /= np.maximum(depth, _NEAREST_M)
        shapes = self._outlines(uv[:, 0], uv[:, 1], radii[:, 0], radii[:, 1])
        for place, stick in enumerate(sticks):
            if depth[place].min() >= _NEAREST_M:
                shape = shapes[:, place], float(radii[place, 0]), stick.colour
                yield float(depth[place].mean()) - 0.05, partial(self._capsule, *shape)

    def _person(
        self,
        person: Person,
        limbs: Outlines,
        radii: list[float],
        uv: Floats,
        depth: Floats,
        scale: Floats,
    ) -> None:
        parts = [(depth_m, row) for row, depth_m in enumerate((depth[_FROM] + depth[_TO]).tolist())]
        parts += [(2 * float(depth[_CHEST]), -1), (2 * float(depth[_HEAD]) - 0.04, -2)]
        for _, row in sorted(parts, key=lambda part: -part[0]):
            if row == -1:
                self._torso(person, uv, scale)
            elif row == -2:
                self._head(person, uv, scale)
            else:
                colour = getattr(person.body, _WEAR[row])
                self._capsule(limbs[:, row], radii[row], colour, person.track_id)

    def _torso(self, person: Person, uv: Floats, scale: Floats) -> None:
        body = person.body
        radius = 0.085 * scale[_CHEST] * body.girth
        hips = uv[_HIPS]
        shirt = _hull(np.concatenate([uv[_SHOULDERS], hips]), radius)
        middle = shirt.mean(0)
        lit = middle + (shirt - middle) * 0.72 + self._light * radius * 0.45
        self._fill(_fixed(shirt), body.shirt, _SHADED, person.track_id)
        self._fill(_fixed(lit), body.shirt, _LIT)
        self._fill(_fixed(_hull(hips, radius * 1.05)), body.shorts, 0.85, person.track_id)

    def _head(self, person: Person, uv: Floats, scale: Floats) -> None:
        body = person.body
        radius = float(body.head * scale[_HEAD])
        x, y = uv[_HEAD].tolist()
        self._disc((x, y), radius, body.hair, 0.9, person.track_id)
        # The face is the part of the head that looks our way: forward is across the shoulders.
        left, right = person.joints[_SHOULDERS]
        across = right - left
        forward = np.array([-across[1], across[0], 0.0]) / max(np.hypot(*across[:2]), 1e-6)
        seen = self._camera.rotation @ forward
        if seen[2] < 0.45:
            face = x + 0.45 * radius * float(seen[0]), y + 0.28 * radius
            self._disc(face, radius * 0.78, body.skin, 0.98)

    def _ball(self, ball: Ball, center: Pixel, radius: float, streak: list[Disc]) -> None:
        (x, y), (light_x, light_y) = center, self._light
        self._disc(center, radius, ball.base, 0.75, ball.track_id)
        lit = x + 0.25 * radius * light_x, y + 0.25 * radius * light_y
        self._disc(lit, radius * 0.7, ball.base, _LIT)
        for number in range(5 if radius > 2.5 else 0):
            angle = ball.spin_rad + number * 2 * math.pi / 5
            reach = radius * (0.62 + 0.2 * math.sin(1.7 * ball.spin_rad + number))
            spot = x + reach * math.cos(angle), y + reach * math.sin(angle)
            self._disc(spot, radius * 0.2, ball.patches, _LIT)
        if self._identity is not None:
            for disc in streak:
                where, size = _circle(*disc)
                cv2.circle(self._identity, where, size, (ball.track_id,), -1, cv2.LINE_8, _SHIFT)

    def _outlines(self, a: Floats, b: Floats, radius_a: Floats, radius_b: Floats) -> Outlines:
        """Outlines of capsules from a to b (N, 2): whole, and the part that the light falls on."""
        radii = np.stack([radius_a.ravel(), radius_b.ravel()])
        moved = self._light * (0.3 * radii[0])[:, None]
        whole_and_lit = np.concatenate([radii, 0.62 * radii], axis=1)
        ends = (np.concatenate([end, end + moved]) for end in (a, b))
        return _capsules(*ends, *whole_and_lit).reshape(2, len(a), -1, 2)

    def _capsule(
        self, outlines: Outlines, radius: float, colour: Rgb, track_id: int | None = None
    ) -> None:
        whole, lit = outlines
        self._fill(whole, colour, _SHADED, track_id)
        if radius > 1.2:
            self._fill(lit, colour, _LIT)

    def _disc(
        self, center: Pixel, radius: float, colour: Rgb, shade: float, track_id: int | None = None
    ) -> None:
        where, size = _circle(center, radius)
        tone = _tone(colour, shade * self._exposure)
        cv2.circle(self._image, where, size, tone, -1, cv2.LINE_AA, _SHIFT)
        if self._identity is not None and track_id is not None:
            cv2.circle(self._identity, where, size, (track_id,), -1, cv2.LINE_8, _SHIFT)

    def _fill(
        self, outline: NDArray[np.int32], colour: Rgb, shade: float, track_id: int | None = None
    ) -> None:
        tone = _tone(colour, shade * self._exposure)
        cv2.fillConvexPoly(self._image, outline, tone, cv2.LINE_AA, _SHIFT)
        if self._identity is not None and track_id is not None:
            cv2.fillConvexPoly(self._identity, outline, (track_id,), cv2.LINE_8, _SHIFT)


def shadows(
    shape_hw: tuple[int, int], camera: Camera, moment: Moment, venue: Venue
) -> NDArray[np.uint8]:
    """Where people, balls and sticks shade the ground: 255 in the shadow, blurred at the rim.

    Args:
        shape_hw: Size of the region.
        camera: As for `Painter`.
        moment: What casts shadows.
        venue: Where the sun stands.
    """
    mask = np.zeros(shape_hw, np.uint8)

    def fallen(points: Floats) -> tuple[Floats, Floats]:
        return camera.project(venue.shadow_of(np.atleast_2d(points)))

    def line(a: Sequence[int], b: Sequence[int], width_px: float) -> None:
        cv2.line(mask, a, b, (255,), max(1, round(width_px)), cv2.LINE_8, _SHIFT)

    for person in moment.people:
        uv, depth = fallen(person.joints)
        if depth.min() < _NEAREST_M:
            continue
        at, scale = _fixed(uv).tolist(), (camera.focal_px / depth).tolist()
        for a, b, _, first_m, _, wear in _LIMBS:
            if wear != "shorts":  # the thigh's shadow is there already
                line(at[a], at[b], 1.3 * first_m * scale[a])
        torso = _fixed(uv[[*_SHOULDERS, *_HIPS[::-1]]])
        cv2.fillConvexPoly(mask, torso, (255,), cv2.LINE_8, _SHIFT)
        size = _length(person.body.head * 0.8 * scale[_HEAD])
        cv2.circle(mask, at[_HEAD], size, (255,), -1, cv2.LINE_8, _SHIFT)
    for ball in moment.balls:
        uv, depth = fallen(ball.center)
        radius = ball.radius_m * camera.focal_px / max(float(depth[0]), 0.5)
        axes = max(1, int(radius)), max(1, int(0.4 * radius))
        cv2.ellipse(mask, np.round(uv[0]).astype(int).tolist(), axes, 0, 0, 360, (255,), -1)
    for stick in moment.sticks:
        uv, depth = fallen(np.stack([stick.start, stick.end]))
        if stick.casts_shadow and depth.min() > _NEAREST_M:
            width_px = 1.2 * stick.radius_m[0] * camera.focal_px / float(depth.mean())
            foot, top = _fixed(uv).tolist()
            line(foot, top, width_px)
    return np.asarray(cv2.blur(mask, (3, 3)), np.uint8)


def _capsules(a: Floats, b: Floats, radius_a: Floats, radius_b: Floats) -> NDArray[np.int32]:
    """Outlines (N, 12, 2) of tapered capsules from a to b (N, 2), in OpenCV's fixed point."""
    start, end = a[:, 0] + 1j * a[:, 1], b[:, 0] + 1j * b[:, 1]
    along = end - start
    length = np.abs(along)
    along = np.where(length > 1e-3, along / np.maximum(length, 1e-3), 1.0)[:, None] * _CAP
    outline = np.concatenate(
        [end[:, None] + radius_b[:, None] * along, start[:, None] - radius_a[:, None] * along], 1
    )
    return _fixed(np.stack([outline.real, outline.imag], axis=-1))


def _hull(points: Floats, radius: float) -> Floats:
    around = (points[:, None] + radius * _CIRCLE).reshape(-1, 2).astype(np.float32)
    return np.asarray(cv2.convexHull(around)[:, 0], float)


def _circle(center: Pixel, radius: float) -> tuple[tuple[int, int], int]:
    """Middle and radius of a disc in OpenCV's fixed point."""
    where = round(center[0] * _ONE), round(center[1] * _ONE)
    return where, _length(max(radius, 0.5))


def _fixed(points: Floats) -> NDArray[np.int32]:
    return np.rint(points * _ONE).astype(np.int32)


def _length(radius: float) -> int:
    return max(_ONE // 2, int(radius * _ONE))


@lru_cache(maxsize=4096)
def _tone(colour: Rgb, factor: float) -> Rgb:
    r, g, b = (min(255, int(channel * factor)) for channel in colour)
    return r, g, b
