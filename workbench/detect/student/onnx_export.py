"""A student as an ONNX file, for programs without torch, and the check that it says the same.

The file takes pictures (N, 3, side, side), RGB, normalised as `normalise` does, and gives per query
a box (centre x, centre y, width, height in shares of the picture) and a logit per class.
"""

import contextlib
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.detect.student.checkpoint import Student
from workbench.detect.student.variants import StudentError, quiet
from workbench.saving import replacing

OPSET = 17
# ImageNet's, which rfdetr's pretrained encoders were fed with.
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class OnnxCheck:
    """How far the ONNX file is from torch on the same pictures."""

    boxes: float  # largest difference of a coordinate, in shares of the picture
    scores: float  # largest difference of a score (0–1)


def export_onnx(student: Student, path: Path) -> Path:
    """Write the student as ONNX; returns the path.

    Raises:
        StudentError: If rfdetr cannot export it.
    """
    with tempfile.TemporaryDirectory() as folder, quiet(), replacing(path) as part:
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                made = student.model.export(
                    output_dir=folder,
                    format="onnx",
                    opset_version=OPSET,
                    dynamic_batch=True,
                    verbose=False,
                )
        except Exception as error:  # torch's exporters raise whatever they stumble over
            raise StudentError(
                f"{student.run} cannot be exported ({type(error).__name__}: {error})",
                "install rfdetr's export extra: onnx and onnxruntime",
            ) from error
        part.write_bytes(Path(made).read_bytes())
    return path


def check_onnx(student: Student, path: Path, images: NDArray[np.uint8]) -> OnnxCheck:
    """Compare the file with the student on pictures (N, side, side, 3), RGB.

    Every query is compared with its own: they come in the same order.
    """
    import onnxruntime
    import torch

    inputs = normalise(images)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    boxes, logits, *_ = session.run(None, {session.get_inputs()[0].name: inputs})
    network = student.model.model.model.eval()
    with torch.no_grad(), quiet():
        outputs = network(torch.from_numpy(inputs))
    their_boxes = outputs["pred_boxes"].numpy()
    their_logits = outputs["pred_logits"].numpy()
    return OnnxCheck(
        float(np.abs(boxes - their_boxes).max()),
        float(np.abs(_sigmoid(logits) - _sigmoid(their_logits)).max()),
    )


def normalise(images: NDArray[np.uint8]) -> Floats:
    """Return pictures (N, H, W, 3) as the network takes them: (N, 3, H, W), normalised."""
    mean, spread = np.array(MEAN, np.float32), np.array(SPREAD, np.float32)
    scaled = (images.astype(np.float32) / 255 - mean) / spread
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2), np.float32)


def _sigmoid(logits: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)
