"""The evidence that a verdict needs: a steady picture, a goal, a ball, a kick, a shooter.

The unit is one analysed shot. What is missing is said with what would help; where nobody shoots,
that is the answer. Knows nothing about how a verdict is reached.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from workbench.footage.pinhole import Floats
from workbench.footage.steadyview import SteadyView
from workbench.shots.ball.kicked import Kicked
from workbench.shots.ball.sightings import Sightings
from workbench.shots.ball.track import BallTrack
from workbench.shots.goal.corners import GoalView, distance_to_goal, order_corners
from workbench.shots.players.possession import Shooter
from workbench.shots.verdict import ShotVerdict

_FEWEST_BALLS = 5  # frames in which the ball is seen
_FEWEST_IN_FLIGHT = 8  # that a decided verdict rests on; on real shots fewer were decided wrong
_LEAST_NATS = 16.0  # for a kick against clutter
_LEAST_LEAD = 5.0  # nats of a kick over another ball that is kicked at about the same time …
_SAME_TIME_S = 1.0  # … within so long
_FIRST_ROWS = 5  # of a kick: what shares these is the same ball
_TOLD_WITHIN_S, _TOLD_SD_S = 0.3, 0.07  # of the kick as found, that a person has told
_FOLLOWED, _SURE_SCORE = 0.7, 0.5  # share of frames and score of a ball that is surely not kicked
_LEAST_EXPLAINED = 0.5  # of the sightings in flight; .54 holds for 95 % of right fits, simulated
_LEAST_SHOWN = 0.6  # … for the figures of a fit that is not sure of its verdict, either
_MOST_MISS_PX = 3.0  # in the median, of a picture 1920 wide; the fit takes 2 for noise
_FASTEST_KMH = 140.0  # that is believed of a shot
_SAME_EVENT_FRAMES = 4  # between what is seen and what is fitted
_ENDS = ("net", "post", "save", "deflection")  # of a free flight
_LOOK_FRAMES = 8  # before and after such an end
_LEAST_WAY = 2.0  # balls that it moves in these, for its velocity to be known …
_SAME_VELOCITY = 0.4  # … and share of it that differs, at most, where nothing ends
_AT_ONCE, _STRUCK = 5, 5.0  # sightings, in which a struck ball moves so many of its widths
_LEAST_APPROACH = 0.5  # of the distance at the kick: what stays farther away, and …
_SEEN_AFTER = 10  # … is seen in so many frames after it was nearest, is no shot


@dataclass(frozen=True)
class Missing:
    """Why there is no verdict."""

    problem: str  # the end of a sentence
    remedy: str  # what would help; empty where nothing needs help
    no_shot: bool = False  # the answer is that nobody shoots


def the_shot(
    kicks: Sequence[Kicked],
    seen: Sightings,
    goal: GoalView,
    *,
    fps: float,
    told_kick: float | None = None,
) -> Kicked | None:
    """Of all kicks in a clip, the likeliest first, choose the one that is the shot.

    The likeliest that goes to the goal; where none does, the likeliest. With what speaks for its
    rival. `told_kick` is when, where a person has told it. None where nothing is like a kick.
    """
    if told_kick is not None:
        near = [(abs(kick.kick_frame - told_kick) / fps, kick) for kick in kicks]
        near = [(off_s, kick) for off_s, kick in near if off_s <= _TOLD_WITHIN_S]
        near.sort(key=lambda one: (one[0] / _TOLD_SD_S) ** 2 / 2 - one[1].kick_nats)
        kicks = [kick for _, kick in near]
    else:
        kicks = [kick for kick in kicks if is_kick(kick)]
    if goal.corners_px is not None:
        corners = order_corners(goal.corners_px)
        to_goal = [kick for kick in kicks if _goes_to(seen.xy[list(kick.rows)], corners)]
        kicks = to_goal or kicks
    if not kicks:
        return None
    shot, *others = kicks
    rivals = [
        one.kick_nats
        for one in others
        if abs(one.kick_frame - shot.kick_frame) <= _SAME_TIME_S * fps
        and not {*one.rows[:_FIRST_ROWS]} & {*shot.rows}
    ]
    return replace(shot, rival_nats=max(rivals, default=None))


def is_kick(kick: Kicked) -> bool:
    """Whether it surely is no clutter, and at somebody's feet."""
    return kick.nats >= _LEAST_NATS and kick.at_foot


