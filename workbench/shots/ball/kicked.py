"""The kicked ball among all that may be a ball: at rest, at a foot, then in flight, found jointly.

The unit is one clip's sightings. Which of several balls is kicked is told by a whole story: it lay
or rolled near somebody's feet, it is gone from there afterwards, and something flies off smoothly.
Each part counts as a log likelihood ratio, in nats, against clutter, that is, against everything
else that is taken for a ball; the story with the highest sum wins, and the second best says how
sure that is. Where candidates are seen again and again, about as surely, is clutter: spare balls,
spots and logos earn nothing. Flights are followed by dynamic programming over pairs of sightings
(constant velocity, with room for gravity and perspective); bounces and saves cost.

Sources: Blackman (2004), "Multiple hypothesis tracking for multiple target tracking", IEEE AESM
19(1), for the scores of tracks; Yan, Christmas, Kittler (2008), "Layered data association using
graph-theoretic formulation with application to tennis ball tracking", IEEE PAMI 30(10).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.footage.pinhole import Floats
from workbench.shots.ball.sightings import HIDDEN_S, Sightings

_Ints = NDArray[np.int64]

_SEEN = 0.5  # share of the frames of its flight in which a ball is among the candidates
_NEAR = 0.35  # sizes, within which a thing at rest is seen again
_ALIKE = 1.0  # doublings of size between two sightings of a thing at rest, at most
_AS_SURE = 1 / 3  # of a ball's score, that clutter at its place has at least; a glove has less
_AROUND_S = 2.0  # before and after a sighting, in which its place is looked at for clutter
_NOISE, _NOISE_PX = 0.25, 1.2  # of a sighting, in sizes, and at least
_GRAVITY = 44.6  # sizes per second², of a ball of 22 cm
_FADING = 0.15  # share of its speed that a ball loses in 1/30 s as it flies away
_GROWTH = 1.2  # of that speed, back to the kick
_SPEEDS_UP = 1.5  # times its speed, that a ball is kicked again
_GAP_S = 0.3  # unseen in flight, in front of a body or a white post
_MOST_ON_BODIES = 5.0  # times as dense; a kicked ball is seen before legs, too
_REACH = 0.12  # of the picture's width: how far a ball moves from one frame to the next
_GATE = 3.5  # standard deviations of a miss, at most
_EVENT = 8.0  # nats that a bounce, a save or another sharp turn costs, of which one is told
_LAUNCH, _SLOWEST = 90.0, 6.0  # sizes per second as a ball leaves: 20 m/s, and at least
_BEFORE_S, _AFTER_S = 1.0, 1.5  # in which a place is looked at before and after it is left
_MOST_LEFT, _MOST_FOOT, _MOST_BALL = 8.0, 6.0, 3.0  # nats that one part of the story may weigh
_STRAY = 0.05  # share of frames in which something else is seen where a ball was
_MOST_STAYS = 6.5  # nats against it at any time, of a ball that has left
_EACH_LEFT = 1.0  # nats at most for each frame in which it lay there: a flicker leaves, too
_FOOT_OFF = 0.08  # of a person's height, from where a foot may be
_LEAST_AT_FOOT = -2.0  # nats of how near the ball is to somebody's feet
_LEAST_AT_REST = 6.0  # nats for it that a ball lay there and is gone
_FAST, _MOST_FAST = 12.0, 4.0  # sizes per second that are as likely a shot as a touch; most nats
_EARLY = 4  # steps of a flight that tell how fast it is, and when it began …
_PROVEN = 25.0  # … by so many nats at most
_SAME_FLIGHT = 0.5  # of the shorter one's sightings that two stories of one flight share
_MOST_TOLD = 400  # stories that are compared


@dataclass(frozen=True)
class Kicked:
    """One story of a kick: which sightings, and how likely against clutter."""

    kick_frame: float
    nats: float  # log likelihood ratio
    rows: tuple[int, ...]  # of the sightings: the last one before the kick, then the flight
    parts: Mapping[str, float]  # what the nats are made of
    kick_nats: float  # of the kick alone, without what comes later
    turn_frame: int | None = None  # where the flight turns sharply: a bounce, a save, a post
    rival_nats: float | None = None  # as kick_nats, of the likeliest other ball about then

    @property
    def at_foot(self) -> bool:
        """Whether the ball was at somebody's feet."""
        return self.parts["foot"] >= _LEAST_AT_FOOT

    @property
    def lay(self) -> bool:
        """Whether it surely is a ball that lay at somebody's feet, and is gone."""
        return self.at_foot and self.parts["left"] + self.parts["ball"] >= _LEAST_AT_REST


