"""The overlay video of a shot: who has the ball, its path, and the verdict.

The unit is one frame of the clip: `ShotOverlay.paint` draws on it what has happened by then, and a
card with the verdict only after the flight; `save_overlay` does the whole clip. Size and frame rate
are the clip's; every length is a multiple of `unit_px`, so that large, small and upright pictures
look alike.
"""

import textwrap
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.detect.drawing import (
    INK,
    PAPER,
    Box,
    Image,
    draw_line,
    draw_outline,
    draw_panel,
    draw_pill,
    draw_ring,
    draw_text,
    text_wh,
    tint,
    unit_px,
)
from workbench.footage.frames import iter_frames
from workbench.footage.pinhole import to_pixels
from workbench.footage.video_info import probe
from workbench.footage.writer import VideoWriter
from workbench.shots.analysed import ShotAnalysis
from workbench.shots.ball.track import smooth_track
from workbench.shots.pictures.colours import FASTEST_KMH, player_colours, speed_colour
from workbench.shots.words import (
    foot_words,
    headline,
    headline_colour,
    reason_words,
    speed_words,
    sure_words,
)
from workbench.style import SKY

_TRAIL_S = 0.7
_CARD_DELAY_S, _CARD_FADE_S, _CARD_LEAST_S = 0.3, 0.2, 1.2
_SOFT = "#C9CED3"
_MOST_WIDTH = 0.9  # of the picture
_SCALE_STEPS = 24
_REASON_LETTERS = 34  # in a line of the reason


