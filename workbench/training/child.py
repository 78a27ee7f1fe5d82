"""Training in processes of its own: for several GPUs, and for kernels that must stay usable.

A notebook's kernel cannot become one of several processes. So it runs this module, under
`torchrun` where there are to be several, or in Ray Train's workers where the engine is a cluster
(`ray_workers`), and reads one JSON line per step and epoch from it.
"""

import contextlib
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Unpack

from workbench.engines.each import ENGINE_VARIABLE
from workbench.errors import WorkbenchError
from workbench.training.history import Callbacks, Epoch, Step

_MOST_SAID = 500  # characters of the line that says why it failed
_ERROR_LINE = re.compile(
    r"(\[rank\d+\]:\s*)?[\w.]*(Error|Exception|Interrupt)\b"
)  # torchrun adds more
_FAREWELL_S = 10.0  # for torchrun to end its processes, which are no children of ours
_TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc-per-node")
_RAY_WORKERS = "workbench.training.ray_workers"


def run_in_child(
    function: Callable[..., Any],
    *arguments: Any,
    processes: int = 1,
    **callbacks: Unpack[Callbacks],
) -> None:
    """Call `function(*arguments, on_step=…, on_epoch=…)` elsewhere, and the callbacks here.

    If a callback raises, or the kernel is interrupted, the processes are ended.

    Args:
        function: Of a module that can be imported; it and its arguments are pickled.
        *arguments: What it takes.
        processes: How many call it at the same time; several find each other by `torchrun`, or
            by Ray Train where WORKBENCH_ENGINE names a cluster.
        **callbacks: See `Callbacks`.

    Raises:
        WorkbenchError: If the call fails, with the line that says why.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as errors:
        call = Path(folder) / "call.pickle"
        call.write_bytes(pickle.dumps((function, arguments)))
        child = subprocess.Popen(
            [sys.executable, "-m", *_launcher(processes), str(call)],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        assert child.stdout is not None
        try:
            for line in child.stdout:
                _tell(line, callbacks)
        except BaseException:
            _end(child, gently=processes > 1)
            raise
        finally:
            code = child.wait()
        if code:  # it had no time to say why
            errors.seek(0)
            raise _failure(_reason(errors.read()) or f"code {code}")


def _launcher(processes: int) -> list[str]:
    own = "workbench.training.child"
    if processes == 1:
        return [own]
    if os.environ.get(ENGINE_VARIABLE, "").startswith("ray"):
        return [_RAY_WORKERS, str(processes)]
    return [*_TORCHRUN, str(processes), "-m", own]


def _end(child: "subprocess.Popen[str]", *, gently: bool) -> None:
    if gently:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_FAREWELL_S)
            return
    os.killpg(child.pid, signal.SIGKILL)


def _reason(said: str) -> str:
    """The line of what processes wrote to stderr that names the first error, else the last line."""
    errors = [line for line in said.splitlines() if _ERROR_LINE.match(line)]
    lines = [line for line in said.splitlines() if any(map(str.isalpha, line))]
    return (errors[:1] or lines[-1:] or [""])[0].strip()[:_MOST_SAID]


def _failure(reason: str) -> WorkbenchError:
    return WorkbenchError(
        f"training in a process of its own failed ({reason})",
        "set devices to 1 to see the whole error",
    )


def _tell(line: str, callbacks: Callbacks) -> None:
    try:
        said: Any = json.loads(line)
    except ValueError:
        return  # a library that prints
    if not isinstance(said, dict):
        return
    if "error" in said:
        raise WorkbenchError(*said["error"])
    if "step" in said and "on_step" in callbacks:
        callbacks["on_step"](Step(**said["step"]))
    if "epoch" in said and "on_epoch" in callbacks:
        callbacks["on_epoch"](Epoch(**said["epoch"]))


def call_function(call: bytes, say: Callable[[str, Any], None]) -> None:
    """Call the pickled function with its arguments; `say` is told of steps, epochs and an error."""
    function, arguments = pickle.loads(call)
    try:
        function(
            *arguments,
            on_step=lambda step: say("step", asdict(step)),
            on_epoch=lambda epoch: say("epoch", asdict(epoch)),
        )
    except WorkbenchError as error:
        say("error", error.args)
        raise
    except Exception as error:
        reason = str(error).partition("\n")[0]
        say("error", _failure(f"{type(error).__name__}: {reason}").args)
        raise


def say_aloud(kind: str, what: Any) -> None:
    """Write a line that `run_in_child` reads."""
    # In one piece: several processes write to the same pipe.
    sys.stdout.write(json.dumps({kind: what}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    call_function(Path(sys.argv[1]).read_bytes(), say_aloud)
