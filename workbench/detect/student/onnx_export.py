"""A student as an ONNX file, for programs without torch.

The file takes pictures (N, 3, side, side), RGB in shares of 255, normalised by ImageNet's mean
(0.485, 0.456, 0.406) and spread (0.229, 0.224, 0.225). It gives per query a box (centre x, centre
y, width, height in shares of the picture) and a logit per class.
"""

import contextlib
import io
import tempfile
from pathlib import Path

from workbench.detect.student.checkpoint import Student
from workbench.detect.student.variants import StudentError, quiet
from workbench.saving import replacing

_OPSET = 17


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
                    opset_version=_OPSET,
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