def find_kicked(seen: Sightings, *, fps: float) -> list[Kicked]:
    """Find kicks, the likeliest first. A sighting flies in one of them only."""
    return _Stories(seen, fps).told() if len(seen) else []


class _Stories:
    """Scores of all steps, launches and flights of one clip."""

    def __init__(self, seen: Sightings, fps: float) -> None:
        self._seen, self._fps, self._tick = seen, fps, 30 / fps
        self._noise = np.maximum(_NOISE * seen.size_px, _NOISE_PX)
        self._there = presence(seen)
        self._clutter = self._log_clutter()
        gap = max(2, round(_GAP_S * fps))
        self._first, self._second = _steps(seen, gap)
        self._lasts = (seen.frames[self._second] - seen.frames[self._first]).astype(float)
        self._velocity = (seen.xy[self._second] - seen.xy[self._first]) / self._lasts[:, None]
        self._begins = np.searchsorted(self._first, np.arange(len(seen) + 1))
        self._ahead, self._next = self._follow()  # with one event, and with none

    def told(self) -> list[Kicked]:
        """All kicks, the likeliest first, told once each."""
        stories = [story for row in range(len(self._seen)) for story in self._told_from(row)]
        stories.sort(key=lambda story: -story.nats)
        kicks: list[Kicked] = []
        flights: list[set[int]] = []
        for story in stories[:_MOST_TOLD]:
            own = set(story.rows[1:])
            shared = [len(own & flight) / min(len(own), len(flight)) for flight in flights]
            most = int(np.argmax(shared)) if shared else 0
            if not shared or shared[most] <= _SAME_FLIGHT:
                kicks.append(story)
                flights.append(own)
            else:
                # The same ball, kicked at another time: how long it flew says nothing there. If it
                # lay at a foot, what it does where nobody stands is a bounce or a net.
                kicks[most] = max(kicks[most], story, key=lambda one: (one.lay, one.kick_nats))
        return sorted(kicks, key=lambda one: -one.kick_nats)

    def _told_from(self, row: int) -> list[Kicked]:
        """The best story that begins with a sighting, and the best with another first flight."""
        parts = {"left": self._left(row), "foot": self._foot(row), "ball": self._ball(row)}
        if sum(parts.values()) < -_MOST_FOOT:
            return []
        return [self._story(row, parts, *launch) for launch in self._launches(row)]

    def _story(
        self, row: int, parts: dict[str, float], flight: float, step: int, kick: float
    ) -> Kicked:
        parts = dict(parts)
        steps, turn = self._flight(step)
        rows = (row, int(self._first[step]), *(int(self._second[one]) for one in steps))
        parts |= {"speed": self._fast(rows), "flight": flight}
        later = steps[min(_EARLY, len(steps) - 1)]
        turns_later = turn is None or turn > _EARLY
        early = flight - float(self._ahead[int(turns_later), later])
        kick_nats = sum(parts.values()) - flight + min(early, _PROVEN)
        if turn is not None:
            before, after = np.hypot(*self._velocity[[steps[turn - 1], steps[turn]]].T)
            # Then that is the kick, and this the touch before it, or a foot.
            kick_nats -= _EVENT * float(after > _SPEEDS_UP * before)
        turns_at = None if turn is None else int(self._seen.frames[self._first[steps[turn]]])
        return Kicked(kick, sum(parts.values()), rows, parts, kick_nats, turns_at)

    def _log_clutter(self) -> Floats:
        """Log density of clutter (N,) where and as a sighting is, over that of a ball, per px²."""
        seen, width = self._seen, round(_AROUND_S * self._fps)
        share = np.clip(seen.score, 1e-3, 0.98)
        anywhere = (1 - share) / share / (seen.size_wh[0] * seen.size_wh[1])
        # Heads, hands and boots are taken for balls: on bodies clutter is as dense as found there.
        on_bodies = seen.on_body.mean() / max(seen.body_share, 1e-6)
        anywhere[seen.on_body] *= np.clip(on_bodies, 1.0, _MOST_ON_BODIES)
        before = np.pad(np.cumsum(presence(seen, _AS_SURE), axis=1), ((0, 0), (1, 0)))
        low = np.maximum(seen.frames - width, 0)
        high = np.minimum(seen.frames + width + 1, seen.frame_count)
        rows = np.arange(len(seen))
        again = before[rows, high] - before[rows, low] - 1
        often = again / np.maximum(high - low - 1, 1)
        here = often / (_SEEN * np.pi * _near_px(seen) ** 2)
        return np.asarray(np.log(anywhere + here))

    def _follow(self) -> tuple[Floats, _Ints]:
        """The nats of the best that can follow each step, and the step that does, or −1: (2, P).

        With no sharp turn any more in the first row, with one or none in the second.
        """
        count = len(self._first)
        ahead, following = np.zeros((2, count)), np.full((2, count), -1)
        by_second = np.argsort(self._second, kind="stable")
        ends = np.searchsorted(self._second[by_second], np.arange(len(self._seen) + 1))
        for row in range(len(self._seen) - 1, -1, -1):
            into = by_second[ends[row] : ends[row + 1]]
            out = np.arange(self._begins[row], self._begins[row + 1])
            if len(into) and len(out):
                smooth, turned = self._gains(into, out)
                straight = smooth + ahead[0, out]
                bent = np.maximum(smooth + ahead[1, out], turned + ahead[0, out])
                for events, gain in enumerate((straight, bent)):
                    best = gain.argmax(axis=1)
                    most = gain[np.arange(len(into)), best]
                    better = most > 0
                    ahead[events, into[better]] = most[better]
                    following[events, into[better]] = out[best[better]]
        return ahead, following

    def _gains(self, into: _Ints, out: _Ints) -> tuple[Floats, Floats]:
        """Nats (I, O) of where steps `out` lead, after steps `into` that come to their start.

        Of a step that goes on smoothly, and of one that turns sharply.
        """
        seen, end, row = self._seen, self._second[out], int(self._first[out[0]])
        lasts, before = self._lasts[out], self._lasts[into][:, None]
        off = np.hypot(*np.moveaxis(self._velocity[into][:, None] - self._velocity[out], 2, 0))
        speed = np.hypot(*self._velocity[into].T)[:, None]
        fall = _GRAVITY / self._fps**2 * seen.size_px[row] * lasts**2
        fade = lasts * _FADING * self._tick * speed
        noise = self._noise[row] * np.sqrt(1 + (1 + lasts / before) ** 2)
        smooth = _log_normal(lasts * off, np.sqrt(noise**2 + fade**2 + fall**2))
        way = np.hypot(*(seen.xy[end] - seen.xy[row]).T)
        slower = np.maximum(0.7 * lasts * speed, 2 * self._noise[row])
        turned = _log_normal(way, slower) - _EVENT
        fits = self._fits(row, end) + _unseen(lasts - 1)
        return smooth + fits, turned + fits

    def _fits(self, row: int | _Ints, later: _Ints) -> Floats:
        """Nats of later sightings as the ball of an earlier one, whatever their place."""
        sizes = self._seen.size_px
        return np.asarray(-(np.log2(sizes[later] / sizes[row]) ** 2) - self._clutter[later])

    def _left(self, row: int) -> float:
        """Nats for it that the ball is gone from there after this sighting."""
        frame, there = int(self._seen.frames[row]), self._there[row]
        after = there[frame + 2 : frame + 2 + round(_AFTER_S * self._fps)]
        usual = self._usual(row)
        stays, gone = np.log(_STRAY / usual), np.log((1 - _STRAY) / (1 - usual))
        nats = np.cumsum(np.where(after, stays, gone))
        if not len(nats):
            return 0.0
        if nats.min() < -_MOST_STAYS:  # it leaves later, if at all
            return float(max(2 * nats.min(), -2 * _MOST_LEFT))
        return float(min(nats[-1], _MOST_LEFT, _EACH_LEFT * self._waits(row)))

    def _usual(self, row: int) -> float:
        """In which share of the frames before a sighting something is seen at its place."""
        before = min(int(self._seen.frames[row]), round(_BEFORE_S * self._fps)) + 1
        return float(np.clip((self._waits(row) + 0.5) / (before + 1), 0.05, 0.95))

    def _waits(self, row: int) -> int:
        """How often something is seen at the place of a sighting, up to it."""
        frame = int(self._seen.frames[row])
        first = max(0, frame - round(_BEFORE_S * self._fps))
        return int(self._there[row, first : frame + 1].sum())

    def _foot(self, row: int) -> float:
        """Nats of how far it lies from anybody's feet."""
        return -min(0.5 * (float(self._seen.feet_off[row]) / _FOOT_OFF) ** 2, _MOST_FOOT)

    def _ball(self, row: int) -> float:
        """Nats for it that what lies there is a ball at all."""
        share = float(np.clip(self._seen.score[row], 0.01, 0.99))
        return float(np.clip(np.log(share / (1 - share)), -_MOST_BALL, _MOST_BALL))

    def _fast(self, rows: tuple[int, ...]) -> float:
        """Nats for it that a ball that leaves so fast is shot, not touched."""
        seen, early = self._seen, list(rows[1 : 2 + _EARLY])
        way = np.hypot(*(seen.xy[early[-1]] - seen.xy[early[0]]))
        lasts_s = float(seen.frames[early[-1]] - seen.frames[early[0]]) / self._fps
        balls = float(way / lasts_s / np.median(seen.size_px[early]))
        return float(np.clip(2 * np.log2(max(balls, 1e-3) / _FAST), -_MOST_FAST, _MOST_FAST))

    def _launches(self, row: int) -> list[tuple[float, int, float]]:
        """Nats of the two best flights from a sighting, their first steps, and when it was kicked.

        The ball has flown for as long as the speed of the first step says, and no longer than since
        it was seen at rest.
        """
        seen, frame = self._seen, int(self._seen.frames[row])
        hidden = max(3, round(HIDDEN_S * self._fps))
        low, high = np.searchsorted(seen.frames, [frame + 1, frame + hidden + 1])
        steps = np.arange(self._begins[low], self._begins[high])
        if not len(steps):
            return []
        start, end = self._first[steps], self._second[steps]
        way, velocity = seen.xy[start] - seen.xy[row], _GROWTH * self._velocity[steps]
        far, speed = np.hypot(*way.T), np.hypot(*velocity.T)
        waited = seen.frames[start] - frame + 0.5
        flown = np.clip(far / np.maximum(speed, 1e-6), 0.3, waited)
        off = np.hypot(*(way - flown[:, None] * velocity).T)
        size = seen.size_px[row]
        gain = (
            _log_normal(far, _LAUNCH / self._fps * size * np.maximum(flown, 1))
            + _log_normal(off, np.hypot(2 * self._noise[row], 0.25 * far))
            + self._fits(row, start)
            + self._fits(start, end)
            + _unseen(self._lasts[steps] - 1 + np.maximum(np.floor(flown) - 1, 0))
            + self._ahead[1, steps]
            + np.maximum(np.floor(waited - flown), 0) * np.log(1 - self._usual(row))
        )
        too_far = far > _REACH * seen.size_wh[0] * np.maximum(flown, 1)
        gain[too_far | (far < 0.5 * size) | (speed < _SLOWEST / self._fps * size)] = -np.inf
        found = []
        for _ in range(2):
            best = int(gain.argmax())
            if not np.isfinite(gain[best]):
                break
            kick = float(seen.frames[start[best]] - flown[best])
            found.append((float(gain[best]), int(steps[best]), kick))
            taken = self._second[self._flight(int(steps[best]))[0]]
            gain[np.isin(start, [start[best], *taken]) | np.isin(end, taken)] = -np.inf
        return found

    def _flight(self, step: int) -> tuple[list[int], int | None]:
        """The best steps from one on, and the place among them of the first after a sharp turn."""
        steps, turn = [step], None
        while (following := int(self._next[int(turn is None), step])) >= 0:
            if turn is None:
                smooth, _ = self._gains(np.array([step]), np.array([following]))
                goes_on = float(smooth[0, 0] + self._ahead[1, following])
                if not np.isclose(goes_on, self._ahead[1, step]):
                    turn = len(steps)
            step = following
            steps.append(step)
        return steps, turn


