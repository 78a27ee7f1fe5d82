"""Boxes out of what a vision-language model writes.

The unit is one answer, a text. Two grammars are read. LocateAnything's tags:
`<ref>ball</ref><box><480><250><520><310></box>`, one or more boxes per reference, `<box>none</box>`
for nothing; and JSON lists as chat models give, with or without a code fence:
`[{"label": "ball", "bbox_2d": [480, 250, 520, 310]}]`. Knows nothing about models or our classes.
A model may write anything: what cannot be read is left out, and never raises.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

from workbench.detect.detections import Box
from workbench.detect.teachers.looking import NamedBox

Coordinates = Literal["per_mille", "pixels"]

_TAG = re.compile(r"<ref>([^<]*)</ref>|<box>((?:\s*<\s*\d{1,5}\s*>)+)\s*</box>")
_NUMBER = re.compile(r"\d+")
_BOX_KEYS = ("bbox_2d", "bbox", "box", "xyxy")  # left, top, right, bottom
_TURNED_KEY = "box_2d"  # Gemini's: top, left, bottom, right
_NAME_KEYS = ("label", "name", "class", "category", "text_content")
_SCORE_KEYS = ("score", "confidence")


def read_boxes(
    answer: str, size_wh: tuple[int, int], coordinates: Coordinates = "per_mille"
) -> list[NamedBox]:
    """Return the boxes that an answer names, in pixels of the image.

    Args:
        answer: What the model wrote.
        size_wh: Width and height of the image.
        coordinates: What the numbers of JSON boxes count: thousandths of width and height, or
            pixels. Tags always count thousandths.

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
