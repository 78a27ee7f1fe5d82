"""The overlay: gives nothing away, stays inside the picture, plays everywhere."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filmed_shots import FilmedShot, film_shot
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.detect.drawing import (
    draw_line,
    draw_pill,
    draw_text,
    readable_on,
    relative_luminance,
    text_wh,
)
from workbench.footage.frames import sample_frames
from workbench.footage.registration import Registration
from workbench.footage.steadyview import SteadyView
from workbench.footage.video_info import probe
from workbench.shots.analysed import ShotAnalysis
from workbench.shots.pictures.colours import FASTEST_KMH, PLAYER_COLOURS, speed_colour
from workbench.shots.pictures.overlay import ShotOverlay, VerdictCard, save_overlay
from workbench.shots.players.people import People
from workbench.shots.verdict import ShotVerdict

SIZES = [(640, 360), (1080, 1920), (320, 180), (1920, 1080), (202, 360)]


@pytest.fixture(scope="module")
def shot() -> FilmedShot:
    return film_shot()


def said(shot: ShotAnalysis, **change: object) -> ShotAnalysis:
    """The shot with another verdict."""
    return replace(shot, verdicts={**shot.verdicts, "3d": replace(shot.verdict, **change)})


class TestTheOverlay:
    def test_gives_nothing_away_before_the_flight_ends(self, shot: FilmedShot) -> None:
        goal = said(shot.analysis, is_goal=True, goal_probability=0.97, abstained=False)
        miss = said(shot.analysis, is_goal=False, goal_probability=0.03, abstained=False)
        end = shot.analysis.arrival_frame
        assert end is not None
        last = shot.clip.frame_count - 1
        before, after = sample_frames(shot.video, [int(end), last])
        same = [ShotOverlay(one).paint(before, int(end)) for one in (goal, miss)]
        np.testing.assert_array_equal(*same)
        assert (ShotOverlay(goal).paint(after, last) != ShotOverlay(miss).paint(after, last)).any()

    def test_leaves_the_given_picture_as_it_is(self, shot: FilmedShot) -> None:
        [image] = sample_frames(shot.video, [round(shot.truth.contact_frame)])
        kept = image.copy()
        painted = ShotOverlay(shot.analysis).paint(image, round(shot.truth.contact_frame))
        np.testing.assert_array_equal(image, kept)
        assert painted.shape == image.shape

    def test_draws_where_things_are_in_a_frame_that_has_moved(self, shot: FilmedShot) -> None:
        alone = replace(shot.analysis, people=People(shot.analysis.people.table.iloc[:0], {}))
        down = np.array([[1.0, 0, 0], [0, 1, 30], [0, 0, 1]])
        view = SteadyView(0, dict.fromkeys(range(200), Registration(down, down, 0.1, 0.1, 30.0)))
        black = np.zeros((360, 640, 3), np.uint8)
        at = round(shot.truth.contact_frame) + 8
        still, moved = (
            ShotOverlay(one).paint(black, at, card=False)
            for one in (alone, replace(alone, view=view))
        )
        np.testing.assert_array_equal(moved[30:], still[:-30])

    def test_brightens_whoever_has_the_ball(self, shot: FilmedShot) -> None:
        assert shot.analysis.shooter is not None
        player = shot.analysis.shooter.player
        frame = round(shot.truth.contact_frame) - 1
        nobody = [replace(row, player=None) for row in shot.analysis.possession]
        somebody = [replace(row, player=player) for row in nobody]
        [image] = sample_frames(shot.video, [frame])
        with_ball, without = (
            ShotOverlay(replace(shot.analysis, possession=tuple(rows))).paint(image, frame)
            for rows in (somebody, nobody)
        )
        mask = shot.analysis.people.in_frame(frame)[player].pixels()
        assert mask is not None
        changed = np.abs(with_ball.astype(int) - without.astype(int)).sum(axis=2) > 0
        assert changed[mask].mean() > 0.5

    def test_is_as_long_large_and_fast_as_the_clip_and_starts_at_once(
        self, shot: FilmedShot, tmp_path: Path
    ) -> None:
        path = save_overlay(shot.analysis, shot.video, tmp_path / "overlay.mp4")
        made, clip = probe(path), probe(shot.video)
        assert (made.frame_count, made.width, made.height) == (
            clip.frame_count,
            clip.width,
            clip.height,
        )
        assert float(made.fps) == pytest.approx(float(clip.fps), rel=1e-3)
        content = path.read_bytes()
        assert content.index(b"moov") < content.index(b"mdat")

    def test_of_a_shot_that_nobody_can_judge_is_drawn_too(self, shot: FilmedShot) -> None:
        dark = ShotVerdict(
            "3d", 0.5, False, True, "Can't tell, because it is dark.", None, None, None
        )
        empty = replace(
            shot.analysis,
            verdicts={"3d": dark, "2d": dark},
            track=shot.analysis.track.take(slice(0)),
            possession=(),
            shooter=None,
        )
        last = shot.clip.frame_count - 1
        [image] = sample_frames(shot.video, [last])
        assert (ShotOverlay(empty).paint(image, last) != image).any()


@pytest.mark.parametrize("wh", SIZES, ids=str)
@given(
    reason=st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=90)
)
@settings(max_examples=8)
def test_the_card_stays_inside_pictures_of_any_shape(wh: tuple[int, int], reason: str) -> None:
    shot = film_shot().analysis
    clip = replace(shot.clip, width=wh[0], height=wh[1])
    unsure = replace(said(shot, abstained=True, reason=reason), clip=clip)
    x, y, width, height = VerdictCard(unsure, np.zeros((0, 2))).box
    assert x >= 0
    assert y >= 0
    assert x + width <= wh[0]
    assert y + height <= wh[1]


@given(
    x=st.floats(-1e4, 1e4), y=st.floats(-1e4, 1e4), text=st.sampled_from(["P1", "P12 BALL", "ß±"])
)
@settings(max_examples=40)
def test_a_pill_is_always_all_inside(x: float, y: float, text: str) -> None:
    image = np.zeros((120, 200, 3), np.uint8)
    left, top, width, height = draw_pill(image, text, (x, y), 14, "#0072B2")
    assert left >= 0
    assert top >= 0
    assert left + width <= 200
    assert top + height <= 120
    drawn = image.any(axis=2)
    assert drawn[top : top + height, left : left + width].any()
    drawn[top : top + height, left : left + width] = False
    assert not drawn.any()


@given(
    points=st.lists(
        st.tuples(*[st.floats(-1e6, 1e6) | st.just(float("nan"))] * 2), min_size=2, max_size=6
    )
)
@settings(max_examples=40)
def test_lines_may_lead_anywhere(points: list[tuple[float, float]]) -> None:
    image = np.zeros((60, 80, 3), np.uint8)
    draw_line(image, points, "#FFFFFF", 2)
    draw_line(image, [(10, 10), (70, 50)], "#FFFFFF", 2)
    assert image[30, 40].any()


def test_a_line_of_no_points_draws_nothing() -> None:
    image = np.zeros((20, 30, 3), np.uint8)
    draw_line(image, np.empty((0, 2)), "#FFFFFF", 2)
    draw_line(image, [(5.0, 5.0)], "#FFFFFF", 2)
    assert not image.any()


def test_text_is_cut_off_at_the_edge_and_as_large_as_said() -> None:
    image = np.zeros((40, 300, 3), np.uint8)
    draw_text(image, "97 % sure", (2, 3), 20)
    rows, columns = image.any(axis=2).nonzero()
    width, height = text_wh("97 % sure", 20)
    assert columns.max() - 2 <= width
    assert rows.max() - 3 <= height
    draw_text(image, "cut off", (280, -10), 20)  # does not raise


def test_words_on_every_players_colour_can_be_read() -> None:
    for colour in PLAYER_COLOURS:
        lights = sorted((relative_luminance(colour), relative_luminance(readable_on(colour))))
        assert (lights[1] + 0.05) / (lights[0] + 0.05) >= 4.5


def test_faster_is_brighter_also_in_grey() -> None:
    lights = [relative_luminance(speed_colour(v)) for v in np.linspace(0, FASTEST_KMH, 30)]
    assert lights == sorted(lights)
