import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moving_shapes import CLASSES, film_shapes, shape_clip

from workbench.actions.augment import Augmentation, plain_view, varied_view
from workbench.actions.clipset import (
    build_clipset,
    load_clipset,
)
from workbench.actions.items import Item, check_leakage
from workbench.actions.learner import balanced_order, epoch_draws
from workbench.errors import DatasetError
from workbench.footage.clips import BUILT_IN_FOOTAGE, Origin
from workbench.footage.frames import sample_frames, uniform_indices
from workbench.training.splits import SPLITS, split_sessions


@pytest.fixture(scope="module")
def footage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("footage")
    return folder, film_shapes(folder, sessions=5, per_class=1)


def build(footage, out_dir, clips=None, **settings):
    folder, own = footage
    settings = {"origin": BUILT_IN_FOOTAGE, "frames": 6, "size_wh": (40, 36)} | settings
    return build_clipset(own if clips is None else clips, folder, out_dir / "set", **settings)


def test_dataset_holds_whole_sessions_per_split_and_says_what_it_is(footage, tmp_path):
    clipset = build(footage, tmp_path)
    assert clipset.classes == ("left", "right", "none")
    assert len(clipset) == 15
    splits = {split: set(clipset.take(split).sessions) for split in SPLITS}
    assert sum(map(len, splits.values())) == 5
    assert set.union(*splits.values()) == {f"s0{n}" for n in range(5)}

    meta = json.loads((clipset.folder / "dataset_meta.json").read_text())
    assert meta["version"] == clipset.version
    assert meta["counts"]["train"] == {"left": 3, "right": 3, "none": 3}
    assert meta["counts"]["test"] == {"left": 1, "right": 1, "none": 1}
    assert meta["source"] == "built-in footage, rendered"
    assert meta["licence"] == "Apache-2.0"
    assert "says nothing about real footage" in meta["caveat"]
    assert meta["parent_version"] is None
    table = clipset.to_frame()
    assert table.loc["train", "sessions"] == 3
    assert table["clips"].sum() == 15
    assert meta["version"] in clipset._repr_html_()


def test_stored_frames_are_the_middle_of_the_clip_at_its_own_aspect(footage, tmp_path):
    clipset = build(footage, tmp_path)
    folder, clips = footage
    clip = clips[0]
    # 72×48 covers 40×36 at 54×36: seven columns are cut off on either side.
    whole = sample_frames(folder / clip.file, uniform_indices(clip.frame_count, 6), (54, 36))
    np.testing.assert_array_equal(clipset.frames_of(clip.clip_id), whole[:, :, 7:47])


def test_same_input_gives_same_bytes_and_version(footage, tmp_path):
    first = build(footage, tmp_path / "a")
    second = build(footage, tmp_path / "b", clips=footage[1][::-1], jobs=3)
    assert first.version == second.version
    for name in ("frames.npy", "items.csv", "dataset_meta.json"):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()
    assert build(footage, tmp_path / "b", seed=1).version != first.version


def test_changed_dataset_names_its_parent(footage, tmp_path):
    first = build(footage, tmp_path)
    again = build(footage, tmp_path)
    assert again.meta["parent_version"] is None
    second = build(footage, tmp_path, clips=footage[1][:-3])
    assert second.version != first.version
    assert second.meta["parent_version"] == first.version


def test_loading_gives_back_what_was_built(footage, tmp_path):
    built = build(footage, tmp_path)
    loaded = load_clipset(built.folder)
    assert loaded.items == built.items
    np.testing.assert_array_equal(loaded.frames(3), built.frames(3))
    assert loaded.targets().tolist() == [CLASSES.index(label) for label in loaded.labels]


