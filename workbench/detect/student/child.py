"""Training in a process of its own: for several GPUs, and for kernels that must stay usable.

Lightning starts one process per GPU by running its program again, which a notebook's kernel cannot
survive. So the kernel runs this module, reads one JSON line per step and epoch from it, and the
module's process is the one that multiplies.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workbench.detect.student.fitting import fit
from workbench.detect.student.history import Epoch, OnEpoch, OnStep, Step
from workbench.detect.student.recipe import FinetuneConfig
from workbench.detect.student.variants import StudentError
from workbench.errors import WorkbenchError

_SAID_LAST = 2000  # characters of what it wrote to stderr, when it fails


def finetune_in_child(
    dataset_dir: Path,
    run_dir: Path,
    config: FinetuneConfig,
    *,
    on_step: OnStep | None = None,
    on_epoch: OnEpoch | None = None,
) -> None:
    """Do what `fitting.fit` does, in another process.

    Raises:
        StudentError: If that process fails, with the end of what it said.
    """
    command = [
        sys.executable,
        "-m",
        "workbench.detect.student.child",
        str(dataset_dir),
        str(run_dir),
    ]
    with tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(
            [*command, json.dumps(asdict(config))],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        assert child.stdout is not None
        try:
            for line in child.stdout:
                _tell(line, on_step, on_epoch)
        except BaseException:  # an interrupted kernel must not leave it, or its own, behind
            os.killpg(child.pid, signal.SIGKILL)
            raise
        finally:
            code = child.wait()
        if code:
            errors.seek(0)
            said = errors.read()[-_SAID_LAST:].strip().splitlines()
            raise StudentError(
                f"training in a process of its own failed ({said[-1] if said else code})",
                "set devices to 1 to see the whole error",
            )


def _tell(line: str, on_step: OnStep | None, on_epoch: OnEpoch | None) -> None:
    try:
        said: Any = json.loads(line)
    except ValueError:
        return  # a library that prints
    if not isinstance(said, dict):
        return
    if "step" in said and on_step is not None:
        on_step(Step(**said["step"]))
    if "epoch" in said and on_epoch is not None:
        on_epoch(Epoch(**said["epoch"]))


def _main(dataset_dir: str, run_dir: str, config: str) -> None:
    def say(kind: str, what: Step | Epoch) -> None:
        print(json.dumps({kind: asdict(what)}), flush=True)

    fit(
        Path(dataset_dir),
        Path(run_dir),
        FinetuneConfig(**json.loads(config)),
        on_step=lambda step: say("step", step),
        on_epoch=lambda epoch: say("epoch", epoch),
    )


if __name__ == "__main__":
    try:
        _main(*sys.argv[1:])
    except WorkbenchError as error:
        sys.exit(str(error))
