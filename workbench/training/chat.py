"""Who answers a question about a picture: a server for chat completions, or a local checkpoint.

The unit is one question about one image. Servers speak OpenAI's chat completions, as vLLM,
llama.cpp, Ollama and hosted models do. Knows nothing about what is asked.
"""

import base64
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.errors import WorkbenchError
from workbench.training.weights import Pretrained

_MOST_TOKENS = 2048  # of an answer

Image = NDArray[np.uint8]  # (H, W, 3) RGB


class ChatError(WorkbenchError):
    """A server that cannot be reached, refuses, or answers something else."""


class Chat(Protocol):
    """Somebody who answers a question about an image."""

    settings: Mapping[str, Any]  # everything that decides the answers

    def ask(self, image: Image, question: str) -> str:
        """The answer, as written."""


class Endpoint:
    """A server that speaks OpenAI's chat completions.

    Raises:
        ChatError: If the address is not one.
    """

    def __init__(
        self,
        base_url: str,  # such as http://localhost:8000/v1
        model: str,  # its name there
        api_key_from: str = "OPENAI_API_KEY",  # environment variable with the key, if one is wanted
        timeout_s: float = 120,  # for one answer
    ) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ChatError(f"address {base_url!r}", "give one like http://localhost:8000/v1")
        self._url = base_url.rstrip("/") + "/chat/completions"
        self._model, self._key_from, self._timeout_s = model, api_key_from, timeout_s
        self.settings: Mapping[str, Any] = {"model": model}  # wherever it runs

    def ask(self, image: Image, question: str) -> str:
        """The answer, as written."""
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
            raise ChatError(
                f"{self._url} refuses with {error.code} {error.reason}",
                f"check the model name {self._model!r} and the key in {self._key_from}",
            ) from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise ChatError(
                f"{self._url} cannot be reached ({reason})", "start the server, or correct base_url"
            ) from None
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise ChatError(
                f"{self._url} does not answer as chat completions do ({error!r})",
                "give the base_url of an OpenAI-compatible server",
            ) from None
        return answer if isinstance(answer, str) else ""


class Checkpoint:
    """An image-text-to-text model of transformers, in this process.

    Raises:
        WeightsError: If weights are missing.
    """

    def __init__(
        self,
        weights: str | Path,  # local folder or hub id
        trust_remote_code: bool = False,  # code that comes with the weights could do anything here
        max_tokens: int = _MOST_TOKENS,
        device: str = "auto",
        amp: str = "auto",
    ) -> None:
        classes = "AutoProcessor", "AutoModelForImageTextToText"
        self._weights = Pretrained(
            weights, classes, device, amp, trust_remote_code=trust_remote_code
        )
        self._most = max_tokens
        self.settings: Mapping[str, Any] = {**self._weights.settings, "max_tokens": max_tokens}

    def ask(self, image: Image, question: str) -> str:
        """The answer, as written; always the same to the same question."""
        import PIL.Image

        processor, model = self._weights.parts
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
