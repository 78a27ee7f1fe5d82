"""What players do with the ball: pass, run, kick, head, block, tackle, shoot.

The unit is one touch and what becomes of it: each function moves the match on to the next who has
the ball, and returns that turn. Probabilities are the match's rates.
"""

import math

import numpy as np

from workbench.simulated.matches.dead_balls import Turn, foul, goal, keep, out
from workbench.simulated.matches.pitch import (
    BALL_RADIUS_M,
    FPS,
    HALF_LENGTH_M,
    HALF_WIDTH_M,
    KEEPERS,
    LEAD,
    STEP_S,
    Act,
    Metres,
    Pitch,
)

_INSIDE = np.array([51.5, 33.2])  # where passes end at most


def possess(pitch: Pitch, person: int) -> Turn:
    """Play on with the ball at a person's feet."""
    rng, rates, is_keeper = pitch.rng, pitch.rates, person in KEEPERS
    pitch.errands.clear()
    pitch.side = int(pitch.team[person])
    if rng.random() < 0.22 and not is_keeper:  # one touch
        pitch.act(person, Act.KICK, -2)
        pitch.hold(person, 2)
    else:
        pitch.hold(person, int(rng.integers(5, 14)))
        if rng.random() < 0.85 and not is_keeper:
            lost = _drive(pitch, person)
            if lost is not None:
                return lost
        else:
            pitch.hold(person, int(rng.integers(4, 30)))
        pitch.wind_up(person)
    x, y = pitch.position[person] * [pitch.ahead[person], 1]
    chance = rng.random()
    if x > 24 and abs(y) < 20 and chance < rates.shot:
        return shoot(pitch, person)
    if x > 18 and abs(y) > 13 and chance < rates.cross:
        return cross(pitch, person)
    if chance < rates.high or (is_keeper and chance < 0.6):
        return high_pass(pitch, person)
    return pass_ball(pitch, person)


def _drive(pitch: Pitch, person: int) -> Turn | None:
    """Run with the ball; None if nobody took it away."""
    rng, rates = pitch.rng, pitch.rates
    pitch.note("DRIVE", person)
    frames, speed = int(rng.gamma(4, 8)) + 14, rng.uniform(3.0, 6.5)
    towards = pitch.position[person] + [pitch.ahead[person] * rng.uniform(8, 30), rng.normal(0, 12)]
    towards = np.clip(towards, [-50, -31], [50, 31])
    end = rng.random()
    if end < rates.tackle:
        return _tackle(pitch, person, speed, towards)
    if end < rates.tackle + rates.foul:
        other = pitch.nearest(pitch.position[person], 1 - int(pitch.team[person]))
        pitch.errands[other] = (pitch.position[person].copy(), 8.5)
        pitch.hold(person, min(frames, 30), speed, towards)
        pitch.act(other, Act.TACKLE, -2)
        pitch.hold(person, 2, speed, towards)
        return foul(pitch, person)
    pitch.hold(person, frames, speed, towards)
    return None


def pass_ball(pitch: Pitch, person: int, label: str = "PASS", to: int | None = None) -> Turn:
    """Pass along the ground; it may be blocked, cut out, or go over the touchline."""
    rng, rates = pitch.rng, pitch.rates
    if to is None:
        to = pitch.choose_mate(person, 6, 24, rates.forward, keeper=rng.random() < 0.08)
    start = pitch.position[person].copy()
    end = pitch.position[to] + pitch.velocity[to] * 0.5 + rng.normal(0, 0.8, 2)
    distance = float(np.hypot(*(end - start)))
    duration_s = max(0.35, distance / rng.uniform(11, 17))
    pitch.note(label, person)
    chance = rng.random()
    if chance < rates.block and distance > 5:
        return _block(pitch, person, end, duration_s)
    if abs(end[1]) > 20 and chance > 1 - rates.wide:
        beyond = np.array([end[0] + rng.normal(0, 3), np.sign(end[1]) * 35.8])
        return out(pitch, beyond, max(0.5, float(np.hypot(*(beyond - start))) / 13), 0)
    if 0.25 < chance < 0.40:
        meets = start + 0.75 * (end - start)
        other = pitch.nearest(meets, 1 - int(pitch.team[person]))
        if np.hypot(*(pitch.position[other] - start)) > 4:
            to, end = other, 0.4 * pitch.position[other] + 0.6 * meets
            duration_s = max(0.35, float(np.hypot(*(end - start))) / 13)
    end = np.clip(end, -_INSIDE, _INSIDE)
    bounce_m = rng.uniform(0, 0.5) if rng.random() < 0.25 else 0.0
    pitch.fly(_on_ground(end), duration_s, bounce_m, runners={to: end})
    return Turn("possession", to)


def throw(pitch: Pitch, person: int) -> Turn:
    """Throw the ball in."""
    to = pitch.choose_mate(person, 5, 18, 0.1)
    pitch.note("THROW IN", person)
    end = np.clip(pitch.position[to] + pitch.velocity[to] * 0.4, -_INSIDE, _INSIDE)
    distance = float(np.hypot(*(end - pitch.position[person])))
    pitch.fly(_on_ground(end), max(0.5, distance / 11), 1.2, 0.1, runners={to: end})
    return Turn("possession", to)


