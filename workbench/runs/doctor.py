"""Checks of whether this machine can run the workbench, made by trying.

A finding is ok, warn (something is slower or missing that one may do without) or fail (a run would
break), with the remedy. Nothing is changed but for files written and removed again.
"""

import importlib
import platform
import re
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from workbench.runs.pipeline import Pipeline
from workbench.runs.provenance import find_lock

# Modules that every part needs.
PACKAGES = (
    *("av", "ipykernel", "jinja2", "jupyterlab", "matplotlib", "nbconvert", "numpy", "pandas"),
    *("papermill", "pycocotools", "sklearn", "scipy", "supervision", "torch", "torchvision"),
)
LOW_DISK_BYTES = 5_000_000_000
_PIN = re.compile(r"^[A-Za-z0-9][^\\\n]*==[^\\\n]*", re.M)


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    level: Literal["ok", "warn", "fail"]
    subject: str
    said: str
    remedy: str = ""


def examine(pipeline: Pipeline, out: Path) -> Iterator[Finding]:
    """Yield findings, the quick ones first."""
    data = pipeline.root / pipeline.data.partition("{")[0]
    yield Finding("ok", "python", f"{platform.python_version()}, {platform.platform()}")
    yield from _writable("data", data)
    yield from _writable("reports", out)
    yield from _disk(pipeline.root)
    yield from _lock(pipeline.root)
    yield from _one_cv2()
    yield from _packages()
    yield from _h264()
    yield from _devices()


def _packages() -> Iterator[Finding]:
    found, distributions = [], metadata.packages_distributions()
    for module in PACKAGES:
        name = distributions.get(module, [module])[0]
        try:
            importlib.import_module(module)
            found.append(f"{name} {metadata.version(name)}")
        except Exception as error:  # a broken package may raise anything while it is imported
            yield Finding("fail", name, f"{type(error).__name__}: {error}", "run `make setup`")
    yield Finding("ok", "packages", ", ".join(found))


def _one_cv2() -> Iterator[Finding]:
    """Several distributions install the folder cv2/ and overwrite one another's files."""
    owners = sorted(set(metadata.packages_distributions().get("cv2", [])))
    names = ", ".join(owners)
    if not owners:
        yield Finding("fail", "OpenCV", "no distribution owns cv2/", "run `make setup`")
    elif len(owners) > 1:
        remedy = f"uninstall {names}, then install opencv-python-headless alone"
        yield Finding("fail", "OpenCV", f"several distributions own cv2/: {names}", remedy)
    else:
        yield Finding("ok", "OpenCV", f"{names} {metadata.version(names)} alone owns cv2/")


def _h264() -> Iterator[Finding]:
    """Encode an image: a codec may be listed and still not open."""
    try:
        import numpy as np

        from workbench.footage.writer import VideoWriter

        with (
            tempfile.TemporaryDirectory() as folder,
            VideoWriter(Path(folder, "probe.mp4"), (64, 64), 30) as video,
        ):
            video.write(np.zeros((64, 64, 3), np.uint8))
    except Exception as error:  # whatever stops the encoder is the finding
        reason = f"libx264 does not encode ({type(error).__name__}: {error})"
        yield Finding("fail", "H.264", reason, "install the PyAV wheel from the lock")
        return
    yield Finding("ok", "H.264", f"libx264 encodes (PyAV {metadata.version('av')})")


def _devices() -> Iterator[Finding]:
    try:
        import torch
    except Exception as error:  # named under packages too
        yield Finding("fail", "device", f"torch: {error}", "run `make setup`")
        return
    said = f"CPU, {torch.get_num_threads()} threads, {_bf16_on_cpu()}"
    yield Finding("ok", "device", said)
    for index in range(torch.cuda.device_count()):
        with torch.cuda.device(index):
            bf16 = "bf16" if torch.cuda.is_bf16_supported() else "no bf16"
        memory_gb = torch.cuda.get_device_properties(index).total_memory / 1e9
        name = torch.cuda.get_device_name(index)
        yield Finding("ok", f"cuda:{index}", f"{name}, {memory_gb:.0f} GB, {bf16}")
    if torch.backends.mps.is_available():
        yield Finding("ok", "mps", "Apple GPU")
    elif torch.cuda.device_count() == 0:
        yield Finding(
            "warn", "GPU", "none: training and teachers use the CPU", "use small profiles"
        )


def _bf16_on_cpu() -> str:
    """PyTorch computes bf16 everywhere; whether the processor does decides if it is fast."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return "bf16 unknown"
    return "bf16 in hardware" if re.search(r"avx512_bf16|amx_bf16|\bbf16\b", flags) else "bf16 slow"


def _writable(subject: str, folder: Path) -> Iterator[Finding]:
    nearest = folder
    while not nearest.exists():
        nearest = nearest.parent
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        remedy = "make it writable, or choose another with --data or --out"
        yield Finding("fail", subject, f"{folder} cannot be written ({error.strerror})", remedy)
        return
    yield Finding("ok", subject, f"{folder} can be written")


def _disk(folder: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(folder).free
    said = f"{free / 1e9:.0f} GB free"
    if free < LOW_DISK_BYTES:
        yield Finding("warn", "disk", said, "make room, or choose another disk with --data")
    else:
        yield Finding("ok", "disk", said)


def _lock(root: Path) -> Iterator[Finding]:
    lock = find_lock(root)
    if lock is None:
        said = "there is no requirements.lock: runs are keyed by a few versions only"
        yield Finding("warn", "lock", said, "keep one beside pyproject.toml")
        return
    differing, same = defaultdict(list), 0
    for line in _PIN.findall(lock.read_text(encoding="utf-8")):
        pin = Requirement(line.strip())
        if pin.marker is not None and not pin.marker.evaluate():
            continue  # for another Python or another system
        name, pinned = pin.name, next(iter(pin.specifier)).version
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            differing["not installed"].append(name)
            continue
        # A local label (+cpu) says where a build came from, not what it is.
        if installed.partition("+")[0] == pinned.partition("+")[0]:
            same += 1
        else:
            differing["another version"].append(f"{name} {installed} instead of {pinned}")
    if differing.get("another version"):
        said = "; ".join(differing["another version"])
        yield Finding("warn", "lock", said, "run `make setup` for the tested versions")
    absent = differing.get("not installed", [])
    rest = f", {len(absent)} of it not installed here (extras)" if absent else ""
    yield Finding("ok", "lock", f"{same} packages as locked{rest}")