def missing_evidence(
    view: SteadyView,
    goal: GoalView,
    track: BallTrack,
    kicked: Kicked | None,
    shooter: Shooter | None,
    *,
    told_kick: float | None = None,
) -> Missing | None:
    """Say what a verdict lacks; None where it lacks nothing.

    Args:
        view: In which goal and track are.
        goal: Its corners.
        track: The ball.
        kicked: What speaks for the kick.
        shooter: Who struck the ball, and when.
        told_kick: When, where a person has told it: then somebody did shoot.
    """
    unsteady = view.why_not()
    if view.cuts:
        return Missing(f"{unsteady}", "cut the clip there (workbench serve clipper)")
    if goal.corners_px is None:
        return Missing("there is no goal in view", _CLICK_GOAL)
    if unsteady is not None:
        return Missing(unsteady, "film from one place; turning and zooming are fine")
    if len(track) < _FEWEST_BALLS:
        return Missing(f"the ball is seen in only {len(track)} frames", _SEE_BALL)
    kick = shooter.contact_frame if shooter and told_kick is None else told_kick
    if kick is None:
        if _is_followed(track) and not _goes_off(track):
            return Missing("nobody kicks the ball", _TELL_KICK, no_shot=True)
        return Missing("nobody is seen to kick the ball", _TELL_KICK)
    flight = track.take(track.frames >= kick)
    if len(flight) < _FEWEST_BALLS:
        return Missing(f"the ball is seen in only {len(flight)} frames after the kick", _SEE_BALL)
    rival = None if kicked is None else kicked.rival_nats
    if kicked is not None and rival is not None and kicked.kick_nats - rival < _LEAST_LEAD:
        return Missing("two balls could be the one that is kicked", _TELL_BALL)
    if shooter is None or told_kick is not None:
        return None
    if not _comes_near(track, kick, order_corners(goal.corners_px)):
        if _is_followed(track) and _is_seen_on(track, kick, order_corners(goal.corners_px)):
            return Missing("the kicked ball goes elsewhere than to the goal", "", no_shot=True)
        return Missing("the ball is lost from sight on its way to the goal", _SEE_BALL)
    return None


_SEE_BALL = "film nearer, in better light, or click the ball"
WHERE_TO_CLICK = " (workbench serve goals)"  # to do what a remedy asks for
_CHECK_GOAL = f"check the goal's corners and its size{WHERE_TO_CLICK}"
_TELL_BALL = f"click the ball in a few frames{WHERE_TO_CLICK}"
_TELL_KICK = f"if somebody shoots, tell the kick{WHERE_TO_CLICK}"
_CLICK_GOAL = f"if it is in the picture, click its corners{WHERE_TO_CLICK}"


def with_flight(verdict: ShotVerdict, track: BallTrack, kicked: Kicked | None) -> ShotVerdict:
    """The verdict, if the flight it rests on is the one that was seen; else one that abstains.

    Nothing is kept of a fit that does not: its speed, place and outcome would be believed.
    """
    lacks = _not_the_flight(verdict, track, kicked)
    if lacks is None:
        return verdict
    reason = f"Can't tell, because {lacks.problem}."
    return ShotVerdict.abstaining(verdict.method, reason, lacks.remedy)


