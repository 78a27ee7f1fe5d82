"""The overlay video of a shot: who has the ball, its path, and the verdict.

The unit is one frame of the clip: `ShotOverlay.paint` draws on it what has happened by then and the
verdict only after the flight; `save_overlay` does the whole clip. Size and frame rate are the
clip's; every length is a multiple of `unit_px`, so that large, small and upright pictures look
alike. Knows nothing about how anything was found.
"""

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
    draw_pill,
    draw_ring,
    tint,
    unit_px,
)
from workbench.footage.frames import iter_frames
from workbench.footage.pinhole import to_pixels
from workbench.footage.video_info import probe
from workbench.footage.writer import VideoWriter
from workbench.shots.analysed import ShotAnalysis
from workbench.shots.ball.track import smooth_track
from workbench.shots.pictures.card import VerdictCard
from workbench.shots.pictures.colours import player_colours, speed_colour
from workbench.shots.words import headline_colour
from workbench.style import SKY

_TRAIL_S = 0.7
_CARD_DELAY_S, _CARD_FADE_S, _CARD_LEAST_S = 0.3, 0.2, 1.2


class ShotOverlay:
    """Draws one analysed shot on the frames of its clip.

    Args:
        shot: What is drawn.
    """

    def __init__(self, shot: ShotAnalysis) -> None:
        self._shot, self._unit = shot, unit_px(shot.size_wh)
        self._colours = player_colours(shot.people.players)
        self._holder = {row.frame: row.player for row in shot.possession}
        self._names = {
            frame: list(names) for frame, names in shot.people.table.groupby("frame")["player"]
        }
        self._ball = smooth_track(shot.track, fps=shot.fps)
        self._card_from = self._card_start()
        self._card = VerdictCard(shot, keep_clear_px=self._busy_places())

    def paint(self, image: Image, frame: int, *, card: bool = True) -> Image:
        """Return the frame with the shot drawn over it.

        Args:
            image: (H, W, 3) RGB, of the clip's size; left as it is.
            frame: Which frame of the clip it is.
            card: Whether the verdict is shown once it is known.
        """
        canvas = image.copy()
        shown = self._card_opacity(frame) if card else 0.0
        self._paint_people(canvas, frame)
        self._paint_goal(canvas, is_over=frame >= self._card_from)
        self._paint_path(canvas, frame)
        self._paint_trail(canvas, frame)
        self._paint_names(canvas, frame)
        if shown > 0:
            self._card.paint(canvas, shown)
        return canvas

    def _paint_people(self, canvas: Image, frame: int) -> None:
        for name in self._names.get(frame, []):
            mask = self._shot.people.mask(frame, name)
            if mask is None:
                continue
            has_ball, pixels = self._holder.get(frame) == name, np.asarray(mask, np.uint8)
            tint(canvas, pixels, self._colours[name], 0.4 if has_ball else 0.2)
            width = 1.3 if has_ball else 0.7
            draw_outline(canvas, pixels, self._colours[name], width * self._unit)

    def _paint_names(self, canvas: Image, frame: int) -> None:
        taken: list[Box] = []
        for name in self._names.get(frame, []):
            box = self._shot.people.box(frame, name)
            assert box is not None
            has_ball = self._holder.get(frame) == name
            place = float(box[0] + box[2]) / 2, float(box[1]) - 4 * self._unit
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

    def _paint_goal(self, canvas: Image, *, is_over: bool) -> None:
        corners = self._shot.goal.corners_px
        if corners is None:
            return
        colour = headline_colour(self._shot.verdict) if is_over else SKY
        draw_line(canvas, corners, INK, 4 * self._unit)
        draw_line(canvas, corners, colour, 2 * self._unit)

    def _paint_path(self, canvas: Image, frame: int) -> None:
        path = self._shot.verdict.path
        if path is None:
            return
        flown = path.positions_m[path.frames <= frame]
        draw_line(canvas, to_pixels(path.camera, flown * [1, 1, 0]), INK, self._unit)
        draw_line(canvas, to_pixels(path.camera, flown), INK, 3 * self._unit)
        draw_line(canvas, to_pixels(path.camera, flown), PAPER, 1.4 * self._unit)
        crossing, arrival = self._shot.verdict.crossing_m, self._shot.arrival_frame
        if crossing is not None and arrival is not None and frame >= arrival:
            place = to_pixels(path.camera, [crossing[0], 0.0, crossing[1]])[0]
            draw_ring(canvas, place, 7 * self._unit, INK, 4 * self._unit)
            draw_ring(canvas, place, 7 * self._unit, PAPER, 2 * self._unit)

    def _paint_trail(self, canvas: Image, frame: int) -> None:
        ball = self._ball
        age = frame - ball.frames
        recent = np.flatnonzero((age >= 0) & (age <= _TRAIL_S * self._shot.fps))
        widths = (1.2 + 3.2 * (1 - age / (_TRAIL_S * self._shot.fps))) * self._unit
        steps = [
            (ball.xy[[first, second]], float(widths[second]), int(ball.frames[second]))
            for first, second in pairwise(recent)
            if ball.frames[second] - ball.frames[first] == 1  # else it was out of sight
        ]
        for segment, width, _ in steps:
            draw_line(canvas, segment, INK, width + 1.4 * self._unit)
        for segment, width, at in steps:
            draw_line(canvas, segment, self._colour_at(at), width)
        if len(recent) and age[recent[-1]] == 0:
            place, radius = ball.xy[recent[-1]], ball.diameter_px[recent[-1]] / 2
            around = max(radius, 3 * self._unit) + 2 * self._unit
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
        shot = self._shot
        latest = shot.clip.frame_count - _CARD_LEAST_S * shot.fps
        end = shot.arrival_frame
        return max(0.0, min(latest, latest if end is None else end + _CARD_DELAY_S * shot.fps))

    def _card_opacity(self, frame: int) -> float:
        fade = (frame - self._card_from) / (_CARD_FADE_S * self._shot.fps)
        return float(np.clip(fade, 0, 1))

    def _busy_places(self) -> NDArray[np.float64]:
        """Pixels (N, 2) that the card should not hide: goal, ball, and whoever is near the ball."""
        shot = self._shot
        places = [self._ball.xy]
        if shot.goal.corners_px is not None:
            first, second = shot.goal.corners_px, np.roll(shot.goal.corners_px, 1, axis=0)
            places.append(np.linspace(first, second, 12).reshape(-1, 2))
        table = shot.people.table
        late = table[table["frame"] >= self._card_from]
        places.append(late[["x0", "y0"]].to_numpy(float))
        places.append(late[["x1", "y1"]].to_numpy(float))
        return np.concatenate(places)


def save_overlay(shot: ShotAnalysis, video: Path, path: Path) -> Path:
    """Draw the shot over its clip and save it as H.264 that starts to play at once.

    Args:
        shot: What is drawn.
        video: The clip.
        path: Where the overlay goes: .mp4.

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
