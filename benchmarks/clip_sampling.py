"""Sixteen uniform frames of a clip at 112×112: ours against OpenCV, plain PyAV and torchcodec.

The same clips, frames and size for everyone, turn by turn in one run, one thread each. CPU time,
since other work on the machine stretches the clock but hardly that. Being fast is worth nothing
with the wrong frames, so every image is also checked: made clips carry their frame number in a
barcode; of real footage (--footage) each image is compared with all frames of a plain decode.

    python benchmarks/clip_sampling.py                      # makes its own clips, about a minute
    python benchmarks/clip_sampling.py --footage DIR        # your videos instead
    python benchmarks/clip_sampling.py --only ours opencv   # methods whose name starts so

How to read the table: `ratio` is a method's CPU time over ours on a file seen for the first time;
above 1 is slower than ours. `wrong` counts frames that are not the ones asked for, `failed` videos
that raised an error. `decode only` keeps nothing: no method that decodes in software can beat it by
much. Ours remembers where a file's frames are while the process lives; that is the second row.
"""

import argparse
import importlib.util
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.errors import FootageError
from workbench.footage.frames import iter_frames, sample_frames, uniform_indices
from workbench.footage.ingest import find_videos
from workbench.footage.packets import forget_packets
from workbench.footage.video_info import probe
from workbench.footage.writer import VideoWriter

