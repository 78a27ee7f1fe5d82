"""Tiled inference: far objects are found, near ones once, masks and boxes where they belong."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
import supervision as sv
from hypothesis import given
from hypothesis import strategies as st

from workbench.detect.tiles import Image, TilingError, detect_tiled, tile_boxes

INPUT = 160  # what the detector below sees, whatever it is given


def detect_orange(images: Sequence[Image]) -> list[sv.Detections]:
    """Like a network of fixed input: resizes, then knows orange blobs of 6 pixels and more."""
    answers = []
    for image in images:
        height, width = image.shape[:2]
        seen = cv2.resize(image, (INPUT, INPUT), interpolation=cv2.INTER_AREA)
        mask = np.asarray((seen[..., 0] > 200) & (seen[..., 2] < 60), np.uint8)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
        scale = np.array([width, height, width, height]) / INPUT
        found = [n for n in range(1, len(stats)) if stats[n][4] >= 6]
        if not found:
            answers.append(sv.Detections.empty())
            continue
        x, y, w, h = stats[found, :4].T
        masks = [cv2.resize(np.uint8(labels == n), (width, height)) > 0 for n in found]
        answers.append(
            sv.Detections(
                xyxy=np.stack([x, y, x + w, y + h], 1) * scale,
                mask=np.stack(masks),
                confidence=np.minimum(stats[found, 4] / 400, 1.0),
                class_id=np.ones(len(found), int),
                data={"class_name": np.array(["ball"] * len(found))},
                metadata={"source_image": image},
            )
        )
    return answers


def pitch(*balls: tuple[int, int, int], wh: tuple[int, int] = (1280, 720)) -> Image:
    """A green picture with orange discs (x, y, radius)."""
    image = np.full((wh[1], wh[0], 3), (60, 120, 60), np.uint8)
    for x, y, radius in balls:
        cv2.circle(image, (x, y), radius, (240, 120, 20), -1)
    return image


@given(
    image_wh=st.tuples(st.integers(1, 2000), st.integers(1, 1200)),
    tile_wh=st.tuples(st.integers(64, 900), st.integers(64, 900)),
    overlap=st.floats(0, 0.5),
)
def test_tiles_cover_the_image_with_one_size_and_enough_overlap(
    image_wh: tuple[int, int], tile_wh: tuple[int, int], overlap: float
) -> None:
    boxes = tile_boxes(image_wh, tile_wh, overlap)
    sides = boxes[:, 2:] - boxes[:, :2]
    assert (sides == np.minimum(image_wh, tile_wh)).all()
    assert boxes.min() >= 0
    for axis in (0, 1):
        starts = np.unique(boxes[:, axis])
        assert starts[0] == 0
        assert boxes[:, 2 + axis].max() == image_wh[axis]
        # Rounding to whole pixels may cost one of the overlap.
        assert (np.diff(starts) <= np.ceil(tile_wh[axis] * (1 - overlap)) + 1).all()


def test_a_far_ball_is_found_in_tiles_only_and_a_near_one_once() -> None:
    image = pitch((300, 200, 5), (900, 400, 60))
    (whole,) = detect_orange([image])
    assert len(whole) == 1  # the far ball is one pixel of the input
    (found,) = detect_tiled([image], detect_orange, tile_wh=(320, 360))
    assert len(found) == 2
    near, far = found.xyxy
    assert near == pytest.approx((840, 340, 961, 461), abs=9)
    assert far == pytest.approx((295, 195, 306, 206), abs=3)
    assert found.mask is not None
    assert found.mask.shape == (2, 720, 1280)
    centers = [np.argwhere(mask).mean(axis=0)[::-1] for mask in found.mask]
    assert np.abs(np.array(centers) - [(900, 400), (300, 200)]).max() < 4
    assert found.metadata == {}
    assert list(found.data["class_name"]) == ["ball", "ball"]


@given(x=st.integers(12, 628), y=st.integers(12, 348))
def test_a_small_ball_is_found_exactly_once_wherever_it_lies(x: int, y: int) -> None:
    image = pitch((x, y, 10), wh=(640, 360))
    (found,) = detect_tiled([image], detect_orange, tile_wh=(200, 200))
    assert len(found) == 1
    assert found.xyxy[0] == pytest.approx((x - 10, y - 10, x + 11, y + 11), abs=3)


def test_a_small_image_is_looked_at_once() -> None:
    sizes = []

    def watch(images: Sequence[Image]) -> list[sv.Detections]:
        sizes.extend(image.shape[:2] for image in images)
        return detect_orange(images)

    (found,) = detect_tiled([pitch((50, 50, 20), wh=(300, 200))], watch)
    assert len(found) == 1
    assert sizes == [(200, 300)]


def test_what_cannot_be_tiled_is_refused_with_the_reason() -> None:
    with pytest.raises(TilingError, match="0×10 is empty"):
        tile_boxes((100, 100), (0, 10))
    with pytest.raises(TilingError, match=r"overlap of tiles is 1\.5"):
        tile_boxes((100, 100), (10, 10), overlap=1.5)
    with pytest.raises(TilingError, match="1 answers for 7 images"):
        detect_tiled([pitch()], lambda images: [sv.Detections.empty()], tile_wh=(640, 480))
