"""What a student looks through: a network that takes pictures of any sizes, whoever made it.

`RfDetrEye` is rfdetr's network; `lite.predicting.LiteEye` the lite student's. Knows nothing about
runs, tiles or video.
"""

import contextlib
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import supervision as sv
from numpy.typing import NDArray

from workbench.detect.student.recipe import StudentError, quiet
from workbench.saving import replacing

Image = NDArray[np.uint8]
_OPSET = 17  # of ONNX


class Eye(Protocol):
    """A network ready to look."""

    @property
    def tile_wh(self) -> tuple[int, int]:
        """Width and height of a picture that it sees at full resolution, in pixels."""
        ...

    @property
    def runs_on(self) -> str:
        """The device, and what computes there if it is not torch."""
        ...

    def see(self, images: Sequence[Image], least: NDArray[np.float64]) -> list[sv.Detections]:
        """Return what is in images, RGB (H, W, 3), at scores of at least `least` per class."""
        ...

    def export(self, path: Path) -> None:
        """Write the network as an ONNX file.

        Raises:
            StudentError: If it cannot be exported.
        """
        ...


class RfDetrEye:
    """A network of rfdetr's.

    Args:
        model: An `rfdetr.RFDETR`.
        masks: Whether it gives masks.
    """

    def __init__(self, model: Any, masks: bool) -> None:
        self.model, self._masks = model, masks

    @property
    def tile_wh(self) -> tuple[int, int]:
        """The square that it squeezes pictures into."""
        side = int(self.model.model_config.resolution)
        return side, side

    @property
    def runs_on(self) -> str:
        """The device."""
        return str(self.model.model_config.device)

    def see(self, images: Sequence[Image], least: NDArray[np.float64]) -> list[sv.Detections]:
        """Return what is in images, RGB (H, W, 3), at scores of at least `least` per class."""
        # Boxes are found in shares of the image, so it may be shrunk beforehand, as smoothly as in
        # training; rfdetr itself would widen every pixel to floats first. Masks want all pixels.
        side = self.tile_wh[0]
        small = list(images) if self._masks else [_shrunk(image, side) for image in images]
        with quiet():
            answers = self.model.predict(
                small, threshold=float(least.min()), include_source_image=False
            )
        return [
            _tidy(answer, image.shape[:2], seen.shape[:2], least)
            for answer, image, seen in zip(answers, images, small, strict=True)
        ]

    def export(self, path: Path) -> None:
        """Write the network as an ONNX file.

        It takes pictures (N, 3, side, side), RGB in shares of 255, normalised by ImageNet's mean
        (0.485, 0.456, 0.406) and spread (0.229, 0.224, 0.225). It gives per query a box (centre x,
        centre y, width, height in shares of the picture) and a logit per class.

        Raises:
            StudentError: If rfdetr cannot export it.
        """
        with tempfile.TemporaryDirectory() as folder, quiet(), replacing(path) as part:
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    made = self.model.export(
                        output_dir=folder,
                        format="onnx",
                        opset_version=_OPSET,
                        dynamic_batch=True,
                        verbose=False,
                    )
            except Exception as error:  # torch's exporters raise whatever they stumble over
                raise StudentError(
                    f"the student cannot be exported ({type(error).__name__}: {error})",
                    "install rfdetr's export extra: onnx and onnxruntime",
                ) from error
            part.write_bytes(Path(made).read_bytes())


def _shrunk(image: Image, side: int) -> Image:
    if image.shape[:2] == (side, side):
        return image
    method = cv2.INTER_AREA if min(image.shape[:2]) > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (side, side), interpolation=method), np.uint8)


def _tidy(
    answer: sv.Detections,
    image_hw: tuple[int, int],
    seen_hw: tuple[int, int],
    least: NDArray[np.float64],
) -> sv.Detections:
    """Detections in pixels of the image, without what rfdetr hides in them, sure ones only."""
    class_id = np.asarray(answer.class_id, int)
    # rfdetr's head has one logit more than classes; it wins now and then.
    known = class_id < len(least)
    keep = known & (np.asarray(answer.confidence) >= least[np.where(known, class_id, 0)])
    (height, width), (seen_height, seen_width) = image_hw, seen_hw
    scale = np.array([width / seen_width, height / seen_height] * 2)
    boxes = np.clip(answer.xyxy[keep] * scale, 0, [width, height, width, height])
    return sv.Detections(
        xyxy=boxes.astype(np.float32).reshape(-1, 4),
        mask=None if answer.mask is None else np.asarray(answer.mask, np.bool_)[keep],
        confidence=np.asarray(answer.confidence, np.float32)[keep],
        class_id=class_id[keep],
    )
