"""Painting people, balls and sticks into an image, and their identities into a mask.

Shapes are capsules and hulls in sub-pixel coordinates: a dark one for the shaded side, a lighter
one moved towards the light. The mask gets the same outlines without smoothing.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.footage.pinhole import Camera, Points
from workbench.simulated.people import JOINT
from workbench.simulated.scene import Ball, Moment, Person, Stick
from workbench.simulated.venue import Image, Rgb

_SHIFT = 4  # OpenCV's fractional bits
_ONE = 1 << _SHIFT
_SHADED, _LIT = 0.72, 1.0

# joint, joint, radius at each in metres, what it wears
_LIMBS = tuple(
    (JOINT[side + first], JOINT[side + second], first_m, second_m, wear)
    for side in ("l_", "r_")
    for first, second, first_m, second_m, wear in (
        ("hip", "knee", 0.085, 0.058, "skin"),
        ("knee", "ankle", 0.058, 0.040, "socks"),
        ("ankle", "toe", 0.045, 0.040, "boots"),
        ("shoulder", "elbow", 0.052, 0.042, "shirt"),
        ("elbow", "wrist", 0.042, 0.032, "skin"),
    )
)
_CIRCLE = np.stack([[math.cos(a), math.sin(a)] for a in np.linspace(0, 2 * math.pi, 10)[:-1]])


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
        towards_light: Points,
        exposure: float,
        identity: NDArray[np.uint8] | None = None,
    ) -> None:
        self._image, self._camera, self._identity = image, camera, identity
        self._light, self._exposure = towards_light, exposure

    def paint(self, moment: Moment) -> None:
        """Paint everything, farthest first."""
        queue: list[tuple[float, Person | Ball | Stick]] = []
        for person in moment.people:
            queue.append((float(self._camera.project(person.joints[:1])[1][0]), person))
        for ball in moment.balls:
            queue.append((float(self._camera.project(ball.center)[1][0]), ball))
        for stick in moment.sticks:
            depths = self._camera.project(np.stack([stick.start, stick.end]))[1]
            queue.append((float(depths.mean()) - 0.05, stick))
        for depth, thing in sorted(queue, key=lambda entry: -entry[0]):
            if depth < 0.4:
                continue  # behind the camera or touching the lens
            if isinstance(thing, Person):
                self._person(thing)
            elif isinstance(thing, Ball):
                self._ball(thing)
            else:
                self._stick(thing)

    def _person(self, person: Person) -> None:
        body = person.body
        uv, depth = self._camera.project(person.joints)
        scale = self._camera.focal_px / np.maximum(depth, 0.3)
        parts: list[tuple[float, int]] = [
            (float(depth[a] + depth[b]) / 2, number) for number, (a, b, *_) in enumerate(_LIMBS)
        ]
        parts += [(float(depth[JOINT["chest"]]), -1), (float(depth[JOINT["head"]]) - 0.02, -2)]
        for _, number in sorted(parts, key=lambda part: -part[0]):
            if number == -1:
                self._torso(person, uv, scale)
            elif number == -2:
                self._head(person, uv, scale)
            else:
                a, b, first_m, second_m, wear = _LIMBS[number]
                ends = uv[a], uv[b]
                radii = first_m * body.girth * scale[a], second_m * body.girth * scale[b]
                self._capsule(*ends, *radii, getattr(body, wear), person.track_id)
                if wear == "skin" and first_m > 0.08:  # thighs: the shorts reach half-way down
                    hem = uv[a] * 0.45 + uv[b] * 0.55
                    self._capsule(
                        uv[a], hem, radii[0] * 1.18, radii[0] * 1.08, body.shorts, person.track_id
                    )

    def _torso(self, person: Person, uv: Points, scale: Points) -> None:
        body = person.body
        radius = 0.085 * scale[JOINT["chest"]] * body.girth
        shoulders = uv[[JOINT["l_shoulder"], JOINT["r_shoulder"]]]
        hips = uv[[JOINT["l_hip"], JOINT["r_hip"]]]
        shirt = _hull(np.concatenate([shoulders, hips]), radius)
        middle = shirt.mean(0)
        self._fill(shirt, body.shirt, _SHADED, person.track_id)
        self._fill(middle + (shirt - middle) * 0.72 + self._light * radius * 0.45, body.shirt, _LIT)
        self._fill(_hull(hips, radius * 1.05), body.shorts, 0.85, person.track_id)

    def _head(self, person: Person, uv: Points, scale: Points) -> None:
        body, head = person.body, JOINT["head"]
        radius = body.head * scale[head]
        self._capsule(
            uv[JOINT["neck"]], uv[head], radius * 0.5, radius * 0.5, body.skin, person.track_id
        )
        self._disc(uv[head], radius, body.hair, 0.9, person.track_id)
        # The face is the part of the head that looks our way: forward is across the shoulders.
        across = person.joints[JOINT["r_shoulder"]] - person.joints[JOINT["l_shoulder"]]
        forward = np.array([-across[1], across[0], 0.0]) / max(np.hypot(*across[:2]), 1e-6)
        seen = self._camera.rotation @ forward
        if seen[2] < 0.45:
            offset = np.array([seen[0] * 0.45, 0.28]) * radius
            self._disc(uv[head] + offset, radius * 0.78, body.skin, 0.98)

    def _ball(self, ball: Ball) -> None:
        uv, depth = self._camera.project(ball.center)
        center, radius = uv[0], ball.radius_m * self._camera.focal_px / max(float(depth[0]), 0.3)
        self._disc(center, radius, ball.base, 0.75, ball.track_id)
        self._disc(center + self._light * radius * 0.25, radius * 0.7, ball.base, _LIT)
        if radius > 2.5:
            for number in range(5):
                angle = ball.spin_rad + number * 2 * math.pi / 5
                reach = 0.62 + 0.2 * math.sin(1.7 * ball.spin_rad + number)
                spot = center + radius * reach * np.array([math.cos(angle), math.sin(angle)])
                self._disc(spot, radius * 0.2, ball.patches, _LIT)

    def _stick(self, stick: Stick) -> None:
        uv, depth = self._camera.project(np.stack([stick.start, stick.end]))
        if depth.min() < 0.4:
            return
        radii = np.array(stick.radius_m) * self._camera.focal_px / depth
        self._capsule(uv[0], uv[1], float(radii[0]), float(radii[1]), stick.colour, None)

    def _capsule(
        self, a: Points, b: Points, radius_a: float, radius_b: float, colour: Rgb, oid: int | None
    ) -> None:
        self._sausage(self._image, a, b, radius_a, radius_b, self._tone(colour, _SHADED))
        if radius_a > 1.2:
            light = self._light * radius_a * 0.3
            tone = self._tone(colour, _LIT)
            self._sausage(self._image, a + light, b + light, radius_a * 0.62, radius_b * 0.62, tone)
        if self._identity is not None and oid is not None:
            self._sausage(self._identity, a, b, radius_a, radius_b, (oid,), cv2.LINE_8)

    @staticmethod
    def _sausage(
        image: NDArray[np.uint8],
        a: Points,
        b: Points,
        radius_a: float,
        radius_b: float,
        colour: tuple[int, ...],
        line: int = cv2.LINE_AA,
    ) -> None:
        # Plain floats: this runs for every limb of every sub-frame; numpy's calls would cost most.
        ax, ay, bx, by = float(a[0]), float(a[1]), float(b[0]), float(b[1])
        length = math.hypot(bx - ax, by - ay)
        if length > 1e-3:
            nx, ny = (ay - by) / length, (bx - ax) / length
            quad = (
                (ax + nx * radius_a, ay + ny * radius_a), (bx + nx * radius_b, by + ny * radius_b),
                (bx - nx * radius_b, by - ny * radius_b), (ax - nx * radius_a, ay - ny * radius_a),
            )  # fmt: skip
            points = np.array([(round(x * _ONE), round(y * _ONE)) for x, y in quad], np.int32)
            cv2.fillConvexPoly(image, points, colour, line, _SHIFT)
        for x, y, radius in ((ax, ay, radius_a), (bx, by, radius_b)):
            if radius > 0.4:
                where = round(x * _ONE), round(y * _ONE)
                cv2.circle(image, where, _length(radius), colour, -1, line, _SHIFT)

    def _disc(
        self, center: Points, radius: float, colour: Rgb, shade: float, oid: int | None = None
    ) -> None:
        where, size = _fixed(center).tolist(), _length(max(radius, 0.5))
        cv2.circle(self._image, where, size, self._tone(colour, shade), -1, cv2.LINE_AA, _SHIFT)
        if self._identity is not None and oid is not None:
            cv2.circle(self._identity, where, size, (oid,), -1, cv2.LINE_8, _SHIFT)

    def _fill(self, hull: Points, colour: Rgb, shade: float, oid: int | None = None) -> None:
        points = _fixed(hull)
        cv2.fillConvexPoly(self._image, points, self._tone(colour, shade), cv2.LINE_AA, _SHIFT)
        if self._identity is not None and oid is not None:
            cv2.fillConvexPoly(self._identity, points, (oid,), cv2.LINE_8, _SHIFT)

    def _tone(self, colour: Rgb, shade: float) -> Rgb:
        factor = shade * self._exposure
        r, g, b = (min(255, int(channel * factor)) for channel in colour)
        return r, g, b


def shadows(
    shape_hw: tuple[int, int], camera: Camera, moment: Moment, slope: Points
) -> NDArray[np.uint8]:
    """Where people, balls and sticks shade the ground: 255 in the shadow, blurred at the rim.

    Args:
        shape_hw: Size of the region.
        camera: As for `Painter`.
        moment: What casts shadows.
        slope: Metres (2,) on the ground per metre of height, away from the sun.
    """
    mask = np.zeros(shape_hw, np.uint8)

    def fallen(points: Points) -> tuple[Points, Points]:
        ground = np.atleast_2d(points).copy()
        ground[:, :2] += slope * ground[:, 2:]
        ground[:, 2] = 0.005
        return camera.project(ground)

    def line(ends: Points, width_px: float) -> None:
        a, b = _fixed(ends).tolist()
        cv2.line(mask, a, b, (255,), max(1, round(width_px)), cv2.LINE_8, _SHIFT)

    for person in moment.people:
        uv, depth = fallen(person.joints)
        if depth.min() < 0.4:
            continue
        scale = camera.focal_px / depth
        for a, b, first_m, *_ in _LIMBS:
            line(uv[[a, b]], 1.3 * first_m * scale[a])
        torso = uv[[JOINT["l_shoulder"], JOINT["r_shoulder"], JOINT["r_hip"], JOINT["l_hip"]]]
        cv2.fillConvexPoly(mask, _fixed(torso), (255,), cv2.LINE_8, _SHIFT)
        head = JOINT["head"]
        size = _length(person.body.head * 0.8 * scale[head])
        cv2.circle(mask, _fixed(uv[head]).tolist(), size, (255,), -1, cv2.LINE_8, _SHIFT)
    for ball in moment.balls:
        uv, depth = fallen(ball.center)
        radius = ball.radius_m * camera.focal_px / max(float(depth[0]), 0.5)
        axes = max(1, int(radius)), max(1, int(0.4 * radius))
        cv2.ellipse(mask, np.round(uv[0]).astype(int).tolist(), axes, 0, 0, 360, (255,), -1)
    for stick in moment.sticks:
        uv, depth = fallen(np.stack([stick.start, stick.end]))
        if stick.casts_shadow and depth.min() > 0.4:
            line(uv, 1.2 * stick.radius_m[0] * camera.focal_px / float(depth.mean()))
    return np.asarray(cv2.blur(mask, (3, 3)), np.uint8)


def _hull(points: Points, radius: float) -> Points:
    around = (points[:, None] + radius * _CIRCLE).reshape(-1, 2).astype(np.float32)
    return np.asarray(cv2.convexHull(around)[:, 0], float)


def _fixed(points: Points) -> NDArray[np.int32]:
    return np.round(points * _ONE).astype(np.int32)


def _length(radius: float) -> int:
    return max(_ONE // 2, int(radius * _ONE))