def _not_the_flight(
    verdict: ShotVerdict, track: BallTrack, kicked: Kicked | None
) -> Missing | None:
    """What of a fitted flight does not go with what was seen of the ball."""
    features = verdict.details.get("features", {})
    seen = features.get("flight_observations", np.inf)
    if seen < _FEWEST_IN_FLIGHT:
        return Missing(f"the ball is seen in only {seen:.0f} frames of its flight", _SEE_BALL)
    explained = features.get("flight_trust", 1.0)
    if explained < (_LEAST_SHOWN if verdict.abstained else _LEAST_EXPLAINED):
        return Missing(
            f"the fitted flight explains only {explained:.0%} of what was seen of the ball",
            _CHECK_GOAL,
        )
    misses = features.get("miss_px", 0.0)
    if misses > _MOST_MISS_PX:
        return Missing(
            f"the fitted flight misses the ball by {misses:.1f} px, where two are usual",
            _CHECK_GOAL,
        )
    interval = verdict.speed_interval_kmh
    if interval is not None and interval[0] > _FASTEST_KMH:
        return Missing(
            f"the fitted speed, over {interval[0]:.0f} km/h, is more than anybody shoots",
            _CHECK_GOAL,
        )
    turn = None if kicked is None else kicked.turn_frame
    if turn is not None and verdict.path is not None:
        away = [abs(event.frame - turn) for event in verdict.events if event.kind != "kick"]
        if min(away, default=np.inf) > _SAME_EVENT_FRAMES:
            return Missing(f"the ball turns in frame {turn}, which the fit does not explain", "")
    ends = [event.frame for event in verdict.events if event.kind in _ENDS]
    if ends and _flies_on(track, ends[0]):
        return Missing("the ball flies on where the fitted flight ends", _CHECK_GOAL)
    return None


def _flies_on(track: BallTrack, frame: float) -> bool:
    """Whether the ball is seen to move on, past a frame, just as it did before."""
    before = track.take((track.frames < frame) & (track.frames >= frame - _LOOK_FRAMES))
    after = track.take((track.frames > frame) & (track.frames <= frame + _LOOK_FRAMES))
    if min(len(before), len(after)) < _LOOK_FRAMES // 2:
        return False
    was, goes_on = (np.polyfit(part.frames, part.xy, 1)[0] for part in (before, after))
    speed = float(np.hypot(*was))
    is_seen = speed * _LOOK_FRAMES > _LEAST_WAY * before.size_px
    return is_seen and bool(np.hypot(*(goes_on - was)) < _SAME_VELOCITY * speed)


def _is_followed(track: BallTrack) -> bool:
    """Whether it surely is the ball, nearly throughout: else nobody knows that none is shot."""
    share = len(track) / (track.frames[-1] - track.frames[0] + 1)
    return bool(share >= _FOLLOWED and np.median(track.score) >= _SURE_SCORE)


def _goes_off(track: BallTrack) -> bool:
    """Whether it moves as far at once as a ball that somebody has struck, seen or not."""
    way = np.hypot(*(track.xy[_AT_ONCE:] - track.xy[:-_AT_ONCE]).T)
    return bool((way > _STRUCK * track.size_px).any())


def _comes_near(track: BallTrack, kick: float, corners: Floats) -> bool:
    """Whether the kicked ball is seen near the goal, or much nearer than it was."""
    at_kick = int(np.argmin(np.abs(track.frames - kick)))
    return _goes_to(np.concatenate([track.xy[[at_kick]], track.xy[track.frames >= kick]]), corners)


def _goes_to(path: Floats, corners: Floats) -> bool:
    """Whether places (N, 2) come near the goal, or much nearer than the first, at the kick."""
    off = distance_to_goal(path, corners)
    height = float(np.hypot(*(corners[1] - corners[0])) + np.hypot(*(corners[2] - corners[3]))) / 2
    return bool(off.min() <= max(height / 2, _LEAST_APPROACH * off[0]))


def _is_seen_on(track: BallTrack, kick: float, corners: Floats) -> bool:
    """Whether the ball is still followed after it was nearest to the goal."""
    after = track.take(track.frames >= kick)
    nearest = int(np.argmin(distance_to_goal(after.xy, corners)))
    return len(after) - 1 - nearest >= _SEEN_AFTER
