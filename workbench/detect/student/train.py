"""Fine-tuning a student on a COCO dataset, in a run folder that survives being killed.

The lite student's is `lite.finetuning`; the rest is rfdetr's. The unit is the epoch. rfdetr's
Lightning modules train, `keeper` decides what is kept and when to stop. A run killed at any moment
and started again goes on after its last whole epoch and ends, on a CPU, in the very weights it
would have had. Never looks at the test split.
"""

import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Unpack

from workbench.detect.dataset.coco import load_dataset
from workbench.detect.dataset.coco_file import read_json
from workbench.detect.lite.finetuning import LiteFinetune, finetune_lite, identity_for_lite
from workbench.detect.student.crops import split_file
from workbench.detect.student.recipe import (
    LITE_VARIANT,
    FinetuneConfig,
    StudentError,
    gpu_config,
    model_config,
    quiet,
    to_rfdetr,
    variant_named,
)
from workbench.training.child import run_in_child
from workbench.training.folder import SUMMARY, claim, identity_of, run_config, run_name
from workbench.training.history import Callbacks, TrainingResult, load_result


def finetune(
    dataset_dir: Path,
    run_dir: Path,
    config: FinetuneConfig | LiteFinetune | None = None,
    *,
    replay: Path | None = None,
    own_process: bool = False,
    **callbacks: Unpack[Callbacks],
) -> TrainingResult:
    """Train on the split "train", choose the epoch on "valid", keep everything in `run_dir`.

    Where `run_dir` holds an unfinished run of the same settings and data, it is finished; where it
    holds a finished one, that is returned. With `own_process`, and always on several GPUs, training
    runs in another process, which is killed if a callback raises or the kernel is interrupted. A
    lite student, the default, repeats the rendered pictures in the folder `replay`.

    Raises:
        DatasetError: If the dataset is incomplete.
        StudentError: If the settings cannot be met.
        WorkbenchError: If `run_dir` holds a run of other settings or data.

    Example:
        >>> result = finetune(Path("data/crops"), Path("data/models/tiny"))  # doctest: +SKIP
        >>> result.best.scores["ap ball"]  # doctest: +SKIP
        0.21
    """
    config = config or LiteFinetune()
    if isinstance(config, LiteFinetune):
        if own_process:
            run_in_child(finetune_lite, dataset_dir, replay, run_dir, config, **callbacks)
            return load_result(run_dir)
        return finetune_lite(dataset_dir, replay, run_dir, config, **callbacks)
    claim(run_dir, identity_for(dataset_dir, config))
    if not (run_dir / SUMMARY).exists():
        if own_process or config.devices > 1:
            run_in_child(fit, dataset_dir, run_dir, config, **callbacks)
        else:
            fit(dataset_dir, run_dir, config, **callbacks)
    return load_result(run_dir)


def config_for(variant: str, weights: str | None = None) -> FinetuneConfig | LiteFinetune:
    """Return the settings that a variant starts from: "lite", or one of rfdetr's.

    Weights are the path of a checkpoint; for rfdetr's own also "pretrained", or None: random; for
    the lite student None means those of the package.

    Raises:
        StudentError: If there is no such variant.
    """
    if variant == LITE_VARIANT:
        return LiteFinetune(weights=weights)
    variant_named(variant)
    return gpu_config(variant, weights=weights) if weights else FinetuneConfig(variant=variant)


def run_dir_for(
    models_dir: Path,
    dataset_dir: Path,
    config: FinetuneConfig | LiteFinetune,
    replay: Path | None = None,
) -> Path:
    """Folder of the run with these settings on these data: the same ones meet again and go on."""
    if isinstance(config, LiteFinetune):
        identity = identity_for_lite(dataset_dir, replay, config)
    else:
        identity = identity_for(dataset_dir, config)
    return models_dir / run_name(f"rfdetr-{config.variant}", identity)


def identity_for(dataset_dir: Path, config: FinetuneConfig) -> dict[str, Any]:
    """Return what a run on these data is; see `folder.identity_of`.

    Raises:
        DatasetError: If the dataset lacks a split.
        StudentError: If there is no such variant.
    """
    meta = load_dataset(dataset_dir).meta
    split_file(dataset_dir, "valid")  # one session must be left to validate on
    categories = read_json(split_file(dataset_dir, "train"))["categories"]
    return identity_of(
        config,
        dataset_version=meta["version"],
        classes=[row["name"] for row in sorted(categories, key=lambda row: row["id"])],
        masks=variant_named(config.variant).has_masks,
        tile_px=meta.get("crops_of", {}).get("recipe", {}).get("side_px"),
    )


def fit(
    dataset_dir: Path, run_dir: Path, config: FinetuneConfig, **callbacks: Unpack[Callbacks]
) -> None:
    """Train in this process until the run that `finetune` has claimed is finished."""
    import torch

    from workbench.training.compute import seed_all, torch_threads

    classes = tuple(run_config(run_dir)["classes"])
    with torch_threads(config.threads), torch.random.fork_rng(), quiet():
        from rfdetr.training import RFDETRModelModule

        from workbench.detect.student.keeper import LAST_STATE, Keeper, OrderedData, make_trainer

        seed_all(config.seed)  # of the weights that no checkpoint gives
        network = model_config(
            variant_named(config.variant),
            len(classes),
            resolution=config.resolution,
            weights=config.weights,
        )
        settings = to_rfdetr(config, dataset_dir, run_dir, classes)
        try:
            module = RFDETRModelModule(network, settings)
        except OSError as error:  # what a failed download ends in
            raise StudentError(
                f"the weights {network.pretrain_weights} cannot be had ({error})",
                "download them elsewhere and give their path as weights",
            ) from None
        truth = read_json(split_file(dataset_dir, "valid"))
        keeper = Keeper(run_dir, config, truth, callbacks)
        data = OrderedData(network, settings, config.seed)
        with redirect_stdout(io.StringIO()):  # pycocotools prints while it reads
            data.setup("fit")
        last = run_dir / LAST_STATE
        make_trainer(settings, network, keeper).fit(
            module, data, ckpt_path=str(last) if last.exists() else None
        )