class ShotOverlay:
    """Draws one analysed shot on the frames of its clip."""

    def __init__(self, shot: ShotAnalysis) -> None:
        self._shot, self._unit = shot, unit_px(shot.size_wh)
        self._colours = player_colours(shot.people.players)
        self._holder = {row.frame: row.player for row in shot.possession}
        self._ball = smooth_track(shot.track, fps=shot.fps)
        self._card_from = self._card_start()
        self._card = VerdictCard(shot, keep_clear_px=self._busy_places())

    def paint(self, image: Image, frame: int, *, card: bool = True) -> Image:
        """Return the frame with the shot drawn over it.

        Args:
            image: (H, W, 3) RGB, of the clip's size; left as it is.
            frame: Which frame of the clip it is; things of the steady view are drawn where they
                are in it.
            card: Whether the verdict is shown once it is known.
        """
        canvas, frame = image.copy(), self._shot.timeline.picture(frame)
        self._paint_people(canvas, frame)
        self._paint_goal(canvas, frame)
        self._paint_path(canvas, frame)
        self._paint_trail(canvas, frame)
        self._paint_names(canvas, frame)
        opacity = min(1.0, (frame - self._card_from) / (_CARD_FADE_S * self._shot.fps))
        if card and opacity > 0:
            self._card.paint(canvas, opacity)
        return canvas

    def _paint_people(self, canvas: Image, frame: int) -> None:
        for name, person in self._shot.people.in_frame(frame).items():
            mask = person.pixels()
            if mask is None:
                continue
            has_ball, pixels = self._holder.get(frame) == name, np.asarray(mask, np.uint8)
            tint(canvas, pixels, self._colours[name], 0.4 if has_ball else 0.2)
            width = 1.3 if has_ball else 0.7
            draw_outline(canvas, pixels, self._colours[name], width * self._unit)

    def _paint_names(self, canvas: Image, frame: int) -> None:
        taken: list[Box] = []
        for name, person in self._shot.people.in_frame(frame).items():
            left, top, right, _ = person.xyxy
            has_ball = self._holder.get(frame) == name
            place = (left + right) / 2, top - 4 * self._unit
            for other in taken:  # one above the other where people stand together
                if abs(place[0] - other[0] - other[2] / 2) < other[2] and (
                    other[1] - 2 * self._unit < place[1] < other[1] + 2 * other[3]
                ):
                    place = place[0], other[1] - 2 * self._unit
            pill = draw_pill(
                canvas, f"{name} BALL" if has_ball else name, place,
                (15 if has_ball else 12) * self._unit, self._colours[name],
                opacity=1.0 if has_ball else 0.72,
            )  # fmt: skip
            taken.append(pill)

    def _paint_goal(self, canvas: Image, frame: int) -> None:
        if self._shot.goal.corners_px is None:
            return
        corners = self._shot.view.to_frame(frame, self._shot.goal.corners_px)
        is_over = frame >= self._card_from
        colour = headline_colour(self._shot.verdict) if is_over else SKY
        draw_line(canvas, corners, INK, 4 * self._unit)
        draw_line(canvas, corners, colour, 2 * self._unit)

    def _paint_path(self, canvas: Image, frame: int) -> None:
        path = self._shot.verdict.path
        if path is None:
            return
        flown = path.positions_m[path.frames <= frame]
        view = self._shot.view
        shadow = view.to_frame(frame, to_pixels(path.camera, flown * [1, 1, 0]))
        way = view.to_frame(frame, to_pixels(path.camera, flown))
        draw_line(canvas, shadow, INK, self._unit)
        draw_line(canvas, way, INK, 3 * self._unit)
        draw_line(canvas, way, PAPER, 1.4 * self._unit)
        crossing, arrival = self._shot.verdict.crossing_m, self._shot.arrival_frame
        if crossing is not None and arrival is not None and frame >= arrival:
            crossed = to_pixels(path.camera, [crossing[0], 0.0, crossing[1]])
            place = view.to_frame(frame, crossed)[0]
            draw_ring(canvas, place, 7 * self._unit, INK, 4 * self._unit)
            draw_ring(canvas, place, 7 * self._unit, PAPER, 2 * self._unit)

    def _paint_trail(self, canvas: Image, frame: int) -> None:
        ball, view = self._ball, self._shot.view
        age = frame - ball.frames
        recent = np.flatnonzero((age >= 0) & (age <= _TRAIL_S * self._shot.fps))
        widths = (1.2 + 3.2 * (1 - age / (_TRAIL_S * self._shot.fps))) * self._unit
        steps = [
            (view.to_frame(frame, ball.xy[[first, second]]), int(second))
            for first, second in pairwise(recent)
            if ball.frames[second] - ball.frames[first] == 1  # else it was out of sight
        ]
        for segment, at in steps:
            draw_line(canvas, segment, INK, float(widths[at]) + 1.4 * self._unit)
        for segment, at in steps:
            draw_line(canvas, segment, self._colour_at(int(ball.frames[at])), float(widths[at]))
        if len(recent) and age[recent[-1]] == 0:
            radius = ball.diameter_px[recent[-1]] / 2
            around = max(radius, 3 * self._unit) + 2 * self._unit
            place = view.to_frame(frame, ball.xy[recent[-1:]])[0]
            draw_ring(canvas, place, around, INK, 2.4 * self._unit)
            draw_ring(canvas, place, around, PAPER, 1.2 * self._unit)

    def _colour_at(self, frame: int) -> str:
        """Colour of the ball's speed; white where nobody knows it."""
        path = self._shot.verdict.path
        if path is None or not path.frames[0] <= frame <= path.frames[-1]:
            return PAPER
        return speed_colour(float(np.interp(frame, path.frames, path.speed_kmh)))

    def _card_start(self) -> float:
        """A moment after the flight ends, but early enough to be read before the clip does."""
        shot, end = self._shot, self._shot.arrival_frame
        latest = shot.frame_count - _CARD_LEAST_S * shot.fps
        return max(0.0, min(latest, latest if end is None else end + _CARD_DELAY_S * shot.fps))

    def _busy_places(self) -> NDArray[np.float64]:
        """Pixels (N, 2) that the card should not hide: goal, ball, and whoever is near the ball."""
        shot = self._shot
        places = [self._ball.xy]
        if shot.goal.corners_px is not None:
            first, second = shot.goal.corners_px, np.roll(shot.goal.corners_px, 1, axis=0)
            places.append(np.linspace(first, second, 12).reshape(-1, 2))
        table = shot.people.table
        late = table[table["frame"] >= self._card_from]
        places += [late[names].to_numpy(float) for names in (["x0", "y0"], ["x1", "y1"])]
        return np.concatenate(places)


@dataclass(frozen=True)
class _Line:
    text: str
    size_px: float
    colour: str = _SOFT
    bold: bool = False

    @property
    def wh(self) -> tuple[int, int]:
        return text_wh(self.text, self.size_px, bold=self.bold)


