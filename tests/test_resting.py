"""Balls at rest that no finder saw: there behind a leg, gone after the kick, or never gone."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from ball_tracks import FPS, labels_of

from workbench.detect.detections import BALL, Detection
from workbench.detect.store import ClipDetections
from workbench.footage.steadyview import SteadyView
from workbench.footage.timeline import Timeline
from workbench.footage.writer import VideoWriter
from workbench.shots.ball.resting import with_resting
from workbench.shots.ball.sightings import sight_balls
from workbench.shots.players.people import follow_people

WH, PLACE, SIZE = (320, 180), (160, 140), 14
SEEN, KICK, COUNT = 15, 24, 60  # frames in which a finder sees it; in which it lies there; in all


@pytest.fixture(scope="module", params=[True, False], ids=["kicked", "stays"])
def film(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ball on grass; from frame 15 on a leg stands before half of it; perhaps it is kicked."""
    path = tmp_path_factory.mktemp("resting") / f"{'kicked' if request.param else 'stays'}.mp4"
    rng = np.random.default_rng(3)
    grass = np.full((WH[1], WH[0], 3), (60, 120, 50), np.uint8)
    grass += rng.integers(0, 25, grass.shape, np.uint8)
    with VideoWriter(path, WH, 30) as video:
        for frame in range(COUNT):
            image = grass.copy()
            if frame < KICK or not request.param:
                cv2.circle(image, PLACE, SIZE // 2, (235, 235, 235), -1)
            if SEEN <= frame < KICK + 4:
                x, y = PLACE[0] - 12, PLACE[1] + 10
                cv2.rectangle(image, (x, 60), (PLACE[0] - 1, y), (200, 150, 120), -1)
            video.write(image)
    return path


def labels_seen(count: int = SEEN) -> ClipDetections:
    box = (PLACE[0] - SIZE / 2, PLACE[1] - SIZE / 2, float(SIZE), float(SIZE))
    ball = Detection(BALL, box, score=0.6, found_by="auto")
    shooter = {"category_id": 1, "bbox": [130, 60, 30, 90], "score": 0.9, "track_id": 1}
    labels = labels_of([[shooter]] * COUNT, wh=WH)
    return replace(labels, candidates=[(ball,) * (frame < count) for frame in range(COUNT)])


def test_a_ball_behind_a_leg_is_there_until_it_is_kicked(film: Path) -> None:
    labels, view = labels_seen(), SteadyView()
    seen = sight_balls(labels, view, follow_people(labels, FPS), FPS)
    found = with_resting(labels, seen, film, view, Timeline.of_frames(COUNT, FPS))
    shown = [frame for frame in range(COUNT) if found.candidates[frame]]
    if film.stem == "stays":  # nothing tells ball from ground
        assert found.candidates == labels.candidates
        return
    assert shown == list(range(KICK))
    for frame in range(SEEN, KICK):
        [ball] = found.candidates[frame]
        assert ball.centre == pytest.approx(PLACE, abs=1)
        assert ball.score == pytest.approx(0.6)


def test_too_few_sightings_are_no_place(film: Path) -> None:
    labels, view = labels_seen(3), SteadyView()
    seen = sight_balls(labels, view, follow_people(labels, FPS), FPS)
    assert with_resting(labels, seen, film, view, Timeline.of_frames(COUNT, FPS)) is labels
