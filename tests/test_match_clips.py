"""Matches become clips with every action that they show, with tracks, and networks rank them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.actions.combinations import TEN, answer, draw_clips, rank, ranking_table, recipe_of
from workbench.actions.items import classes_in, several_classes
from workbench.actions.matchclips import CLIP_S, CLIP_TICKS, cut_matches
from workbench.actions.matchtracks import WIDTH, match_tracks
from workbench.actions.predict import load_classifier, predict_clips
from workbench.actions.spotting.matches import LabelledMatch, load_matches
from workbench.actions.train import train_classifier
from workbench.errors import DatasetError, WorkbenchError
from workbench.labels.events import BALL, load_class_map
from workbench.simulated.matches.making import make_matches, true_boxes

SIZE: dict[str, Any] = {"looks": 2, "picture_wh": (64, 36), "size_wh": (32, 32)}


@pytest.fixture(scope="module")
def matches(tmp_path_factory: pytest.TempPathFactory) -> list[LabelledMatch]:
    root = tmp_path_factory.mktemp("matches")
    make_matches(root, 3, 0.4, 2, width=64, height=36, every=2)
    return load_matches(root, load_class_map("ball"))


def test_a_clip_shows_what_happens_in_its_four_seconds(
    matches: list[LabelledMatch], tmp_path: Path
) -> None:
    clips = cut_matches({"train": matches[:1], "test": matches[1:2]}, tmp_path, **SIZE)
    assert len(clips.take("train")) == int(24 / CLIP_S)
    events = matches[0].events
    for place, said in enumerate(clips.take("train").labels):
        at_s = events.position_ms / 1000 - CLIP_S * place
        inside = (at_s >= 0) & (at_s < CLIP_S) & events.is_shown
        assert set(classes_in(said)) == {BALL[k] for k in events.label[inside].tolist()}
    assert clips.frames(0).shape == (6, 32, 32, 3)
    more = cut_matches({"train": matches[:1]}, tmp_path / "more", overlap=0.5, **SIZE)
    assert len(more) == 2 * len(clips.take("train")) - 1
    assert classes_in(several_classes([])) == ()
    with pytest.raises(DatasetError, match="0 looks"):
        cut_matches({"train": matches}, tmp_path, looks=0)
    with pytest.raises(DatasetError, match="has no tracks"):
        clips.tracks()


def test_tracks_are_those_of_the_ball_and_the_people_around_it(
    matches: list[LabelledMatch],
) -> None:
    boxes = list(true_boxes(matches[0].video.parent))
    rows = match_tracks(matches[0].video)
    assert rows.shape == (len(boxes), WIDTH) == (300, WIDTH)
    with_ball = [any(name == "ball" for name, _ in frame) for frame in boxes]
    assert np.mean(with_ball) > 0.9
    assert (rows[:, 0] == np.array(with_ball)).mean() > 0.95  # nobody else in a close-up
    assert np.isfinite(rows).all()
    assert rows[1:, 1:3].std() > 0.01  # it moves
    (matches[2].video.parent / "match.json").rename(matches[2].video.parent / "match.kept")
    with pytest.raises(DatasetError, match="no built-in match"):
        match_tracks(matches[2].video)
    (matches[2].video.parent / "match.kept").rename(matches[2].video.parent / "match.json")


def test_combinations_train_and_are_ranked_on_the_same_clips(
    matches: list[LabelledMatch], tmp_path: Path
) -> None:
    parts = dict(zip(("train", "valid", "test"), ([one] for one in matches), strict=True))
    clips = cut_matches(parts, tmp_path / "clips", boxes_by="truth", **SIZE)
    assert clips.tracks().shape == (len(clips), CLIP_TICKS, WIDTH)
    shared: dict[str, Any] = {
        "epochs": 1, "batch_size": 3, "frames": 6, "size_wh": (32, 32), "balance": False,
        "shown_weight": 5.0, "device": "cpu", "amp": "off",
    }  # fmt: skip
    ranked = []
    for name in ("RegNetY", "RegNetY, varied, tracks"):
        result = train_classifier(clips, tmp_path / name, recipe_of(name, **shared))
        network = load_classifier(result.run_dir).network
        said = predict_clips(result.run_dir, clips.take("test"))
        ranked.append(rank(name, result, said, network))
    table = ranking_table(ranked)
    assert list(table.index) == ["RegNetY", "RegNetY, varied, tracks"]
    assert ranked[1].parameters > ranked[0].parameters
    assert ranked[1].gflops > ranked[0].gflops > 0
    assert set(ranked[0].precisions.enough) <= set(TEN)
    assert "RegNetY" in answer(ranked)
    draw_clips(ranked[1], clips, right=True)
    with pytest.raises(Exception, match="mix pictures, not tracks"):
        train_classifier(
            clips, tmp_path / "mixed", replace(recipe_of("RegNetY, tracks", **shared), mixup=0.2)
        )


def test_a_combination_that_is_none_is_named():
    with pytest.raises(WorkbenchError, match="combinations has 'VGG'"):
        recipe_of("VGG")