def test_unlabelled_clips_are_for_prediction_only(footage, tmp_path):
    clips = [replace(clip, sport=None) if clip.session == "s04" else clip for clip in footage[1]]
    clipset = build(footage, tmp_path, clips)
    predict = clipset.take("predict")
    assert set(predict.sessions) == {"s04"}
    assert predict.labels == (None, None, None)
    assert clipset.to_frame().loc["predict", "unlabelled"] == 3
    with pytest.raises(DatasetError, match="unlabelled"):
        predict.targets()
    assert load_clipset(clipset.folder).take("predict").labels == predict.labels


def test_footage_without_any_label_still_makes_a_dataset(footage, tmp_path):
    clips = [replace(clip, sport=None) for clip in footage[1]]
    clipset = build(footage, tmp_path, clips, origin=Origin("my phone", "mine"))
    assert clipset.classes == ()
    assert clipset.caveat is None
    assert len(clipset.take("predict")) == 15
    with pytest.raises(DatasetError, match=r"'test'.*take one of predict"):
        clipset.take("test")


def test_unreadable_clips_are_left_out_and_listed(footage, tmp_path):
    (footage[0] / "bad.mp4").write_bytes(b"no video")
    bad = shape_clip("bad", "s00", "left")
    clipset = build(footage, tmp_path, [*footage[1], bad])
    assert [row["clip_id"] for row in clipset.meta["skipped"]] == ["bad"]
    assert clipset.meta["skipped"][0]["reason"].startswith(
        "bad.mp4"
    )  # says no path of this machine
    assert "bad" not in clipset.clip_ids
    assert len(clipset) == 15
    with pytest.raises(DatasetError, match="none of the 1 clips"):
        build(footage, tmp_path, [bad])


def test_clips_of_one_video_and_copies_stay_on_one_side(footage, tmp_path):
    folder, clips = footage
    shutil.copy(folder / "s00-left-0.mp4", tmp_path / "copy.mp4")
    copy = shape_clip("copy", "s01", "left", file=str(tmp_path / "copy.mp4"))
    joined = [replace(c, source="match.mp4") if c.session in ("s02", "s03") else c for c in clips]
    for seed in range(4):
        clipset = build(footage, tmp_path, [*joined, copy], seed=seed)
        split_of = {item.session: item.split for item in clipset.items}
        assert split_of["s00"] == split_of["s01"]
        assert split_of["s02"] == split_of["s03"]
        assert clipset.meta["duplicates"] == [["copy", "s00-left-0"]]


def test_one_clip_under_two_labels_is_refused(footage, tmp_path):
    again = replace(footage[1][0], clip_id="again", sport="right")
    with pytest.raises(DatasetError, match=r"'again' and 's00-left-0'.*labelled left and right"):
        build(footage, tmp_path, [*footage[1], again])


def test_given_splits_are_kept_and_checked(footage, tmp_path):
    order = {"s00": "test", "s01": "train", "s02": "valid", "s03": "train", "s04": "train"}
    given_splits = [replace(clip, split=order[clip.session]) for clip in footage[1]]
    clipset = build(footage, tmp_path, given_splits)
    assert {item.session: item.split for item in clipset.items} == order

    leaking = [replace(given_splits[0], split="train"), *given_splits[1:]]
    with pytest.raises(DatasetError, match="share their session"):
        build(footage, tmp_path, leaking)
    with pytest.raises(DatasetError, match="some labelled clips have a split"):
        build(footage, tmp_path, [replace(given_splits[0], split=None), *given_splits[1:]])


@pytest.mark.parametrize("shared", ["session", "source", "fingerprint"])
def test_leakage_is_found(shared):
    values = {"session": "s", "source": "v", "fingerprint": "f"}
    items = [
        Item(
            clip_id=f"c{n}",
            split=split,
            label="left",
            **{k: v if k == shared else f"{v}{n}" for k, v in values.items()},
        )
        for n, split in enumerate(("train", "test"))
    ]
    with pytest.raises(DatasetError, match="'c0' \\(train\\) and 'c1' \\(test\\)"):
        check_leakage(items)
    check_leakage([items[0], replace(items[1], split="predict")])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"clips": 6}, "2 separable session"),
        ({"classes": ("left", "right")}, "'none' is no class"),
        ({"fractions": (0.5, 0.5, 0.5)}, "add up to 1"),
        ({"twice": True}, "used twice"),
    ],
)
def test_what_cannot_be_a_dataset_says_why(footage, tmp_path, change, problem):
    clips = footage[1][: change.pop("clips", None)]
    clips = clips + clips[:1] if change.pop("twice", False) else clips
    with pytest.raises(DatasetError, match=problem):
        build(footage, tmp_path, clips, **change)


