"""A pretrained transformers model on its device: found, loaded, and run at its precision.

Knows transformers and torch; knows nothing about what a model is for. A GPU is a matter of the
switches `device` and `amp`, never of other code.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.detect.teacher import TeacherError
from workbench.detect.teachers.weights import find_weights, weights_identity

if TYPE_CHECKING:
    import torch


class Pretrained:
    """Weights, device and precision of one model; nothing is loaded before it is needed.

    Args:
        weights: Local folder or hub id.
        device: "auto", "cpu", "cuda".
        amp: "auto", "off", "bf16", "fp16".

    Raises:
        TeacherError: If the weights are missing.
    """

    def __init__(self, weights: str | Path, device: str = "auto", amp: str = "auto") -> None:
        self.folder = find_weights(weights)
        self._device_name, self._amp = device, amp

    @cached_property
    def identity(self) -> str:
        """Changes when the weights do."""
        return weights_identity(self.folder)

    @cached_property
    def device(self) -> "torch.device":
        """Where the model runs."""
        from workbench.training.compute import choose_device

        return choose_device(self._device_name)

    @property
    def precision(self) -> str:
        """How exactly it runs: "fp32", "bf16" or "fp16"."""
        from workbench.training.compute import choose_precision

        return choose_precision(self._amp, self.device)

    @property
    def settings(self) -> dict[str, str]:
        """What of it decides labels.

        Not the device, which changes the last digits only: labels made on a GPU stay good on a
        laptop.
        """
        return {"weights": self.identity, "amp": self._amp}

    @contextmanager
    def inference(self) -> Iterator[None]:
        """Run the model inside: no gradients, at its precision."""
        import torch

        from workbench.training.compute import autocast

        with torch.inference_mode(), autocast(self.precision, self.device):
            yield

    def load(self, processor_class: Any, model_class: Any, **options: Any) -> tuple[Any, Any]:
        """Processor and model of these classes, on the device and ready to run.

        Raises:
            TeacherError: If the folder holds something else.
        """
        try:
            processor = processor_class.from_pretrained(self.folder, **options)
            model = model_class.from_pretrained(self.folder, **options)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise TeacherError(
                f"{self.folder} holds no {model_class.__name__} ({str(error).splitlines()[0]})",
                "give the folder or hub id of such a model",
            ) from None
        return processor, model.eval().to(self.device)
