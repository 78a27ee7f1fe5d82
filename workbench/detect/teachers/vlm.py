"""The VLM teacher: any vision-language model that answers boxes, asked frame by frame.

Two ways to ask: a server that speaks OpenAI's chat completions (vLLM, llama.cpp, Ollama, a hosted
one), or a transformers checkpoint in this process. Such models give no scores: their labels carry
none, and export decides about them on its own. Slow: made for the frames that others missed
(`rescue`).
"""

import base64
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import cv2
import numpy as np

from workbench.detect.detections import Detection
from workbench.detect.teacher import TeacherError
from workbench.detect.teachers.looking import Image, LookingTeacher, box_detections
from workbench.detect.teachers.phrases import DEFAULT_PHRASES, checked_phrases
from workbench.detect.teachers.vlm_answers import Coordinates, read_boxes
from workbench.training.weights import Pretrained

_MOST_TOKENS = 2048
_QUESTIONS = {
    # The wording that LocateAnything-3B was trained with.
    "locate": "Locate all the instances that matches the following description: {tagged}.",
    "json": (
        "Find every {spoken} in this image. Answer with JSON only: a list of objects"
        ' {{"label": one of {quoted}, "bbox_2d": [left, top, right, bottom]}}'
        " with coordinates {unit}. Answer [] if there is none."
    ),
}
_UNITS = {
    "per_mille": "from 0 to 1000 relative to the image's width and height",
    "pixels": "in pixels",
}


class Chat(Protocol):
    """Somebody who answers a question about an image."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Everything that decides the answers."""
        ...

    def ask(self, image: Image, question: str) -> str:
        """The answer, as written."""
        ...


class VisionLanguage:
    """A vision-language model that is asked for boxes.

    Args:
        chat: Who answers.
        phrases: What each class is asked for by.
        style: How to ask: "json", or "locate" for LocateAnything.
        coordinates: What the numbers of JSON answers count.

    Raises:
        TeacherError: If phrases are unclear or there is no such style.
    """

    name = "vlm"

    def __init__(
        self,
        chat: Chat,
        phrases: Mapping[str, Sequence[str]] = DEFAULT_PHRASES,
        style: Literal["json", "locate"] = "json",
        coordinates: Coordinates = "per_mille",
    ) -> None:
        self._chat, self._phrases, self._coordinates = chat, checked_phrases(phrases), coordinates
        if style not in _QUESTIONS or coordinates not in _UNITS:
            raise TeacherError(
                f"style {style!r} with coordinates {coordinates!r}",
                f"choose from {', '.join(_QUESTIONS)} and {', '.join(_UNITS)}",
            )
        words = [phrase for own in self._phrases.values() for phrase in own]
        self._question = _QUESTIONS[style].format(
            tagged="</c>".join(words),
            spoken=" and every ".join(words),
            quoted=json.dumps(words),
            unit=_UNITS[coordinates],
        )
        self.settings: dict[str, Any] = {
            **chat.settings,
            "phrases": self._phrases,
            "question": self._question,
            "coordinates": coordinates,
        }

    def look(self, image: Image) -> list[Detection]:
        """What of the phrases the model finds in an image (H, W, 3), RGB."""
        height, width = image.shape[:2]
        answer = self._chat.ask(image, self._question)
        boxes = read_boxes(answer, (width, height), self._coordinates)
        return box_detections(boxes, self._phrases, (height, width), self.name)