@pytest.mark.parametrize("damage", ["absent", "meta", "rows", "label"])
def test_damaged_datasets_are_refused(footage, tmp_path, damage):
    folder = build(footage, tmp_path).folder
    if damage == "absent":
        (folder / "frames.npy").unlink()
    elif damage == "meta":
        (folder / "dataset_meta.json").write_text("[]")
    elif damage == "rows":
        lines = (folder / "items.csv").read_text().splitlines()
        (folder / "items.csv").write_text("\n".join(lines[:-1]))
    else:
        text = (folder / "items.csv").read_text()
        (folder / "items.csv").write_text(text.replace(",left,", ",right,", 1))
    with pytest.raises(DatasetError, match="build"):
        load_clipset(folder)


# (session, label) per clip
clip_lists = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("xyz")), min_size=3, max_size=60
).filter(lambda rows: len({session for session, _ in rows}) >= 3)


@settings(max_examples=40)
@given(clip_lists, st.integers(0, 5))
def test_any_split_keeps_sessions_whole_and_every_part_filled(rows, seed):
    sessions, labels = zip(*rows, strict=True)
    try:
        split_of = split_sessions(sessions, labels, seed=seed)
    except DatasetError:
        # Only where classes are filmed in too few sessions to fit into train together.
        assert min(len({s for s, own in rows if own == label}) for label in labels) <= 2
        return
    assert set(split_of) == set(sessions)
    assert set(split_of.values()) == set(SPLITS)
    trained = {label for session, label in rows if split_of[session] == "train"}
    assert trained == set(labels)
    assert split_of == split_sessions(sessions, labels, seed=seed)


def test_split_balances_classes_that_sessions_hold_unevenly():
    rng = np.random.default_rng(0)
    sessions, labels = [], []
    for session in range(24):
        for label in "wxyz":
            count = rng.integers(0, 9)
            sessions += [f"s{session}"] * count
            labels += [label] * count
    split_of = split_sessions(sessions, labels, seed=1)
    for label in "wxyz":
        mine = [split_of[s] for s, own in zip(sessions, labels, strict=True) if own == label]
        shares = [mine.count(split) / len(mine) for split in SPLITS]
        assert shares == pytest.approx([0.6, 0.2, 0.2], abs=0.06)


def test_a_class_filmed_once_cannot_be_split():
    with pytest.raises(DatasetError, match="2 separable session"):
        split_sessions(["a", "b"], ["x", "y"])
    with pytest.raises(DatasetError, match="every class"):
        split_sessions(["a", "b", "c"], ["x", "y", "z"])


@settings(max_examples=40)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), st.integers(0, 9))
def test_balanced_order_shows_classes_equally_and_repeats_late(targets, seed):
    order = balanced_order(np.array(targets), np.random.default_rng(seed))
    assert len(order) == len(targets)
    counts = [np.array(targets)[order].tolist().count(name) for name in set(targets)]
    assert max(counts) - min(counts) <= 1
    for name in set(targets):
        shown = [clip for clip in order.tolist() if targets[clip] == name]
        times = [shown.count(c) for c in range(len(targets)) if targets[c] == name]
        assert max(times) - min(times) <= 1