def _block(pitch: Pitch, person: int, end: Metres, duration_s: float) -> Turn:
    """Let an opponent get a leg into a kick; where nobody is near, it arrives."""
    rng, start = pitch.rng, pitch.position[person].copy()
    way = (end - start) / np.hypot(*(end - start))
    other = pitch.nearest(start + 3 * way, 1 - int(pitch.team[person]))
    where = start + way * rng.uniform(1.8, 4.0)
    if np.hypot(*(where - pitch.position[other])) > 2.8:
        to = pitch.nearest(np.clip(end, -_INSIDE, _INSIDE), int(pitch.team[person]), (person,))
        end = np.clip(end, -_INSIDE, _INSIDE)
        pitch.fly(_on_ground(end), duration_s, runners={to: end})
        return Turn("possession", to)
    frames = max(LEAD[Act.BLOCK], round(float(np.hypot(*(where - start))) / 14 * FPS))
    hit = np.array([*where, rng.uniform(0.2, 1.0)])
    cue = (LEAD[Act.BLOCK], lambda: pitch.act(other, Act.BLOCK))
    pitch.fly(hit, frames * STEP_S, 0, 0, runners={other: where}, cues=[cue])
    pitch.note("BALL PLAYER BLOCK", other)
    return _loose(pitch, where, -way, other)


def _loose(pitch: Pitch, where: Metres, way: Metres, who: int) -> Turn:
    """Let the ball bounce off somebody, about that way."""
    rng = pitch.rng
    angle = math.atan2(way[1], way[0]) + rng.normal(0, 0.8)
    end = where + rng.uniform(3, 9) * np.array([math.cos(angle), math.sin(angle)])
    if abs(end[1]) > HALF_WIDTH_M or abs(end[0]) > HALF_LENGTH_M:
        return out(pitch, end, taker_side=1 - int(pitch.team[who]))
    to = pitch.nearest(end, None, (who,))
    duration_s, apex_m = rng.uniform(0.6, 1.0), rng.uniform(0, 1.2)
    pitch.fly(_on_ground(end), duration_s, apex_m, 0.5, runners={to: end})
    return Turn("possession", to)


def _tackle(pitch: Pitch, person: int, speed: float, towards: Metres) -> Turn:
    """Let an opponent close in and slide; if he does not get there, the ball is passed."""
    other = pitch.nearest(pitch.position[person], 1 - int(pitch.team[person]))
    for frame in range(60):
        ahead = pitch.position[person] + pitch.velocity[person] * 0.25
        pitch.errands[other] = (ahead, 8.6)
        pitch.hold(person, 1, speed * 0.8, towards)
        if frame > 12 and np.hypot(*(pitch.position[other] - pitch.ball[:2])) < 1.5:
            break
    else:
        pitch.wind_up(person)
        return pass_ball(pitch, person)
    pitch.act(other, Act.TACKLE)
    for _ in range(LEAD[Act.TACKLE]):
        pitch.errands[other] = (pitch.ball[:2].copy(), 8.0)
        pitch.hold(person, 1, speed * 0.7, towards)
    pitch.note("PLAYER SUCCESSFUL TACKLE", other)
    if pitch.rng.random() < 0.35:
        pitch.act(person, Act.FALL, 0)
    between = pitch.position[person] - pitch.position[other]
    return _loose(pitch, pitch.ball[:2].copy(), np.array([-between[1], between[0]]), person)


def high_pass(pitch: Pitch, person: int, label: str = "HIGH PASS") -> Turn:
    """Kick the ball high and far."""
    rng = pitch.rng
    to = pitch.choose_mate(person, 22, 48, 0.6)
    end = pitch.position[to] + rng.normal(0, 2.5, 2) + pitch.velocity[to] * 0.8
    end = np.clip(end, [-50, -35.5], [50, 35.5])
    distance = float(np.hypot(*(end - pitch.position[person])))
    pitch.note(label, person)
    duration_s = max(1.1, distance / rng.uniform(17, 22))
    return _aerial(pitch, person, to, end, duration_s, distance * rng.uniform(0.12, 0.2))


def cross(pitch: Pitch, person: int) -> Turn:
    """Kick the ball from the side in front of the goal."""
    rng = pitch.rng
    end = np.array([pitch.ahead[person] * rng.uniform(40, 48), rng.normal(0, 5)])
    to = pitch.nearest(end, int(pitch.team[person]), (person,))
    pitch.note("CROSS", person)
    distance = float(np.hypot(*(end - pitch.position[person])))
    duration_s = max(0.8, distance / rng.uniform(17, 23))
    apex_m = distance * rng.uniform(0.07, 0.16)
    return _aerial(pitch, person, to, end, duration_s, apex_m, in_box=True)