class Endpoint:
    """A server that speaks OpenAI's chat completions.

    Args:
        base_url: Such as "http://localhost:8000/v1".
        model: The model's name there.
        api_key_from: Environment variable that holds the key, where the server wants one.
        timeout_s: How long to wait for one answer.

    Raises:
        TeacherError: If the address is not one.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key_from: str = "OPENAI_API_KEY",
        timeout_s: float = 120,
    ) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise TeacherError(f"address {base_url!r}", "give one like http://localhost:8000/v1")
        self._url = base_url.rstrip("/") + "/chat/completions"
        self._model, self._key_from, self._timeout_s = model, api_key_from, timeout_s
        self.settings = {"model": model}  # wherever it runs

    def ask(self, image: Image, question: str) -> str:
        """The answer, as written.

        Raises:
            TeacherError: If the server cannot be reached, refuses, or answers something else.
        """
        fine = [cv2.IMWRITE_JPEG_QUALITY, 95]
        encoded, jpeg = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), fine)
        assert encoded
        picture = f"data:image/jpeg;base64,{base64.b64encode(jpeg.tobytes()).decode()}"
        content = [
            {"type": "image_url", "image_url": {"url": picture}},
            {"type": "text", "text": question},
        ]
        body = {
            "model": self._model,
            "messages": [{"role": "user", "content": content}],
            "temperature": 0,
            "max_tokens": _MOST_TOKENS,
        }
        headers = {"content-type": "application/json"}
        if key := os.environ.get(self._key_from):
            headers["authorization"] = f"Bearer {key}"
        request = urllib.request.Request(self._url, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as response:
                answer = json.load(response)["choices"][0]["message"]["content"]
        except urllib.error.HTTPError as error:
            raise TeacherError(
                f"{self._url} refuses with {error.code} {error.reason}",
                f"check the model name {self._model!r} and the key in {self._key_from}",
            ) from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise TeacherError(
                f"{self._url} cannot be reached ({reason})", "start the server, or correct base_url"
            ) from None
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise TeacherError(
                f"{self._url} does not answer as chat completions do ({error!r})",
                "give the base_url of an OpenAI-compatible server",
            ) from None
        return answer if isinstance(answer, str) else ""


class Checkpoint:
    """An image-text-to-text model of transformers, in this process.

    Args:
        weights: Local folder or hub id.
        trust_remote_code: Whether to run code that comes with the weights. Off: it could do
            anything on this machine.
        max_tokens: Of an answer.
        device: "auto", "cpu", "cuda".
        amp: "auto", "off", "bf16", "fp16".

    Raises:
        TeacherError: If weights are missing.
    """

    def __init__(
        self,
        weights: str | Path,
        trust_remote_code: bool = False,
        max_tokens: int = _MOST_TOKENS,
        device: str = "auto",
        amp: str = "auto",
    ) -> None:
        self._weights = Pretrained(weights, device, amp)
        self._trust, self._most = trust_remote_code, max_tokens
        self.settings = {**self._weights.settings, "max_tokens": max_tokens}

    def ask(self, image: Image, question: str) -> str:
        """The answer, as written; always the same to the same question."""
        import PIL.Image

        processor, model = self._parts
        content = [
            {"type": "image", "image": PIL.Image.fromarray(np.ascontiguousarray(image))},
            {"type": "text", "text": question},
        ]
        inputs = processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        ).to(self._weights.device)
        with self._weights.inference():
            tokens = model.generate(**inputs, do_sample=False, max_new_tokens=self._most)
        new = tokens[0, inputs["input_ids"].shape[1] :]
        # Box tags may be special tokens.
        return str(processor.decode(new, skip_special_tokens=False))

    @cached_property
    def _parts(self) -> tuple[Any, Any]:
        from transformers import AutoModelForImageTextToText, AutoProcessor

        return self._weights.load(
            AutoProcessor, AutoModelForImageTextToText, trust_remote_code=self._trust
        )


def vlm_looker(
    base_url: str | None = None,
    model: str | None = None,
    weights: str | Path | None = None,
    phrases: Mapping[str, Sequence[str]] = DEFAULT_PHRASES,
    style: Literal["json", "locate"] = "json",
    coordinates: Coordinates = "per_mille",
    **chat: Any,
) -> VisionLanguage:
    """A model behind `base_url` under the name `model`, or the checkpoint `weights`.

    Args:
        base_url: Of an OpenAI-compatible server.
        model: The model's name there.
        weights: Local folder or hub id, instead of a server.
        phrases: What each class is asked for by.
        style: How to ask.
        coordinates: What the numbers of JSON answers count.
        chat: Further options of `Endpoint` or `Checkpoint`.

    Raises:
        TeacherError: If neither server nor weights are given, or both.
    """
    if weights is not None and base_url is None and model is None:
        return VisionLanguage(Checkpoint(weights, **chat), phrases, style, coordinates)
    if weights is None and base_url is not None and model is not None:
        return VisionLanguage(Endpoint(base_url, model, **chat), phrases, style, coordinates)
    raise TeacherError(
        "the vlm teacher needs a model", "give `base_url` and `model`, or `weights` alone"
    )


def vlm_teacher(window_frames: int = 16, **options: Any) -> LookingTeacher:
    """A vision-language model on every frame; `options` are those of `vlm_looker`."""
    return LookingTeacher(vlm_looker(**options), window_frames)