@pytest.mark.parametrize(("clips", "batch_size"), [(33, 16), (5, 16), (16, 16), (100, 7)])
def test_epochs_are_seeded_and_their_batches_of_one_size(clips, batch_size):
    targets = np.arange(clips) % 3
    epochs = [
        epoch_draws(targets, batch_size, balance=True, seed=0, epoch=number) for number in (1, 1, 2)
    ]
    assert epochs[0] == epochs[1]
    assert epochs[0] != epochs[2]
    sizes = [len(batch) for batch in epochs[0]]
    assert max(sizes) - min(sizes) <= 1
    assert [place for batch in epochs[0] for place, _ in batch] == list(range(clips))


def test_plain_view_is_even_in_time_and_central_in_space():
    frames = np.arange(16, dtype=np.uint8)[:, None, None, None] * np.ones((1, 36, 42, 3), np.uint8)
    frames[:, 18, 21] = 200
    view = plain_view(frames, 4, (32, 32))
    assert view.shape == (4, 32, 32, 3)
    assert view[:, 0, 0, 0].tolist() == [2, 6, 10, 14]
    assert (view[:, 16, 16] == 200).all()


def test_small_frames_are_enlarged_for_a_large_network():
    frames = np.random.default_rng(0).integers(0, 255, (4, 20, 30, 3), dtype=np.uint8)
    assert plain_view(frames, 8, (64, 48)).shape == (8, 48, 64, 3)
    view = varied_view(frames, 8, (64, 48), Augmentation(), np.random.default_rng(0))
    assert view.shape == (8, 48, 64, 3)


PLAIN_CROPS = Augmentation(
    zoom=(1, 1), rotate_deg=0, span=(1, 1), jitter=0, gain=(1, 1), offset=0, swap_colours=0
)
ALL_ON = Augmentation(blur=1, downscale=1, jpeg=1, swap_colours=1)


@pytest.mark.parametrize("augmentation", [Augmentation(), PLAIN_CROPS, ALL_ON])
def test_varied_views_depend_on_the_seed_alone(augmentation):
    frames = np.random.default_rng(0).integers(0, 255, (16, 36, 42, 3), dtype=np.uint8)
    one, same, other = (
        varied_view(frames, 8, (32, 32), augmentation, np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert one.shape == (8, 32, 32, 3)
    assert one.dtype == np.uint8
    assert (one != other).any()


@settings(max_examples=60)
@given(st.integers(0, 10_000))
def test_time_never_runs_backwards_in_a_view(seed):
    frames = (np.arange(16, dtype=np.uint8) * 10)[:, None, None, None]
    frames = frames * np.ones((1, 24, 24, 3), np.uint8)
    quiet = replace(PLAIN_CROPS, span=(0.8, 1.0), jitter=0.25)
    shown = varied_view(frames, 8, (24, 24), quiet, np.random.default_rng(seed))[:, 12, 12, 0]
    steps = np.diff(shown.astype(int))
    assert (steps >= 0).all()
    assert shown[-1] - shown[0] >= 100


def test_mirroring_turns_left_into_right():
    frames = np.zeros((4, 24, 24, 3), np.uint8)
    frames[:, :, :8] = 250
    mirrored = varied_view(
        frames, 4, (24, 24), replace(PLAIN_CROPS, flip=1, shift=0), np.random.default_rng(0)
    )
    np.testing.assert_array_equal(mirrored, frames[:, :, ::-1])
    kept = varied_view(
        frames, 4, (24, 24), replace(PLAIN_CROPS, flip=0, shift=0), np.random.default_rng(0)
    )
    np.testing.assert_array_equal(kept, frames)


def test_blur_smears_along_a_line_and_keeps_the_light():
    frames = np.zeros((2, 65, 65, 3), np.uint8)
    frames[:, 32, 32] = 255
    smeared = varied_view(
        frames,
        2,
        (65, 65),
        replace(PLAIN_CROPS, flip=0, shift=0, blur=1, blur_length=(0.1, 0.1)),
        np.random.default_rng(3),
    )
    assert 4 <= (smeared[0, ..., 0] > 8).sum() <= 16  # 6.5 pixels long
    assert smeared[0, ..., 0].sum() == pytest.approx(255, abs=12)
