"""The goal's corners: from masks, from clicks, sharpened on white edges, or a reason for none."""

import cv2
import numpy as np
import pytest
from ball_tracks import labels_of
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as rle

from workbench.detect.motion.goalfinder import find_goal
from workbench.footage.registration import Registration
from workbench.footage.steadyview import SteadyView
from workbench.shots.goal.corners import (
    GoalView,
    find_corners,
    inside_goal,
    order_corners,
    sharpen_corners,
)

CORNERS = np.array([[180.0, 240], [190, 110], [470, 130], [465, 250]])


def mask_of(corners, wh=(640, 360), hole=None):
    """The pixels whose middles lie in the goal, without those of a box left, top, right, bottom."""
    columns, rows = np.meshgrid(np.arange(wh[0]) + 0.5, np.arange(wh[1]) + 0.5)
    inside = inside_goal(np.stack([columns.ravel(), rows.ravel()], axis=1), corners)
    mask = inside.reshape(wh[1], wh[0])
    if hole is not None:
        mask[hole[1] : hole[3], hole[0] : hole[2]] = False
    return mask


def goal(mask, **more):
    segmentation = rle.encode(np.asfortranarray(mask, np.uint8))
    area = int(rle.area(segmentation))
    box = [float(value) for value in rle.toBbox(segmentation)]
    return {"category_id": 3, "segmentation": segmentation, "bbox": box, "area": area} | more


def off(found, corners=CORNERS):
    return np.hypot(*(found - corners).T)


def picture_of(corners, post_px=5.0, noise=4.0):
    """A white goal with a net on grass, drawn at eight times the size for soft edges."""
    zoom = 8
    image = np.full((360 * zoom, 640 * zoom, 3), (70, 110, 60), np.uint8)
    inner = corners * zoom
    for share in np.linspace(0.04, 0.96, 25):
        top = inner[1] + share * (inner[2] - inner[1])
        foot = inner[0] + share * (inner[3] - inner[0])
        cv2.line(image, tuple(top.astype(int)), tuple(foot.astype(int)), (120, 150, 115), zoom)
    half = post_px / 2
    outer = corners + np.array([[-half, 0], [-half, -half], [half, -half], [half, 0]])
    cv2.polylines(
        image,
        [np.round(outer * zoom).astype(np.int32)],
        False,
        (235, 235, 230),
        round(post_px * zoom),
    )
    image[int(outer[[0, 3], 1].max() * zoom) + 4 * zoom :] = (70, 110, 60)
    small = cv2.resize(image, (640, 360), interpolation=cv2.INTER_AREA).astype(float)
    noisy = small + np.random.default_rng(0).normal(0, noise, small.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


@settings(max_examples=30)
@given(order=st.permutations(range(4)), mirrored=st.booleans(), scale=st.floats(0.1, 30))
def test_corners_come_in_one_order(order, mirrored, scale):
    corners = CORNERS * scale
    if mirrored:
        corners = (corners * [-1, 1])[[3, 2, 1, 0]]
    assert order_corners(corners[list(order)]) == pytest.approx(corners)


def corners_of(mask):
    return find_corners(labels_of([[goal(mask)]])).corners_px


@settings(max_examples=8)
@given(st.lists(st.tuples(st.floats(-25, 25), st.floats(-25, 25)), min_size=4, max_size=4))
def test_masks_give_their_corners_back(shifts):
    corners = CORNERS + np.array(shifts)
    assert off(corners_of(mask_of(corners)), corners).max() < 1.0


def test_people_in_front_and_a_wobbling_mask_are_outvoted():
    rng = np.random.default_rng(5)
    frames = [
        [
            goal(
                mask_of(
                    CORNERS + rng.normal(0, 1.0, (4, 2)), hole=(200 + 9 * t, 180, 240 + 9 * t, 260)
                )
            )
        ]
        for t in range(20)
    ]
    view = find_corners(labels_of(frames))
    assert view.method == "mask"
    assert off(view.corners_px).max() < 1.5


def test_corners_beyond_the_pictures_edge_are_where_the_sides_would_meet():
    beyond = CORNERS - [150.0, 40.0]
    beyond[:2, 0] -= 60  # the left post partly outside, the bar cut by the left edge
    moved = CORNERS + np.array([0.0, 115.0])  # the lower corners are under the picture
    found = corners_of(mask_of(moved))
    assert found is None or off(found, moved)[[1, 2]].max() < 2.0
    assert corners_of(mask_of(beyond)) is None  # one post out of sight: nobody can tell


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([[], []], "no frame"),
        ([[{"category_id": 3, "bbox": [10.0, 10, 50, 20]}]], "no mask"),
        ([[goal(mask_of(CORNERS / 40 + 50.0))]], "too small"),
        ([[goal(mask_of(CORNERS, hole=(180, 100, 330, 260)) | mask_of(CORNERS / 4))]], "hidden"),
    ],
)
def test_without_corners_there_is_a_reason(frames, words):
    view = find_corners(labels_of(frames))
    assert view.corners_px is None
    assert words in view.reason


def test_where_the_camera_moves_corners_are_those_of_the_steady_view():
    def shifted(t):
        return np.array([[1.0, 0, 3 * (t - 10)], [0, 1, 0], [0, 0, 1]])

    frames = [[goal(mask_of(CORNERS + np.array([3.0 * t, 0])))] for t in range(20)]
    steady = {t: Registration(shifted(t), shifted(t), 0.5, 0.5, 0.0) for t in range(20)}
    view = find_corners(labels_of(frames), SteadyView(10, steady))
    assert off(view.corners_px, CORNERS + np.array([30.0, 0])).max() < 1.0
    lost = dict.fromkeys(range(20), Registration(None, None, 9.0, 9.0, 9.0, "it turned away"))
    away = find_corners(labels_of(frames), SteadyView(10, lost))
    assert away.corners_px is None
    assert "steadied" in away.reason


def test_white_edges_pull_corners_onto_the_goal():
    image = picture_of(CORNERS)
    rough = CORNERS + np.array([[-4.0, 3], [3, -4], [4, 3], [-3, -4]])
    view = sharpen_corners(GoalView(rough, "clicks", "Clicked."), image)
    assert view.method == "edges"
    assert off(view.corners_px)[[1, 2]].max() < 0.7  # where post and bar meet
    assert off(view.corners_px).max() < 3.0  # the drawn posts end in round caps of 2.5 pixels


def test_the_teachers_goal_is_improved():
    image = picture_of(CORNERS)
    found = find_goal(image)
    rough = find_corners(labels_of([[goal(found.mask)]]))
    sharp = sharpen_corners(rough, image)
    assert off(sharp.corners_px).mean() < 0.6 * off(rough.corners_px).mean()


def test_without_white_edges_corners_stay_and_it_is_said():
    grass = np.full((360, 640, 3), (70, 110, 60), np.uint8)
    view = sharpen_corners(GoalView(CORNERS, "clicks", "Clicked."), grass)
    assert view.method == "clicks"
    assert "no white edge" in view.reason
    assert view.corners_px == pytest.approx(CORNERS)