def presence(seen: Sightings, as_sure: float = 0.0) -> NDArray[np.bool_]:
    """For each sighting, the frames that have one like it at its place (N, frames).

    Like it is what has about its size, and at least the share `as_sure` of its score.
    """
    there = np.zeros((len(seen), seen.frame_count), bool)
    near = np.maximum(_near_px(seen), _NOISE_PX + 0.8)
    doublings = np.log2(seen.size_px)
    for frame in range(seen.frame_count):
        low, high = np.searchsorted(seen.frames, [frame, frame + 1])
        if low < high:
            off = np.abs(seen.xy[:, None] - seen.xy[None, low:high]).max(axis=2)
            alike = np.abs(doublings[None, low:high] - doublings[:, None]) < _ALIKE
            alike &= seen.score[None, low:high] >= as_sure * seen.score[:, None]
            there[:, frame] = ((off <= near[:, None]) & alike).any(axis=1)
    return there


def _steps(seen: Sightings, gap: int) -> tuple[_Ints, _Ints]:
    """Rows (P,) and (P,) of all pairs that a ball can be in one after the other, by the first."""
    first, second = [], []
    for row, frame in enumerate(seen.frames.tolist()):
        low, high = np.searchsorted(seen.frames, [frame + 1, frame + gap + 1])
        later = np.arange(low, high)
        way = np.hypot(*(seen.xy[later] - seen.xy[row]).T)
        reach = _REACH * seen.size_wh[0] * (seen.frames[later] - frame)
        alike = np.abs(np.log2(seen.size_px[later] / seen.size_px[row])) <= _ALIKE
        later = later[(way <= reach) & alike]
        first.append(np.full(len(later), row))
        second.append(later)
    return np.concatenate(first), np.concatenate(second)


def _near_px(seen: Sightings) -> Floats:
    return np.asarray(np.maximum(_NEAR * seen.size_px, _NOISE_PX))


def _unseen(frames: Floats) -> Floats:
    """Nats of frames of a flight in which the ball is not seen."""
    return np.asarray(frames * np.log(1 - _SEEN))


def _log_normal(off: Floats, spread: Floats) -> Floats:
    """Log density of a miss in the picture, per px²; beyond the gate none.

    Without the gate, what two balls do would be joined to one story by a single wild step.
    """
    density = -0.5 * (off / spread) ** 2 - np.log(2 * np.pi * spread**2)
    return np.asarray(np.where(off <= _GATE * spread, density, -np.inf))
