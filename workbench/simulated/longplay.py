"""Long sessions with truth: actions of several sports between idle play, walks and decoys.

The unit is one session: `long00.mp4` and `truth/long00.json`, which lists every act with its class,
start, end and decisive moment. Somebody plays act after act and walks in between, others play or
stand about, and after some tens of seconds the film cuts to another place. Draws come from (seed,
session, take) alone. Acts and places are those of the classifier's clips.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from workbench.engines.each import every
from workbench.engines.engine import Engine
from workbench.errors import FootageError
from workbench.footage.clips import Clip, save_clips
from workbench.footage.pinhole import Floats
from workbench.footage.writer import VideoWriter
from workbench.saving import read_object, save_json
from workbench.simulated import motions
from workbench.simulated.acts import SPORTS, Act, draw_act, draw_temper
from workbench.simulated.cameras import by_hand
from workbench.simulated.renderer import Optics, Renderer
from workbench.simulated.scene import (
    BALL_COLOURS,
    BALL_RADII_M,
    FIRST_BALL_ID,
    Ball,
    Body,
    Moment,
    Person,
    Stick,
    draw_body,
    joints_of,
)
from workbench.simulated.staging import BAT_M, BAT_RGB, MIRROR_ORDER, draw_cast, goal_sticks
from workbench.simulated.venue import VENUES, Venue, draw_venue

TRUTH_FORMAT = "workbench-long-truth/1"
_VERSION = 1  # of what a seed gives
_TAKE_S = (20.0, 50.0)
_GAP_S, _BUSY_GAP_S = (2.5, 14.0), (0.8, 2.5)  # of walking or standing between acts
_HIGHLIGHTS, _BUSY_HIGHLIGHTS = 0.4, 0.65  # of the acts; the others are decoys
_BLEND_S = 0.35  # from an act into a walk
_AWAY = np.array([0.0, -500.0, 0.0])  # of a ball that nobody has
_REACH_M = 1.1  # from the middle of the picture to where acts are


@dataclass(frozen=True)
class LongPlan:
    """What decides a session."""

    seed: int
    session: int
    minutes: float
    width: int
    height: int
    fps: int
    is_busy: bool = False

    def __post_init__(self) -> None:
        if not 0.3 <= self.minutes <= 240 or not 5 <= self.fps <= 60:
            raise FootageError(
                f"a session of {self.minutes} minutes at {self.fps} frames per second",
                "give 0.3 to 240 minutes, and 5 to 60 frames per second",
            )


@dataclass(frozen=True)
class _Played:
    """An act at its place and time."""

    act: Act
    start_s: float
    end_s: float
    sport: str
    at_s: float  # the decisive moment
    place: Floats  # (3,)
    turn: Floats  # (3, 3)
    left_handed: bool
    ball_rgb: Any

    def joints(self, body: Body, since: float) -> Floats:
        act = self.act
        return joints_of(body, act.pose(since), (0.0, act.forward_m(since)), 0.0, act.jump_m(since))

    def placed(self, points: Floats) -> Floats:
        if self.left_handed:
            points = points * np.array([-1.0, 1.0, 1.0])
        return np.asarray(points @ self.turn + self.place)

    def body_at(self, body: Body, time_s: float) -> Floats:
        own = self.joints(body, time_s - self.start_s - self.act.at_s)
        return self.placed(own[MIRROR_ORDER] if self.left_handed else own)


class _Player:
    """Somebody who acts, and walks or stands between acts."""

    def __init__(self, track_id: int, body: Body, played: list[_Played], phase: float) -> None:
        self._id, self.body, self.played, self._phase = track_id, body, played, phase
        self._starts = [one.start_s for one in played]

    def is_clear_of(self, camera_m: Floats) -> bool:
        """Whether they play nowhere right before the camera."""
        return all(np.hypot(*(one.place - camera_m)[:2]) > 3.5 for one in self.played)

    def at(self, time_s: float) -> tuple[Person, Ball, list[Stick]]:
        """Return the person, their ball, and what they hold."""
        place = bisect_right(self._starts, time_s) - 1
        before = self.played[place] if place >= 0 else None
        after = self.played[place + 1] if place + 1 < len(self.played) else None
        if before is not None and time_s < before.end_s:
            joints, sticks = before.body_at(self.body, time_s), self._held(before, time_s)
            return self._person(joints), self._ball(before, time_s), sticks
        # Between acts a ball lies where it came to rest, then where the next act needs it.
        is_early = before and (after is None or time_s < (before.end_s + after.start_s) / 2)
        near, at_s = (before, before.end_s) if before and is_early else (after, 0.0)
        assert near is not None
        ball = self._ball(near, max(at_s, near.start_s))
        return self._person(self._between(before, after, time_s)), ball, []

    def _person(self, joints: Floats) -> Person:
        return Person(self._id, self.body, joints)

    def _ball(self, one: _Played, time_s: float) -> Ball:
        centre, radius_m, colours = _AWAY, 0.1, BALL_COLOURS[0]
        if one.act.ball is not None and one.act.ball_look is not None:
            since = time_s - one.start_s - one.act.at_s
            own = partial(one.joints, self.body)
            centre, radius_m = one.placed(one.act.ball(since, own)), BALL_RADII_M[one.act.ball_look]
            colours = one.ball_rgb
        return Ball(FIRST_BALL_ID + self._id, centre, radius_m, *colours, 11 * time_s)

    def _held(self, one: _Played, time_s: float) -> list[Stick]:
        if one.act.bat is None:
            return []
        since = time_s - one.start_s - one.act.at_s
        grip, direction = one.act.bat(since, partial(one.joints, self.body))
        ends = one.placed(np.stack([grip, grip + direction * BAT_M]))
        return [Stick(ends[0], ends[1], (0.018, 0.033), BAT_RGB)]

    def _between(self, before: _Played | None, after: _Played | None, time_s: float) -> Floats:
        """Joints on the way from where one act ended to where the next begins."""
        first, last = before or after, after or before
        assert first is not None
        assert last is not None
        start_s = before.end_s if before else 0.0
        end_s = after.start_s if after else start_s + 60.0
        left = first.body_at(self.body, before.end_s - 1e-3 if before else first.start_s)
        right = last.body_at(self.body, after.start_s if after else last.end_s - 1e-3)
        share = motions.ease((time_s - start_s) / max(end_s - start_s, 1e-6))
        way = right[0, :2] - left[0, :2]
        at = left[0, :2] + way * share
        pace = float(np.hypot(*way)) / max(end_s - start_s, 1e-6)
        yaw = float(np.arctan2(-way[0], way[1])) if pace > 0.1 else self._phase
        if pace > 0.15:
            angles = motions.run(self._phase + 2 * np.pi * (0.6 + 0.3 * pace) * time_s, 0.3)
        else:
            angles = motions.idle(time_s, self._phase)
        walk = joints_of(self.body, angles, (float(at[0]), float(at[1])), yaw)
        fresh = motions.ease((time_s - start_s) / _BLEND_S) if before else 1.0
        done = motions.ease((end_s - time_s) / _BLEND_S) if after else 1.0
        return np.asarray(
            walk + (1 - fresh) * (left - left[:1] * [1, 1, 0] + [*at, 0] - walk)
            + (1 - done) * (right - right[:1] * [1, 1, 0] + [*at, 0] - walk)
        )  # fmt: skip


def make_long(
    out_dir: Path,
    sessions: int,
    minutes: float,
    seed: int = 0,
    *,
    size_wh: tuple[int, int] = (256, 144),
    fps: int = 15,
    is_busy: bool = False,
    engine: Engine | str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Clip]:
    """Render long sessions into `out_dir`, with `clips.json`; what is there already is kept.

    Args:
        out_dir: Folder for the footage; made if absent.
        sessions: How many.
        minutes: How long each is.
        seed: Same seed, same footage.
        size_wh: Width and height in pixels, both even.
        fps: Frames per second.
        is_busy: Act after act, two in three a highlight: more to learn from in the same time.
        engine: Where sessions are rendered (`make_engine`).
        on_progress: Called with sessions done and in all.

    Raises:
        FootageError: If they cannot be made like this.
    """
    plans = [LongPlan(seed, number, minutes, *size_wh, fps, is_busy) for number in range(sessions)]
    work = {f"long{plan.session:02d}": (plan, out_dir) for plan in plans}
    told = None if on_progress is None else lambda _, done: on_progress(done, sessions)
    made = [*every(_make, work, "sessions", told, engine=engine).values()]
    save_clips(out_dir, made)
    return made


def _make(job: tuple[LongPlan, Path]) -> Clip:
    cv2.setNumThreads(1)
    return _make_session(*job)


def _make_session(plan: LongPlan, out_dir: Path) -> Clip:
    name = f"long{plan.session:02d}"
    video, truth = out_dir / f"{name}.mp4", out_dir / f"truth/{name}.json"
    made_with = {"version": _VERSION, **asdict(plan)}
    rng = np.random.default_rng([plan.seed, 2, plan.session])
    venue = draw_venue(rng, VENUES[plan.session % 2], with_goal=bool(rng.random() < 0.6))
    bodies = draw_cast(rng).performers
    count = round(plan.minutes * 60 * plan.fps)
    if (read_object(truth) or {}).get("made_with") != made_with:
        events: list[dict[str, Any]] = []
        cuts: list[float] = []
        with VideoWriter(video, (plan.width, plan.height), plan.fps, crf=23) as writer:
            take = 0
            while writer.frame_count < count:
                own = np.random.default_rng([plan.seed, 2, plan.session, take + 1])
                frames = min(round(own.uniform(*_TAKE_S) * plan.fps), count - writer.frame_count)
                cuts.append(writer.frame_count / plan.fps)
                events += _film(own, plan, venue, bodies, frames, writer)
                take += 1
        save_json(
            truth,
            {
                "format": TRUTH_FORMAT,
                "made_with": made_with,
                "duration_s": count / plan.fps,
                "cuts_s": cuts[1:],
                "events": events,
            },
        )
    rate = Fraction(plan.fps)
    return Clip(
        clip_id=name, file=video.name, source=video.name, session=name, start_frame=0,
        end_frame=count, start_pts=0, end_pts=count, time_base=1 / rate, fps=rate,
        width=plan.width, height=plan.height, venue=venue.name,
        camera_reason="Rendered with cameras that shake, one for each take.",
        truth=f"truth/{name}.json",
    )  # fmt: skip


def _film(
    rng: np.random.Generator,
    plan: LongPlan,
    venue: Venue,
    bodies: tuple[Body, ...],
    frames: int,
    writer: VideoWriter,
) -> list[dict[str, Any]]:
    """Play and film a take; return its acts, in seconds of the session."""
    place = np.array([rng.uniform(-12, 12), rng.uniform(4, 17), 0.0])
    camera = by_hand(rng, place, (plan.width, plan.height))
    take_s = frames / plan.fps
    body = bodies[rng.integers(len(bodies))]
    gap_s = _BUSY_GAP_S if plan.is_busy else _GAP_S
    share = _BUSY_HIGHLIGHTS if plan.is_busy else _HIGHLIGHTS
    lead = _Player(1, body, _script(rng, place, take_s, _REACH_M, share, gap_s), rng.uniform(0, 6))
    others = [
        _Player(
            2 + n, draw_body(rng), _script(rng, place, take_s, 4.5, 0, gap_s), rng.uniform(0, 6)
        )
        for n in range(rng.integers(0, 4))
    ]
    players = [lead, *(one for one in others if one.is_clear_of(camera.position))]
    fixed = tuple(goal_sticks(venue))

    def scene(time_s: float) -> Moment:
        # The renderer looks one frame back.
        people, balls, held = zip(*(one.at(max(0.0, time_s)) for one in players), strict=True)
        return Moment(people, balls, (*fixed, *(stick for sticks in held for stick in sticks)))

    first_s = writer.frame_count / plan.fps
    optics = Optics(
        fps=Fraction(plan.fps), shutter=rng.uniform(0.1, 0.35), noise=rng.uniform(1.0, 3.0),
        shake_px=rng.uniform(0.1, 1.2) * plan.height / 360, soft=bool(rng.random() < 0.6),
    )  # fmt: skip
    for frame in Renderer(venue, camera, optics, rng).film(scene, frames):
        writer.write(frame.image)
    rows = []
    for player in players:
        for one in player.played:
            uv, _ = camera.project(one.body_at(player.body, one.at_s))
            box = [*uv.min(axis=0), *uv.max(axis=0)]
            times = {"start_s": one.start_s, "end_s": one.end_s, "at_s": one.at_s}
            rows.append(
                {name: round(first_s + value, 3) for name, value in times.items()}
                | {"class": one.sport, "act": one.act.name, "is_lead": player is lead}
                | {"box_xyxy": [round(float(side), 1) for side in box]}
            )
    return sorted(rows, key=lambda row: row["start_s"])


def _script(
    rng: np.random.Generator,
    place: Floats,
    take_s: float,
    reach_m: float,
    highlights: float,
    gap_s: tuple[float, float],
) -> list[_Played]:
    """Draw the acts of one person during a take; at least one, so that they are somewhere."""
    played: list[_Played] = []
    time_s = rng.uniform(0.6, 5.0)
    while True:
        duration_s = rng.uniform(1.2, 2.0)
        if played and time_s + duration_s > take_s:
            return played
        is_highlight = rng.random() < highlights and time_s + duration_s <= take_s
        sport = SPORTS[rng.integers(len(SPORTS) - 1)] if is_highlight else "none"
        temper = draw_temper(rng, duration_s)
        heading, side = rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi)
        cos, sin = np.cos(heading), np.sin(heading)
        away = reach_m * np.sqrt(rng.random())
        played.append(
            _Played(
                draw_act(rng, sport, temper),
                time_s,
                time_s + duration_s,
                sport,
                time_s + temper.at_s,
                place + np.array([away * np.cos(side), away * np.sin(side), 0.0]),
                np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]]),
                bool(rng.random() < 0.5),
                BALL_COLOURS[rng.integers(len(BALL_COLOURS))],
            )
        )
        time_s += duration_s + rng.uniform(*gap_s)
