"""The truth of a clip as COCO JSON: one image entry per frame, one annotation per visible object.

Masks hold what is visible (not what is hidden behind others), except the goal's, which is the whole
mouth. Beyond COCO: images carry the camera's projection matrix, balls their place and the performer
their joints in metres, and `clip` says what happens.
"""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as rle

from workbench.footage.pinhole import Camera, goal_corners
from workbench.saving import save_json
from workbench.simulated.renderer import TrueFrame
from workbench.simulated.scene import JOINT, JOINTS, SKELETON, Person
from workbench.simulated.staging import PERFORMER_ID
from workbench.simulated.venue import Venue

PERSON, BALL, GOAL = 1, 2, 3
GOAL_TRACK_ID = 190

CATEGORIES: list[dict[str, Any]] = [
    {
        "id": PERSON,
        "name": "person",
        "supercategory": "",
        "keypoints": list(JOINTS),
        "skeleton": [[JOINT[a] + 1, JOINT[b] + 1] for a, b in SKELETON],
    },
    {"id": BALL, "name": "ball", "supercategory": ""},
    {"id": GOAL, "name": "goal", "supercategory": ""},
]


class TruthRecorder:
    """Collects the truth of a clip frame by frame, then saves it."""

    def __init__(self, clip_id: str, fps: Fraction, venue: Venue) -> None:
        self._clip_id, self._fps, self._venue = clip_id, fps, venue
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, frame: TrueFrame) -> None:
        """Add the next frame."""
        number = len(self._images)
        camera = frame.camera
        self._images.append(
            {
                "id": number + 1,
                "file_name": f"{self._clip_id}/{number:06d}.jpg",
                "width": camera.width,
                "height": camera.height,
                "clip_id": self._clip_id,
                "frame": number,
                "time_s": round(float(number / self._fps), 6),
                "camera": [[float(f"{value:.7g}") for value in row] for row in camera.matrix],
            }
        )
        for person in frame.moment.people:
            extra = {"keypoints": _keypoints(person, frame), "num_keypoints": len(JOINTS)}
            if person.track_id == PERFORMER_ID:
                extra["joints_m"] = [[round(float(v), 4) for v in at] for at in person.joints]
            self._annotate(_mask(frame, person.track_id), PERSON, person.track_id, extra)
        for ball in frame.moment.balls:
            extra = {"center_m": [round(float(value), 4) for value in ball.center]}
            self._annotate(_mask(frame, ball.track_id), BALL, ball.track_id, extra)
        if self._venue.goal is not None:
            polygon = _goal_polygon(camera, self._venue.goal.wh_m)
            if polygon is not None:
                encoded = rle.frPyObjects([polygon], camera.height, camera.width)[0]
                self._annotate(encoded, GOAL, GOAL_TRACK_ID, {})

    def save(self, path: Path, what_happens: dict[str, Any]) -> None:
        """Write the COCO file; `what_happens` becomes its `clip` entry."""
        save_json(
            path,
            {
                "info": {"description": "Built-in footage: rendered, truth exact"},
                "clip": {"clip_id": self._clip_id, "fps": str(self._fps), **what_happens},
                "images": self._images,
                "annotations": self._annotations,
                "categories": CATEGORIES,
            },
            indent=None,
        )

    def _annotate(
        self, encoded: dict[str, Any], category_id: int, track_id: int, extra: dict[str, Any]
    ) -> None:
        area = int(rle.area(encoded))
        if area == 0:
            return
        self._annotations.append(
            {
                "id": len(self._annotations) + 1,
                "image_id": len(self._images),
                "category_id": category_id,
                "track_id": track_id,
                "bbox": rle.toBbox(encoded).tolist(),
                "area": area,
                "segmentation": {
                    "size": [int(side) for side in encoded["size"]],
                    "counts": encoded["counts"].decode(),
                },
                "iscrowd": 0,
                **extra,
            }
        )


def _mask(frame: TrueFrame, track_id: int) -> dict[str, Any]:
    """Run lengths of where something is visible."""
    return dict(rle.encode(np.asfortranarray(frame.identity == track_id, dtype=np.uint8)))


def _keypoints(person: Person, frame: TrueFrame) -> list[float]:
    """COCO triples u, v, visibility: 2 where the person's own mask is at the joint, else 1."""
    uv, _ = frame.camera.project(person.joints)
    height, width = frame.identity.shape
    triples: list[float] = []
    for u, v in uv:
        column, row = int(u), int(v)
        inside = 0 <= column < width and 0 <= row < height
        seen = inside and frame.identity[row, column] == person.track_id
        triples += [round(float(u), 2), round(float(v), 2), 2 if seen else 1]
    return triples


def _goal_polygon(camera: Camera, goal_wh_m: tuple[float, float]) -> list[float] | None:
    """Outline of the goal's mouth in pixels, cut at the picture's edges; None where out of view."""
    uv, depth = camera.project(goal_corners(goal_wh_m))
    if depth.min() < 0.5:
        return None
    outside = (uv.max(0) <= 0).any() or (uv.min(0) >= [camera.width, camera.height]).any()
    return None if outside else [float(value) for value in uv.ravel()]
