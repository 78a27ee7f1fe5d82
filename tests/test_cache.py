"""The frame cache: the same pixels as reading, once; by content; safe under damage and company."""

import subprocess
import sys

import numpy as np
import pytest
from videos import flip_bits, make_video, numbered_image, read_numbers

from workbench.errors import FootageError
from workbench.footage import cache as cache_module
from workbench.footage.cache import cached_frames
from workbench.footage.frames import PartialReadError, sample_frames
from workbench.footage.writer import VideoWriter

WANTED = [5, 0, 29, 5]
SIZE = (40, 24)


@pytest.fixture
def video(tmp_path):
    return make_video(tmp_path / "a.mp4", 30)


@pytest.fixture
def reads(monkeypatch):
    """Count how often frames are really decoded."""
    counted = []

    def counting(*arguments):
        counted.append(arguments)
        return sample_frames(*arguments)

    monkeypatch.setattr(cache_module, "sample_frames", counting)
    return counted


def test_cached_frames_are_the_frames(video, tmp_path, reads):
    for _ in range(3):
        images = cached_frames(video, WANTED, SIZE, tmp_path / "cache")
        assert np.array_equal(images, sample_frames(video, WANTED, SIZE))
    assert len(reads) == 1
    assert isinstance(images, np.memmap)
    assert not images.flags.writeable


def test_what_counts_as_the_same(video, tmp_path, reads):
    cache = tmp_path / "cache"
    cached_frames(video, WANTED, SIZE, cache)
    moved = video.rename(tmp_path / "moved.mp4")
    cached_frames(moved, np.array(WANTED), SIZE, str(cache))
    assert len(reads) == 1  # another name, another type
    cached_frames(moved, WANTED[::-1], SIZE, cache)
    cached_frames(moved, WANTED, (24, 24), cache)
    assert len(reads) == 3
    with VideoWriter(moved, (160, 96), 30) as other:
        for number in range(30):
            other.write(numbered_image(number + 100, (160, 96)))
    assert read_numbers(cached_frames(moved, WANTED, SIZE, cache)) == [105, 100, 129, 105]
    assert len(reads) == 4


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: entry.write_bytes(b""),
        lambda entry: entry.write_bytes(b"not an array at all"),
        lambda entry: entry.write_bytes(entry.read_bytes()[:-100]),
        lambda entry: np.save(entry, np.zeros((2, 2))),
        lambda entry: np.save(entry, np.array([{"a": 1}], dtype=object)),
    ],
)
def test_a_damaged_entry_is_made_anew(video, tmp_path, reads, damage):
    cache = tmp_path / "cache"
    before = np.array(cached_frames(video, WANTED, SIZE, cache))
    (entry,) = cache.rglob("*.npy")
    damage(entry)
    for _ in range(2):
        assert np.array_equal(cached_frames(video, WANTED, SIZE, cache), before)
    assert len(reads) == 2


def test_processes_share_a_cache(video, tmp_path):
    code = """
import sys
from workbench.footage.cache import cached_frames
print(int(cached_frames(sys.argv[1], range(30), (40, 24), sys.argv[2]).sum()))
"""
    command = [sys.executable, "-c", code, str(video), str(tmp_path / "cache")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    sums = {int(process.communicate(timeout=60)[0]) for process in started}
    assert sums == {int(sample_frames(video, range(30), SIZE).sum())}
    assert len([path for path in (tmp_path / "cache").rglob("*") if path.is_file()]) == 1


def test_lost_frames_are_not_cached(tmp_path):
    whole = make_video(tmp_path / "whole.mp4", 120, options={"g": "30", "bf": "3"})
    broken = flip_bits(whole, tmp_path / "broken.mp4", seed=0, flips=60, first=0.4, last=0.5)
    with pytest.raises(PartialReadError):
        cached_frames(broken, range(120), SIZE, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_errors_have_a_remedy(video, tmp_path):
    with pytest.raises(FootageError, match="cannot be read"):
        cached_frames(tmp_path / "absent.mp4", [0], SIZE, tmp_path / "cache")
    (tmp_path / "taken").write_text("a file where the cache should go")
    with pytest.raises(FootageError, match="cannot write the frame cache"):
        cached_frames(video, [0], SIZE, tmp_path / "taken")