SIZE_WH = (112, 112)
Images = NDArray[np.uint8]
Method = Callable[[Path, Sequence[int]], Images]
Checker = Callable[[Images, Sequence[int]], int]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--footage", type=Path, metavar="DIR", help="videos to use instead")
    parser.add_argument("--frames", type=int, default=16, help="frames per clip (default: 16)")
    parser.add_argument("--rounds", type=int, default=5, help="timed turns each (default: 5)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="methods whose name starts so")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print(f"{platform.processor() or platform.machine()}, PyAV {av.__version__},", end=" ")
    print(f"OpenCV {cv2.__version__}, {options.frames} frames at {SIZE_WH[0]}×{SIZE_WH[1]}")
    methods = METHODS | _torchcodec()
    if options.only:
        methods = {name: m for name, m in methods.items() if name.startswith(tuple(options.only))}
    with tempfile.TemporaryDirectory() as folder:
        if options.footage:
            groups = {str(options.footage): _usable(options.footage)}
        else:
            groups = {
                f"3 s, 1280×720, a keyframe every {gop} frames": [
                    make_clip(Path(folder) / f"{gop}.mp4", gop)
                ]
                for gop in (250, 30)
            }
        for title, paths in groups.items():
            print(f"\n{title}: {len(paths)} video{'s' if len(paths) > 1 else ''}")
            compare(methods, paths, options.frames, options.rounds, bool(options.footage))


def compare(
    methods: dict[str, Method], paths: list[Path], count: int, rounds: int, is_real: bool
) -> None:
    jobs = []
    for path in paths:
        wanted = uniform_indices(probe(path).frame_count, count).tolist()
        jobs.append((path, wanted, _nearest_frame(path) if is_real else _barcode))
    spent: dict[str, list[float]] = {name: [] for name in methods}
    wrong, failed = dict.fromkeys(methods, 0), dict.fromkeys(methods, 0)
    for turn in range(rounds + 1):  # the first warms up, and is checked
        for name, method in methods.items():
            total_s = 0.0
            for path, wanted, check in jobs:
                if not name.endswith("(known file)"):
                    forget_packets()
                start_s = time.process_time()
                try:
                    images = method(path, wanted)
                except (FootageError, RuntimeError, ValueError, av.error.FFmpegError):
                    failed[name] += turn == 0
                    continue
                finally:
                    total_s += time.process_time() - start_s
                if turn == 0 and len(images):
                    wrong[name] += check(images, wanted)
            if turn:
                spent[name].append(total_s / len(jobs))
    ours_s = statistics.median(spent["ours"]) if "ours" in spent else None
    print(f"{'':34}{'CPU ms/clip':>12}{'ratio':>8}{'wrong':>12}{'failed':>8}")
    for name in methods:
        median_s = statistics.median(spent[name])
        ratio = f"{median_s / ours_s:7.2f}×" if ours_s else f"{'–':>8}"
        wrong_of = "–" if name == "decode only" else f"{wrong[name]} of {count * len(jobs)}"
        print(f"{name:34}{1e3 * median_s:12.0f}{ratio}{wrong_of:>12}{failed[name]:8}")


# --- the methods ----------------------------------------------------------------------------------


def ours(path: Path, wanted: Sequence[int]) -> Images:
    return sample_frames(path, wanted, SIZE_WH)


def opencv_sequential(path: Path, wanted: Sequence[int]) -> Images:
    capture = _capture(path)
    images = {}
    for index in range(max(wanted) + 1):
        if not capture.grab():
            raise ValueError(f"no frame {index}")
        if index in wanted:
            images[index] = _rgb(capture.retrieve()[1])
    return np.stack([images[index] for index in wanted])


def opencv_seek(path: Path, wanted: Sequence[int]) -> Images:
    capture = _capture(path)
    images = []
    for index in wanted:
        capture.set(cv2.CAP_PROP_POS_FRAMES, index)
        found, image = capture.read()
        if not found:
            raise ValueError(f"no frame {index}")
        images.append(_rgb(image))
    return np.stack(images)


def pyav_naive(path: Path, wanted: Sequence[int]) -> Images:
    """Everything to RGB, then pick and resize: the loop most notebooks hold."""
    with _open(path) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return np.stack([_small(frames[index]) for index in wanted])


def pyav_seek(path: Path, wanted: Sequence[int]) -> Images:
    """For each frame to the keyframe before index / fps, and on from there."""
    images = []
    with _open(path) as container:
        stream = container.streams.video[0]
        for index in wanted:
            due_s = index / stream.average_rate
            container.seek(round(due_s / stream.time_base), stream=stream)
            for frame in container.decode(stream):
                if frame.time is not None and frame.time >= due_s - 1e-3:
                    images.append(_small(frame.to_ndarray(format="rgb24")))
                    break
    if len(images) < len(wanted):
        raise ValueError("ran out of frames")
    return np.stack(images)


def decode_only(path: Path, wanted: Sequence[int]) -> Images:
    with _open(path) as container:
        for number, _ in enumerate(container.decode(video=0)):
            if number == max(wanted):
                break
    return np.empty((0, 0, 0, 3), np.uint8)


METHODS: dict[str, Method] = {
    "ours": ours,
    "ours (known file)": ours,
    "opencv, grab on": opencv_sequential,
    "opencv, seek to each": opencv_seek,
    "pyav, all to RGB then resize": pyav_naive,
    "pyav, seek to each": pyav_seek,
    "decode only": decode_only,
}


def _torchcodec() -> dict[str, Method]:
    """Torchcodec's exact and approximate modes, if it is there and really decodes."""
    if importlib.util.find_spec("torchcodec") is None:
        print("torchcodec: left out, not installed")
        return {}
    try:
        from torchcodec.decoders import VideoDecoder
        from torchcodec.transforms import Resize

        def method(mode: str) -> Method:
            def sample(path: Path, wanted: Sequence[int]) -> Images:
                decoder = VideoDecoder(
                    str(path),
                    seek_mode=mode,
                    num_ffmpeg_threads=1,
                    transforms=[Resize(SIZE_WH[::-1])],
                )
                frames = decoder.get_frames_at(list(wanted)).data
                return np.asarray(frames.permute(0, 2, 3, 1).numpy())

            return sample

        with tempfile.TemporaryDirectory() as folder:  # importing it is no proof
            method("exact")(make_clip(Path(folder) / "try.mp4", 250, count=2), [0, 1])
    except Exception as error:
        print(f"torchcodec: left out, it cannot decode here ({str(error).splitlines()[0]})")
        return {}
    return {f"torchcodec, {mode}": method(mode) for mode in ("exact", "approximate")}


def _open(path: Path) -> av.container.InputContainer:
    container = av.open(str(path))
    container.streams.video[0].codec_context.thread_count = 1
    container.streams.video[0].codec_context.thread_type = "NONE"
    return container


def _capture(path: Path) -> cv2.VideoCapture:
    return cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])


