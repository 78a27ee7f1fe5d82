"""Where and how exactly to compute: device, precision, threads, random state.

Knows torch and the machine; knows nothing about networks or data. A GPU is a matter of these
switches, never of other code.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from workbench.errors import WorkbenchError


def choose_device(name: str = "auto") -> torch.device:
    """Return the device called `name`; "auto" takes a GPU where there is one.

    Raises:
        WorkbenchError: If torch has no such device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise WorkbenchError(
            f"device {name!r} cannot be used ({str(error).splitlines()[0]})",
            "say auto, cpu, cuda, cuda:1 or mps",
        ) from None
    return device


def choose_precision(amp: str, device: torch.device) -> str:
    """Return "fp32", "bf16" or "fp16" for the switch "auto", "off", "bf16" or "fp16".

    "auto" takes bf16 where the hardware multiplies it, on a GPU else fp16. A CPU that only emulates
    bf16 is slower with it than with fp32.

    Raises:
        WorkbenchError: If the switch has another value.
    """
    if amp == "off":
        return "fp32"
    if amp in ("bf16", "fp16"):
        return amp
    if amp != "auto":
        raise WorkbenchError(f"amp {amp!r}", "say auto, off, bf16 or fp16")
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return "bf16" if native else "fp16"
    if device.type == "cpu":
        asks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # absent in some versions
        return "bf16" if any(getattr(torch.cpu, ask, bool)() for ask in asks) else "fp32"
    return "fp32"


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Return the context in which forward passes run at `precision`."""
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    return torch.autocast(device.type, dtype=dtype, enabled=dtype is not None)


@contextmanager
def inference(precision: str, device: torch.device) -> Iterator[None]:
    """Run networks inside the block: no gradients, at `precision`."""
    with torch.inference_mode(), autocast(precision, device):
        yield


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use `count` CPU threads inside the block.

    One is the right number wherever cores are shared: on a busy machine of two cores a training
    step took 244 ms with one thread and 3,920 ms with two, which spend their time waiting for each
    other. On cores of your own, as many threads as cores.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def one_seed(*parts: int) -> int:
    """Return one seed made of several numbers, such as a run's seed, the epoch and the step."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


def seed_all(*parts: int) -> None:
    """Seed torch, NumPy and Python from several numbers.

    An epoch or step that is seeded so draws the same in a resumed run: no generator's state needs
    saving.
    """
    seed = one_seed(*parts)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
