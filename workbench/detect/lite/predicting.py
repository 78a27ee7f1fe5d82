"""The lite student at work: pictures of any sizes to detections in their pixels.

On a CPU ONNX Runtime computes where it is installed, a third faster than torch; `runtime` says what
does. Knows nothing about video, tiles or thresholds chosen on validation.
"""

import io
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import supervision as sv
import torch
from numpy.typing import NDArray

from workbench.detect.lite.network import HEIGHT_PX, WIDTH_PX, Answers, LiteDetr
from workbench.detect.lite.pictures import Image, fitted
from workbench.detect.lite.training import as_input, rows_of
from workbench.saving import save_bytes

_OPSET = 17  # of ONNX
_SAME_IOU = 0.8  # boxes of one class that overlap more are one object


class LiteEye:
    """A lite student ready to look.

    Args:
        network: With its weights.
        device: cpu, cuda, …
        runtime: onnxruntime, torch, or auto: the former on CPUs where it is installed.
    """

    def __init__(self, network: LiteDetr, device: str = "cpu", runtime: str = "auto") -> None:
        self.network, self.device = network.eval().to(device), device
        self.parameters = sum(own.numel() for own in network.parameters())
        if runtime == "auto":
            has_onnx = all(find_spec(name) for name in ("onnx", "onnxruntime"))
            runtime = "onnxruntime" if device == "cpu" and has_onnx else "torch"
        self.runtime = runtime
        self._answer = self._in_onnxruntime() if runtime == "onnxruntime" else self._in_torch

    @property
    def tile_wh(self) -> tuple[int, int]:
        """Width and height of the canvas."""
        return WIDTH_PX, HEIGHT_PX

    @property
    def runs_on(self) -> str:
        """The device, and ONNX Runtime where it computes."""
        return self.device if self.runtime == "torch" else f"{self.device}, ONNX Runtime"

    def see(self, images: Sequence[Image], least: NDArray[np.float64]) -> list[sv.Detections]:
        """Return what is in images, RGB (H, W, 3), at scores of at least `least` per class."""
        seen = [fitted(image) for image in images]
        canvases = torch.from_numpy(np.stack([canvas for canvas, _ in seen])).permute(0, 3, 1, 2)
        found = []
        rows_by_image = rows_of(self._answer(as_input(canvases)))
        for image, (_, view), rows in zip(images, seen, rows_by_image, strict=True):
            sure = rows[rows[:, 1] >= least[rows[:, 0].astype(int)]]
            height, width = image.shape[:2]
            boxes = view.in_picture(sure[:, 2:])
            boxes = boxes.clip(0, np.array([width, height] * 2, np.float32))
            within = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(axis=1)
            said = sv.Detections(
                xyxy=boxes[within].astype(np.float32),
                confidence=sure[within, 1],
                class_id=sure[within, 0].astype(int),
            )
            found.append(said.with_nms(_SAME_IOU))
        return found

    def export(self, path: Path) -> None:
        """Write the network as an ONNX file: inputs as `lite0.normalised` gives them."""
        save_bytes(path, to_onnx(self.network))

    def _in_torch(self, pictures: torch.Tensor) -> Answers:
        with torch.inference_mode():
            out: Answers = self.network(pictures.to(self.device))
        return out

    def _in_onnxruntime(self) -> Callable[[torch.Tensor], Answers]:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(
            to_onnx(self.network), options, providers=["CPUExecutionProvider"]
        )

        def answer(pictures: torch.Tensor) -> Answers:
            said = session.run(None, {"pictures": pictures.contiguous().numpy()})
            return Answers(*map(torch.from_numpy, said))

        return answer


def to_onnx(network: LiteDetr) -> bytes:
    """Return a network as ONNX: pictures (N, 3, 272, 480) to logits and boxes (see `Answers`)."""
    buffer = io.BytesIO()
    where = next(network.parameters()).device
    pictures = torch.zeros(2, 3, HEIGHT_PX, WIDTH_PX, device=where)
    names: Any = {name: {0: "pictures"} for name in ("pictures", "logits", "boxes")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of constants in the trace: the size is one for all
        torch.onnx.export(
            network, (pictures,), buffer,  # type: ignore[arg-type]
            dynamo=False, opset_version=_OPSET,
            input_names=["pictures"], output_names=["logits", "boxes"], dynamic_axes=names,
        )  # fmt: skip
    return buffer.getvalue()
