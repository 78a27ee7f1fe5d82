"""Damaged headers, packets and times: a video is read, in part or whole, or refused in a line."""

from pathlib import Path

import pytest
from damaged_videos import damage, make_whole, use

SEEDS_EACH = 10


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_whole(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("part", range(4))
def test_damage_anywhere_ends_in_frames_or_in_a_line(whole, tmp_path, part):
    for seed in range(part * SEEDS_EACH, (part + 1) * SEEDS_EACH):
        folder = tmp_path / str(seed)
        (folder / "in").mkdir(parents=True)
        use(damage(whole, folder / "in", seed), folder)


def test_whole_videos_are_not_refused(whole, tmp_path):
    refused = {}
    for number, path in enumerate(whole):
        folder = tmp_path / str(number)
        (folder / "in").mkdir(parents=True)
        copy = folder / "in" / path.name
        copy.write_bytes(path.read_bytes())
        refused[path.name] = use(copy, folder).partition(":")[0]
    may_be_copied = {name for name, what in refused.items() if not what}
    assert set(refused.values()) == {"", "copy"}
    assert may_be_copied >= {"plain.mp4", "fragments.mp4", "plain.mov", "b.mkv", "odd.mkv"}
    assert may_be_copied >= {"web.webm", "card.ts", "web.flv"}