def _rgb(image: Images) -> Images:
    return np.asarray(cv2.cvtColor(_small(image), cv2.COLOR_BGR2RGB), np.uint8)


def _small(image: Images) -> Images:
    return np.asarray(cv2.resize(image, SIZE_WH, interpolation=cv2.INTER_AREA), np.uint8)


# --- the clips, and which frame an image shows ----------------------------------------------------

BITS, ROWS = 12, 3  # the barcode: 4 × 3 fields, bright for 1


def make_clip(path: Path, keyframe_every: int, count: int = 90) -> Path:
    """Three seconds of 720p: moving shapes, sensor noise, and the frame number as a barcode."""
    rng = np.random.default_rng(0)
    place, speed = rng.uniform(0, 600, (12, 2)), rng.uniform(-9, 9, (12, 2))
    ground = cv2.GaussianBlur(rng.integers(40, 200, (720, 1280, 3)).astype(np.uint8), (0, 0), 9)
    colours = rng.integers(0, 256, (12, 3)).tolist()
    noise = rng.normal(0, 4, (720, 1280, 3)).astype(np.int16)
    with VideoWriter(
        path, (1280, 720), Fraction(30), crf=23, keyframe_every=keyframe_every
    ) as video:
        for number in range(count):
            image = ground.copy()
            for shape, (x, y) in enumerate((place + number * speed) % (1280, 720)):
                cv2.circle(image, (int(x), int(y)), 20 + 6 * shape, colours[shape], -1)
            # Rolled, so that no frame's noise predicts the next one's.
            image = np.clip(image + np.roll(noise, 977 * number), 0, 255).astype(np.uint8)
            bits = ((number >> np.arange(BITS)) & 1).reshape(ROWS, -1).astype(np.uint8)
            image[-180:, -240:] = np.kron(bits * 200 + 25, np.ones((60, 60), np.uint8))[..., None]
            video.write(image)
    return path


def _barcode(images: Images, wanted: Sequence[int]) -> int:
    height, width = images.shape[1:3]
    fields = images[:, height * 3 // 4 :, width * 13 // 16 :].mean(3)
    rows = ((np.arange(ROWS) + 0.5) * fields.shape[1] / ROWS).astype(int)
    columns = ((np.arange(BITS // ROWS) + 0.5) * fields.shape[2] / (BITS // ROWS)).astype(int)
    bits = fields[:, rows][:, :, columns].reshape(len(images), -1) > 128
    return int(((bits << np.arange(BITS)).sum(1) != np.array(wanted)).sum())


def _nearest_frame(path: Path) -> Checker:
    """Count images that look more like another frame than like the one asked for."""
    frames = np.stack([frame.image for frame in iter_frames(path, size_wh=SIZE_WH)])

    def check(images: Images, wanted: Sequence[int]) -> int:
        wrong = 0
        for image, index in zip(images, wanted, strict=True):
            near = slice(max(0, index - 30), index + 31)  # bounds the work; shifts are small
            distance = np.abs(frames[near].astype(np.int16) - image).mean((1, 2, 3))
            own = distance[index - near.start]
            # Still scenes repeat themselves: only a clearly better match is another frame. And a
            # picture far from its own is not upright or not this video's at all.
            wrong += bool(own > 12 or (own > 1.5 and distance.min() < 0.8 * own))
        return wrong

    return check


def _usable(folder: Path) -> list[Path]:
    paths = []
    for path in find_videos(folder):
        try:
            lost = probe(path, decode=True).frames_lost
        except FootageError as error:
            print(f"left out: {error.problem}")
            continue
        if lost:
            print(f"left out: {path} has {len(lost)} frames that cannot be decoded")
        else:
            paths.append(path)
    if not paths:
        raise SystemExit(f"no readable video in {folder}")
    return paths


if __name__ == "__main__":
    main()