def _aerial(
    pitch: Pitch,
    person: int,
    to: int,
    end: Metres,
    duration_s: float,
    apex_m: float,
    in_box: bool = False,
) -> Turn:
    """Let a high ball come down: headed, claimed by the keeper, or taken with the foot."""
    rng, rates = pitch.rng, pitch.rates
    if abs(end[1]) > HALF_WIDTH_M:
        return out(pitch, end, duration_s, apex_m)
    other = pitch.nearest(end, 1 - int(pitch.team[to]))
    if rng.random() < rates.header * (1 if in_box else 0.55):
        winner, loser = (to, other) if rng.random() < 0.5 else (other, to)
        runners = {winner: end}
        jumps = [winner] if rng.random() < 0.75 else []
        if np.hypot(*(pitch.position[to] - pitch.position[other])) < 12:
            runners[loser] = end + rng.normal(0, 0.4, 2) + [0.7, 0]
            jumps += [loser] if rng.random() < 0.7 else []
        cues = [(LEAD[Act.JUMP], lambda who=who: pitch.act(who, Act.JUMP)) for who in jumps]
        height_m = rng.uniform(1.85, 2.25)
        pitch.fly(np.array([*end, height_m]), duration_s, apex_m, 0.12, runners=runners, cues=cues)
        pitch.reach(winner, end)
        pitch.note("HEADER", winner)
        return _headed(pitch, winner, in_box)
    if in_box and rng.random() < 0.4:
        keeper = KEEPERS[0 if pitch.ahead[person] < 0 else 1]
        cue = (LEAD[Act.JUMP], lambda: pitch.act(keeper, Act.JUMP))
        caught = np.array([*end, 1.9])
        pitch.fly(caught, duration_s, apex_m, 0.12, runners={keeper: end}, cues=[cue])
        return keep(pitch, keeper)
    to = to if rng.random() < 0.6 else other
    pitch.fly(_on_ground(end), duration_s, apex_m, 0.12, runners={to: end})
    return Turn("possession", to)


def _headed(pitch: Pitch, person: int, in_box: bool) -> Turn:
    """Let a header go on: at the goal, out, or to whoever is near."""
    rng = pitch.rng
    pitch.side = int(pitch.team[person])
    x, y = pitch.position[person]
    if in_box and x * pitch.ahead[person] > 30 and rng.random() < 0.7:
        return _strike(pitch, person, 14)
    if rng.random() < 0.12 and abs(y) > 20:
        return out(pitch, np.array([x + rng.normal(0, 5), np.sign(y) * 35.5]), 1.0, 1)
    angle = rng.normal(0, 0.9) + (0 if pitch.ahead[person] > 0 else math.pi)
    way = rng.uniform(6, 14) * np.array([math.cos(angle), math.sin(angle)])
    end = np.clip(pitch.position[person] + way, [-51, -33], [51, 33])
    to = pitch.nearest(end, None, (person,))
    duration_s, apex_m = rng.uniform(0.8, 1.3), rng.uniform(0.5, 2.5)
    pitch.fly(_on_ground(end), duration_s, apex_m, 0.3, runners={to: end})
    return Turn("possession", to)


def shoot(pitch: Pitch, person: int, label: str = "SHOT") -> Turn:
    """Shoot at the goal; now and then somebody is in the way."""
    pitch.note(label, person)
    if label == "SHOT" and pitch.rng.random() < 0.22:
        at_goal = np.array([HALF_LENGTH_M * pitch.ahead[person], pitch.rng.normal(0, 2)])
        return _block(pitch, person, at_goal, 1.0)
    return _strike(pitch, person, pitch.rng.uniform(19, 27))


def _strike(pitch: Pitch, person: int, speed: float) -> Turn:
    """Let the ball go at the goal, in m/s: in, saved, or wide."""
    rng, ahead = pitch.rng, pitch.ahead[person]
    keeper = KEEPERS[1 if ahead > 0 else 0]
    chance = rng.random()
    is_wide, is_saved = chance > 0.6, 0.3 < chance <= 0.6
    y = rng.choice([-1, 1]) * rng.uniform(4.2, 9) if is_wide else rng.uniform(-3.4, 3.4)
    z = rng.uniform(BALL_RADIUS_M, 4.5 if is_wide else 2.2)
    end = np.array([HALF_LENGTH_M * ahead, y, z])
    duration_s = float(np.hypot(*(end[:2] - pitch.ball[:2]))) / speed
    cues = []
    if rng.random() < 0.85:
        cues.append((LEAD[Act.DIVE], lambda: pitch.act(keeper, Act.DIVE)))
    if is_saved:
        end[0] -= ahead * 0.8
        pitch.fly(end, duration_s, 0.3, 0.1, runners={keeper: end[:2]}, cues=cues)
        pitch.reach(keeper, end)
        return keep(pitch, keeper)
    stands = np.array([51.0 * ahead, y * 0.6])
    pitch.fly(end, duration_s, 0.3, 0.1, runners={keeper: stands}, cues=cues)
    if is_wide:
        return out(pitch, None, taker_side=1 - int(pitch.team[person]))
    return goal(pitch, person, float(y))


def _on_ground(where: Metres) -> Metres:
    return np.array([where[0], where[1], BALL_RADIUS_M])
