"""The VLM teacher: any vision-language model that answers boxes, asked frame by frame.

Two ways to ask: a server (`training.chat`), or a transformers checkpoint in this process. Two
grammars are read. LocateAnything's tags: `<ref>ball</ref><box><480><250><520><310></box>`, one or
more boxes per reference, `<box>none</box>` for nothing; and JSON lists as chat models give, with or
without a code fence: `[{"label": "ball", "bbox_2d": [480, 250, 520, 310]}]`. A model may write
anything: what cannot be read is left out, and never raises. Such models give no scores. Slow: made
for the frames that others missed (`rescue`).
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from workbench.detect.detections import Box, Detection
from workbench.detect.teacher import TeacherError
from workbench.detect.teachers.looking import (
    DEFAULT_PHRASES,
    Image,
    LookingTeacher,
    NamedBox,
    Phrases,
    box_detections,
    checked_phrases,
)
from workbench.training.chat import Chat, Checkpoint, Endpoint

Coordinates = Literal["per_mille", "pixels"]

_TAG = re.compile(r"<ref>([^<]*)</ref>|<box>((?:\s*<\s*\d{1,5}\s*>)+)\s*</box>")
_NUMBER = re.compile(r"\d+")
_BOX_KEYS = ("bbox_2d", "bbox", "box", "xyxy")  # left, top, right, bottom
_TURNED_KEY = "box_2d"  # Gemini's: top, left, bottom, right
_NAME_KEYS = ("label", "name", "class", "category", "text_content")
_SCORE_KEYS = ("score", "confidence")
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


class VlmTeacher(LookingTeacher):
    """A vision-language model that is asked for boxes: one of a server, or a checkpoint.

    Args:
        base_url: Of an OpenAI-compatible server.
        model: The model's name there.
        weights: Local folder or hub id, instead of a server.
        phrases: What each class is asked for by.
        style: How to ask: "json", or "locate" for LocateAnything.
        coordinates: What the numbers of JSON answers count.
        window_frames: Frames that are labelled, and saved, together.
        options: Further ones of `Endpoint` or `Checkpoint`.

    Raises:
        TeacherError: If neither server nor weights are given, or both; if phrases are unclear or
            there is no such style.
        ChatError: If the address is not one.
    """

    name = "vlm"

    def __init__(
        self,
        base_url: str | None = None,
        model: str | None = None,
        weights: str | Path | None = None,
        phrases: Phrases = DEFAULT_PHRASES,
        style: Literal["json", "locate"] = "json",
        coordinates: Coordinates = "per_mille",
        window_frames: int = 16,
        **options: Any,
    ) -> None:
        if style not in _QUESTIONS or coordinates not in _UNITS:
            raise TeacherError(
                f"style {style!r} with coordinates {coordinates!r}",
                f"choose from {', '.join(_QUESTIONS)} and {', '.join(_UNITS)}",
            )
        self._chat = _chat_with(base_url, model, weights, options)
        self._phrases, self._coordinates = checked_phrases(phrases), coordinates
        words = [phrase for own in self._phrases.values() for phrase in own]
        self._question = _QUESTIONS[style].format(
            tagged="</c>".join(words),
            spoken=" and every ".join(words),
            quoted=json.dumps(words),
            unit=_UNITS[coordinates],
        )
        own = {"phrases": self._phrases, "question": self._question, "coordinates": coordinates}
        super().__init__({**self._chat.settings, **own}, window_frames)

    def look(self, image: Image) -> list[Detection]:
        """What of the phrases the model finds in an image (H, W, 3), RGB."""
        height, width = image.shape[:2]
        answer = self._chat.ask(image, self._question)
        boxes = read_boxes(answer, (width, height), self._coordinates)
        return box_detections(boxes, self._phrases, (height, width), self.name)


def _chat_with(
    base_url: str | None, model: str | None, weights: str | Path | None, options: Mapping[str, Any]
) -> Chat:
    if weights is not None and base_url is None and model is None:
        return Checkpoint(weights, **options)
    if weights is None and base_url is not None and model is not None:
        return Endpoint(base_url, model, **options)
    raise TeacherError(
        "the vlm teacher needs a model", "give `base_url` and `model`, or `weights` alone"
    )


def read_boxes(
    answer: str, size_wh: tuple[int, int], coordinates: Coordinates = "per_mille"
) -> list[NamedBox]:
    """Return the boxes that an answer names, in pixels of an image of that width and height.

    Tags always count thousandths of width and height.

    Example:
        >>> read_boxes("<ref>ball</ref><box><500><0><750><500></box>", (200, 100))
        [NamedBox(words='ball', xyxy=(100.0, 0.0, 150.0, 50.0), score=None)]
        >>> read_boxes("I see <box>none</box>", (200, 100))
        []
    """
    if "<box>" in answer:
        return list(_from_tags(answer, size_wh))
    return list(_from_json(answer, size_wh, coordinates))


def _from_tags(answer: str, size_wh: tuple[int, int]) -> Iterator[NamedBox]:
    words = ""
    for match in _TAG.finditer(answer):
        if match[2] is None:
            words = match[1].strip()
            continue
        numbers = [float(number) for number in _NUMBER.findall(match[2])]
        if len(numbers) == 4 and (box := _in_pixels(numbers, size_wh, "per_mille")):
            yield NamedBox(words, box, None)


def _from_json(
    answer: str, size_wh: tuple[int, int], coordinates: Coordinates
) -> Iterator[NamedBox]:
    for row in _objects(_first_json(answer)):
        numbers = _four_numbers(next((row[key] for key in _BOX_KEYS if key in row), None))
        if not numbers and (turned := _four_numbers(row.get(_TURNED_KEY))):
            numbers = [turned[place] for place in (1, 0, 3, 2)]
        words = next((row[key] for key in _NAME_KEYS if isinstance(row.get(key), str)), "")
        if numbers and (box := _in_pixels(numbers, size_wh, coordinates)):
            yield NamedBox(words, box, _score(row))


def _first_json(answer: str) -> Any:
    """The first JSON list or object in a text that is more than that."""
    decoder = json.JSONDecoder()
    for start in (place for place, sign in enumerate(answer) if sign in "[{"):
        try:
            content, _ = decoder.raw_decode(answer, start)
        except (ValueError, RecursionError):
            continue
        if any(_objects(content)):
            return content
    return []


def _objects(content: Any) -> Iterator[dict[str, Any]]:
    """Objects with a box, at the top, in a list, or in a list under a key."""
    if isinstance(content, dict):
        if any(key in content for key in (*_BOX_KEYS, _TURNED_KEY)):
            yield content
        else:
            for value in content.values():
                if isinstance(value, list):
                    yield from _objects(value)
    elif isinstance(content, list):
        for value in content:
            if isinstance(value, dict):
                yield from _objects(value)


def _four_numbers(values: Any) -> list[float] | None:
    if not isinstance(values, list) or len(values) != 4:
        return None
    if not all(type(value) in (int, float) and abs(value) < 1e6 for value in values):
        return None
    return [float(value) for value in values]


def _in_pixels(
    numbers: list[float], size_wh: tuple[int, int], coordinates: Coordinates
) -> Box | None:
    width, height = size_wh
    unit_x, unit_y = (width / 1000, height / 1000) if coordinates == "per_mille" else (1.0, 1.0)
    left, right = sorted(min(max(x * unit_x, 0.0), float(width)) for x in numbers[::2])
    top, bottom = sorted(min(max(y * unit_y, 0.0), float(height)) for y in numbers[1::2])
    if left == right or top == bottom:
        return None
    return left, top, right, bottom


def _score(row: dict[str, Any]) -> float | None:
    score = next((row[key] for key in _SCORE_KEYS if key in row), None)
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        return None
    return float(score)
