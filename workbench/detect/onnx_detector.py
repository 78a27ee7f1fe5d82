"""An ONNX file as a detector: fed and read as its inputs and outputs tell.

Known are YOLOX (one output of grid cells), RT-DETR (with and without its own last step) and RF-DETR
(also a student's export). The unit is a batch of pictures of any sizes; answers are boxes in pixels
of each picture. Knows nothing about what the classes mean, nor about video.

Sources: YOLOX (Ge et al. 2021, arXiv:2107.08430), RT-DETR (Zhao et al. 2024, arXiv:2304.08069),
RF-DETR (Roboflow), and the files that their exporters write.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import supervision as sv
from numpy.typing import NDArray

from workbench.training.weights import WeightsError

Image = NDArray[np.uint8]  # (H, W, 3) RGB
Floats = NDArray[np.float32]

_USUAL_SIDE = 640  # of the input, where the file leaves it open
_STRIDES = (8, 16, 32)  # of YOLOX's cells
_PADDING = 114  # grey level beside a picture that YOLOX sees
_SAME_IOU = 0.6  # boxes of one class in one picture that overlap more are one object
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)  # ImageNet's
_SPREAD = np.array([0.229, 0.224, 0.225], np.float32)


@dataclass(frozen=True)
class _Layout:
    """How one family is fed, and what its outputs mean."""

    keeps_shape: bool  # the picture in the input's upper left corner, blue first, 0–255
    normalised: bool  # by ImageNet's mean and spread; else shares of 255
    # Outputs and side to boxes (N, Q, 4), xyxy in pixels of the input, and scores (N, Q, classes).
    read: Callable[[Sequence[Floats], int], tuple[Floats, Floats]]


class OnnxDetector:
    """A detector in an ONNX file.

    Args:
        path: Of the file.
        device: cpu, or a device of torch's names; a GPU needs the package onnxruntime-gpu.
        threads: CPU threads.

    Raises:
        WeightsError: If it is no ONNX file, or its outputs are none that are known.
    """

    def __init__(self, path: Path, device: str = "cpu", threads: int = 1) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise WeightsError(
                f"{path.name} needs onnxruntime", "install it: pip install onnxruntime"
            ) from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 3
        wanted = ["CUDAExecutionProvider"] if device.startswith("cuda") else []
        there = onnxruntime.get_available_providers()
        providers = [one for one in wanted if one in there] + ["CPUExecutionProvider"]
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # onnxruntime has an exception class for each of its states
            raise WeightsError(
                f"{path} is no ONNX file that can be run ({str(error).splitlines()[0][:120]})",
                "give a YOLOX, RT-DETR or RF-DETR file",
            ) from None
        inputs = self._session.get_inputs()
        pictures = [one for one in inputs if len(one.shape) == 4]
        self._sizes = next((one.name for one in inputs if len(one.shape) == 2), None)
        sides = pictures[0].shape[2:] if len(pictures) == 1 else [0, 1]
        if sides[0] != sides[1] or len(inputs) != 1 + (self._sizes is not None):
            said = ", ".join(f"{one.name} {one.shape}" for one in inputs)
            raise WeightsError(f"{path} takes {said}, not square pictures", "give a file that does")
        self._input, batch = pictures[0].name, pictures[0].shape[0]
        self._batch = batch if isinstance(batch, int) and batch > 0 else None
        self.side = sides[0] if isinstance(sides[0], int) else _USUAL_SIDE
        self._layout = self._recognised(path)
        blank = np.zeros((self.side, self.side, 3), np.uint8)
        self.class_count = self._seen([blank])[1].shape[2]

    def see(self, images: Sequence[Image], least: float) -> list[sv.Detections]:
        """What is in pictures, in pixels of each; class ids count from 0 as in the file."""
        answers: list[sv.Detections] = []
        size = self._batch or max(1, len(images))
        for first in range(0, len(images), size):
            part = images[first : first + size]
            boxes, scores = self._seen([*part, *[part[-1]] * ((self._batch or 0) - len(part))])
            answers += [
                self._answer(image, box, score, least)
                for image, box, score in zip(part, boxes, scores, strict=False)
            ]
        return answers

    def _seen(self, images: Sequence[Image]) -> tuple[Floats, Floats]:
        fed: dict[str, Any] = {self._input: np.stack([self._fed(image) for image in images])}
        if self._sizes is not None:
            fed[self._sizes] = np.full((len(images), 2), self.side, np.int64)
        return self._layout.read(self._session.run(None, fed), self.side)

    def _fed(self, image: Image) -> Floats:
        height, width = image.shape[:2]
        scale = self.side / max(height, width)
        kept = self._layout.keeps_shape
        wh = (round(width * scale), round(height * scale)) if kept else (self.side, self.side)
        wh = max(1, wh[0]), max(1, wh[1])
        method = cv2.INTER_LINEAR if scale > 1 else cv2.INTER_AREA
        small: Image = np.asarray(cv2.resize(image, wh, interpolation=method), np.uint8)
        if kept:
            whole: Floats = np.full((self.side, self.side, 3), _PADDING, np.float32)
            whole[: wh[1], : wh[0]] = small[..., ::-1]
        else:
            whole = np.asarray(small / 255, np.float32)
        if self._layout.normalised:
            whole = np.asarray((whole - _MEAN) / _SPREAD, np.float32)
        return np.ascontiguousarray(whole.transpose(2, 0, 1))

    def _answer(self, image: Image, boxes: Floats, scores: Floats, least: float) -> sv.Detections:
        height, width = image.shape[:2]
        rows, classes = np.nonzero(scores >= least)
        scale = max(height, width) if self._layout.keeps_shape else np.array([width, height] * 2)
        found = np.clip(boxes[rows] * scale / self.side, 0, [width, height, width, height])
        answer = sv.Detections(
            xyxy=found.astype(np.float32).reshape(-1, 4),
            confidence=scores[rows, classes].astype(np.float32),
            class_id=classes.astype(int),
        )
        return answer.with_nms(_SAME_IOU)

    def _recognised(self, path: Path) -> _Layout:
        outputs = {one.name: one.shape for one in self._session.get_outputs()}
        cells = sum((self.side // stride) ** 2 for stride in _STRIDES)
        shape = next(iter(outputs.values()))
        if len(outputs) == 1 and len(shape) == 3 and shape[1] == cells:
            return _Layout(keeps_shape=True, normalised=False, read=_yolox)
        if outputs.keys() == {"logits", "pred_boxes"}:
            order = list(outputs).index("logits"), list(outputs).index("pred_boxes")
            return _Layout(False, False, lambda out, side: _queries(out, side, order))
        if outputs.keys() == {"dets", "labels"}:
            order = list(outputs).index("labels"), list(outputs).index("dets")
            return _Layout(False, True, lambda out, side: _queries(out, side, order))
        if outputs.keys() == {"labels", "boxes", "scores"} and self._sizes is not None:
            places = {name: place for place, name in enumerate(outputs)}
            return _Layout(False, False, lambda out, _: _labelled(out, places))
        said = ", ".join(f"{name} {list(shape)}" for name, shape in outputs.items())
        raise WeightsError(
            f"{path} answers with {said}, which is no layout that is known",
            "give a YOLOX, RT-DETR or RF-DETR file",
        )


def _yolox(outputs: Sequence[Floats], side: int) -> tuple[Floats, Floats]:
    (out,) = outputs
    out = np.array(out, np.float32)
    # Some exports hold boxes in pixels already; cells' own offsets are about one half.
    if np.median(np.abs(out[..., :2])) < _STRIDES[0]:
        places, strides = [], []
        for stride in _STRIDES:
            rows, columns = np.mgrid[: side // stride, : side // stride]
            places.append(np.stack([columns, rows], axis=-1).reshape(-1, 2))
            strides.append(np.full((len(places[-1]), 1), stride))
        step = np.concatenate(strides).astype(np.float32)
        out[..., :2] = (out[..., :2] + np.concatenate(places)) * step
        out[..., 2:4] = np.exp(np.minimum(out[..., 2:4], 10)) * step
    return _corners(out[..., :4]), out[..., 4:5] * out[..., 5:]


def _queries(outputs: Sequence[Floats], side: int, order: tuple[int, int]) -> tuple[Floats, Floats]:
    logits, boxes = (np.asarray(outputs[place], np.float32) for place in order)
    return _corners(boxes * side), np.asarray(1 / (1 + np.exp(-logits)), np.float32)


def _labelled(outputs: Sequence[Floats], places: dict[str, int]) -> tuple[Floats, Floats]:
    labels, boxes, scores = (outputs[places[name]] for name in ("labels", "boxes", "scores"))
    by_class = np.zeros((*labels.shape, max(80, math.ceil(labels.max(initial=0)) + 1)), np.float32)
    np.put_along_axis(by_class, np.asarray(labels, int)[..., None], scores[..., None], axis=-1)
    return np.asarray(boxes, np.float32), by_class


def _corners(middles: Floats) -> Floats:
    """Boxes given by middle and sides as left, top, right, bottom."""
    half = middles[..., 2:4] / 2
    return np.concatenate([middles[..., :2] - half, middles[..., :2] + half], axis=-1)
