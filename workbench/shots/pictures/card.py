"""The verdict card on a video: goal or not, how sure, how fast, which foot.

One card per shot, laid out once: as large as its text, in the corner of the picture where it hides
least, readable on a phone. Knows nothing about when it is shown.
"""

import textwrap
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.detect.drawing import INK, PAPER, Box, Image, draw_panel, draw_text, text_wh, unit_px
from workbench.shots.analysed import ShotAnalysis
from workbench.shots.pictures.colours import FASTEST_KMH, speed_colour
from workbench.shots.words import (
    foot_words,
    headline,
    headline_colour,
    reason_words,
    speed_words,
    sure_words,
)

_SOFT = "#C9CED3"
_MOST_WIDTH = 0.9  # of the picture
_SCALE_STEPS = 24
_REASON_LETTERS = 34  # in a line of the reason


@dataclass(frozen=True)
class _Line:
    text: str
    size_px: float
    colour: str
    bold: bool


class VerdictCard:
    """Lays out the card of a shot and paints it.

    Args:
        shot: Whose verdict it is.
        keep_clear_px: Pixels (N, 2) that should stay visible.
    """

    def __init__(self, shot: ShotAnalysis, keep_clear_px: NDArray[np.float64]) -> None:
        self._colour = headline_colour(shot.verdict)
        lines = _lines_of(shot, unit_px(shot.size_wh))
        widest = max(text_wh(line.text, line.size_px, bold=line.bold)[0] for line in lines)
        pad = 12 * unit_px(shot.size_wh)
        room = _MOST_WIDTH * shot.size_wh[0] - 2.5 * pad
        scale = min(1.0, room / widest)
        self._lines = [
            _Line(line.text, scale * line.size_px, line.colour, line.bold) for line in lines
        ]
        self._pad = scale * pad
        has_speeds = shot.verdict.path is not None
        self._scale_px = scale * 10 * unit_px(shot.size_wh) if has_speeds else 0.0
        self._box = _quietest_corner(shot.size_wh, self._size_wh(), self._pad, keep_clear_px)

    @property
    def box(self) -> Box:
        """Where the card is: x, y, width, height in pixels."""
        return self._box

    def paint(self, image: Image, opacity: float = 1.0) -> None:
        """Paint the card; `opacity` below 1 while it fades in."""
        x, y, _, height = self._box
        bar = round(0.6 * self._pad)
        draw_panel(image, self._box, INK, radius_px=0.7 * self._pad, opacity=0.84 * opacity)
        inner = x + bar, y + bar, round(0.4 * self._pad), height - 2 * bar
        draw_panel(image, inner, self._colour, radius_px=self._pad, opacity=opacity)
        top = y + 0.7 * self._pad
        for line in self._lines:
            left = x + 1.5 * self._pad
            draw_text(
                image, line.text, (left, top), line.size_px, line.colour, bold=line.bold,
                opacity=opacity,
            )  # fmt: skip
            top += text_wh(line.text, line.size_px, bold=line.bold)[1]
        if self._scale_px:
            self._paint_scale(image, top + 0.3 * self._scale_px, opacity)

    def _paint_scale(self, image: Image, top: float, opacity: float) -> None:
        """The colours of the trail, from standing still to the fastest."""
        x, _, width, _ = self._box
        left, right = x + 1.5 * self._pad, x + width - self._pad
        steps = np.linspace(left, right, _SCALE_STEPS + 1).round().astype(int)
        high = max(1, round(0.4 * self._scale_px))
        for place in range(_SCALE_STEPS):
            colour = speed_colour(FASTEST_KMH * place / (_SCALE_STEPS - 1))
            box = int(steps[place]), round(top), int(steps[place + 1] - steps[place]), high
            draw_panel(image, box, colour, opacity=opacity)
        for words, share in (("0", 0.0), (f"{FASTEST_KMH:.0f} km/h", 1.0)):
            wide = text_wh(words, self._scale_px)[0]
            place_x = left + share * (right - left - wide)
            draw_text(image, words, (place_x, top + high), self._scale_px, _SOFT, opacity=opacity)

    def _size_wh(self) -> tuple[int, int]:
        sizes = [text_wh(line.text, line.size_px, bold=line.bold) for line in self._lines]
        width = max(size[0] for size in sizes) + 2.5 * self._pad
        legend = 2.2 * self._scale_px
        return round(width), round(sum(size[1] for size in sizes) + legend + 1.4 * self._pad)


def _lines_of(shot: ShotAnalysis, unit: float) -> list[_Line]:
    verdict = shot.verdict
    lines = [_Line(headline(verdict).upper(), 26 * unit, PAPER, True)]
    if not verdict.abstained or verdict.path is not None:
        lines.append(_Line(sure_words(verdict), 15 * unit, _SOFT, False))
    if verdict.speed_kmh is not None:
        speed = speed_words(verdict.speed_kmh, verdict.speed_interval_kmh)
        lines.append(_Line(speed, 17 * unit, PAPER, True))
    if shot.shooter is not None:
        who = f"{shot.shooter.player}, {foot_words(shot.foot)}"
        lines.append(_Line(who, 15 * unit, _SOFT, False))
    if verdict.abstained:
        reason = textwrap.wrap(reason_words(verdict), _REASON_LETTERS)
        lines += [_Line(words, 13 * unit, _SOFT, False) for words in reason]
    return lines


def _quietest_corner(
    image_wh: tuple[int, int],
    card_wh: tuple[int, int],
    margin_px: float,
    keep_clear_px: NDArray[np.float64],
) -> Box:
    """Of the picture's corners, the one whose card hides the fewest places.

    High ones first: low ones are where a player shows its controls.
    """
    left, top = round(margin_px), round(margin_px)
    right, bottom = image_wh[0] - card_wh[0] - left, image_wh[1] - card_wh[1] - top
    boxes = [(x, y, *card_wh) for y in (top, bottom) for x in (left, right)]
    return min(boxes, key=lambda box: _inside(box, keep_clear_px))


def _inside(box: Box, points: NDArray[np.float64]) -> int:
    x, y, width, height = box
    return int(
        (
            (points[:, 0] >= x)
            & (points[:, 0] < x + width)
            & (points[:, 1] >= y)
            & (points[:, 1] < y + height)
        ).sum()
    )
