"""The training itself: one claimed run, in the process that asks, until it is finished.

rfdetr's Lightning modules train; `keeper` decides what is kept and when to stop. What a run is and
whether it may start is the business of `train`.
"""

import io
from contextlib import redirect_stdout
from pathlib import Path

from workbench.detect.dataset.coco import ANNOTATIONS
from workbench.detect.dataset.coco_file import read_json
from workbench.detect.student.checkpoint import LAST, run_config
from workbench.detect.student.history import OnEpoch, OnStep
from workbench.detect.student.recipe import FinetuneConfig, to_rfdetr
from workbench.detect.student.variants import StudentError, model_config, quiet, variant_named


def fit(
    dataset_dir: Path,
    run_dir: Path,
    config: FinetuneConfig,
    *,
    on_step: OnStep | None = None,
    on_epoch: OnEpoch | None = None,
) -> None:
    """Train in this process until the run that `train.finetune` has claimed is finished."""
    import torch

    from workbench.training.compute import torch_threads

    classes = tuple(run_config(run_dir)["classes"])
    with torch_threads(config.threads), torch.random.fork_rng(), quiet():
        from rfdetr.training import RFDETRModelModule

        from workbench.detect.student.keeper import Keeper, make_trainer
        from workbench.detect.student.order import OrderedData, seed_all

        seed_all(config.seed)  # of the weights that no checkpoint gives
        network = model_config(
            variant_named(config.variant),
            len(classes),
            resolution=config.resolution,
            weights=config.weights,
            device="cpu",  # Lightning moves it
        )
        settings = to_rfdetr(config, dataset_dir, run_dir, classes)
        try:
            module = RFDETRModelModule(network, settings)
        except OSError as error:  # what a failed download ends in
            raise StudentError(
                f"the weights {network.pretrain_weights} cannot be had ({error})",
                "download them elsewhere and give their path as weights",
            ) from None
        truth = read_json(dataset_dir / "valid" / ANNOTATIONS)
        keeper = Keeper(run_dir, config, truth, on_step=on_step, on_epoch=on_epoch)
        data = OrderedData(network, settings, config.seed)
        with redirect_stdout(io.StringIO()):  # pycocotools prints while it reads
            data.setup("fit")
        last = str(run_dir / LAST) if (run_dir / LAST).exists() else None
        make_trainer(settings, network, keeper).fit(module, data, ckpt_path=last)
