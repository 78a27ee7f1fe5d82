"""Training in the workers of Ray Train: the processes that `torchrun` would start, on a cluster.

`python -m workbench.training.ray_workers PROCESSES CALL` is what `child` runs where the engine is a
Ray cluster. It knows nothing about networks: a worker calls the pickled function as each process of
`torchrun` does, with the same ranks, and so comes to the same weights.
"""

import os
import sys
import threading
from pathlib import Path
from typing import Any

import torch

from workbench.engines.each import make_engine
from workbench.training.child import call_function, say_aloud

_LAUNCHED = "TORCHELASTIC_RUN_ID"  # its presence tells Fabric that others start the processes


def fit(call: Path, processes: int) -> None:
    """Call the pickled function in so many workers at the same time, and say what they tell.

    Each has a GPU where the cluster has any, else a core. The package and the files are on every
    node, as for all work on a cluster (`docs/scale.md`).

    Raises:
        EngineError: If there is no cluster.
    """
    os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"  # paths in the call are relative to this folder
    engine: Any = make_engine()
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer
    from ray.util.queue import Queue

    heard = Queue(actor_options={"num_cpus": 0})
    told = threading.Thread(target=_pass_on, args=(heard,), daemon=True)
    told.start()
    has_gpus = engine.resources().get("GPU", 0) > 0
    trainer = TorchTrainer(
        _work,
        train_loop_config={"call": call.read_bytes(), "folder": str(Path.cwd()), "heard": heard},
        scaling_config=ScalingConfig(num_workers=processes, use_gpu=has_gpus),
        run_config=RunConfig(name="ray", storage_path=str(call.parent)),
    )
    try:
        trainer.fit()
    finally:
        heard.put(None)
        told.join()


def _pass_on(heard: Any) -> None:
    while (said := heard.get()) is not None:
        say_aloud(*said)


def _work(settings: dict[str, Any]) -> None:
    os.environ[_LAUNCHED] = "ray"
    os.chdir(settings["folder"])
    call_function(settings["call"], lambda kind, what: settings["heard"].put((kind, what)))


if __name__ == "__main__":
    torch.set_num_threads(1)
    fit(Path(sys.argv[2]), int(sys.argv[1]))