class VerdictCard:
    """The verdict: goal or not, how sure, how fast, which foot.

    As large as its text, in the corner of the picture where it hides least.

    Args:
        shot: Whose verdict it is.
        keep_clear_px: Pixels (N, 2) that should stay visible.
    """

    def __init__(self, shot: ShotAnalysis, keep_clear_px: NDArray[np.float64]) -> None:
        unit = unit_px(shot.size_wh)
        lines, pad = _lines_of(shot, unit), 12 * unit
        room = _MOST_WIDTH * shot.size_wh[0] - 2.5 * pad
        scale = min(1.0, room / max(line.wh[0] for line in lines))
        self._colour = headline_colour(shot.verdict)
        self._lines = [replace(line, size_px=scale * line.size_px) for line in lines]
        self._pad = scale * pad
        self._scale_px = scale * 10 * unit if shot.verdict.path is not None else 0.0
        widths, heights = zip(*(line.wh for line in self._lines), strict=True)
        height = sum(heights) + 2.2 * self._scale_px + 1.4 * self._pad
        card_wh = round(max(widths) + 2.5 * self._pad), round(height)
        self.box = _quietest_corner(shot.size_wh, card_wh, self._pad, keep_clear_px)

    def paint(self, image: Image, opacity: float = 1.0) -> None:
        """Paint the card; `opacity` below 1 while it fades in."""
        x, y, _, height = self.box
        bar = round(0.6 * self._pad)
        draw_panel(image, self.box, INK, radius_px=0.7 * self._pad, opacity=0.84 * opacity)
        inner = x + bar, y + bar, round(0.4 * self._pad), height - 2 * bar
        draw_panel(image, inner, self._colour, radius_px=self._pad, opacity=opacity)
        top = y + 0.7 * self._pad
        for line in self._lines:
            draw_text(
                image, line.text, (x + 1.5 * self._pad, top), line.size_px, line.colour,
                bold=line.bold, opacity=opacity,
            )  # fmt: skip
            top += line.wh[1]
        if self._scale_px:
            self._paint_scale(image, top + 0.3 * self._scale_px, opacity)

    def _paint_scale(self, image: Image, top: float, opacity: float) -> None:
        """The colours of the trail, from standing still to the fastest."""
        x, _, width, _ = self.box
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


def _lines_of(shot: ShotAnalysis, unit: float) -> list[_Line]:
    verdict = shot.verdict
    lines = [_Line(headline(verdict).upper(), 26 * unit, PAPER, True)]
    if not verdict.abstained:
        lines.append(_Line(sure_words(verdict), 15 * unit))
    if verdict.speed_kmh is not None:
        speed = speed_words(verdict.speed_kmh, verdict.speed_interval_kmh)
        lines.append(_Line(speed, 17 * unit, PAPER, True))
    if shot.shooter is not None:
        who = f"{shot.shooter.player}, {foot_words(shot.foot)}"
        lines.append(_Line(who, 15 * unit))
    if verdict.abstained:
        reason = textwrap.wrap(reason_words(verdict), _REASON_LETTERS)
        lines += [_Line(words, 13 * unit) for words in reason]
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

    def hidden(box: Box) -> int:
        low, high = np.array(box[:2]), np.add(box[:2], box[2:])
        return int(((keep_clear_px >= low) & (keep_clear_px < high)).all(axis=1).sum())

    return min(boxes, key=hidden)


def save_overlay(shot: ShotAnalysis, video: Path, path: Path) -> Path:
    """Draw the shot over its clip and save it as H.264 (.mp4) that starts to play at once.

    Raises:
        FootageError: If the clip cannot be read, or the overlay not be written.
    """
    overlay, (width, height) = ShotOverlay(shot), shot.size_wh
    even_wh = width - width % 2, height - height % 2  # H.264 stores colour by 2×2 blocks
    time_base, first_pts = probe(video).time_base, None
    with VideoWriter(path, even_wh, shot.clip.fps, time_base=time_base) as writer:
        for frame in iter_frames(video, skip_lost=True):
            first_pts = frame.pts if first_pts is None else first_pts
            painted = overlay.paint(frame.image, frame.index)
            # With its own time stamp: a frame that cannot be read must not shift the others.
            writer.write(painted[: even_wh[1], : even_wh[0]], pts=frame.pts - first_pts)
    return path
