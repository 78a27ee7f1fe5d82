"""The evidence that a verdict needs: a steady picture, a goal, a ball, a kick, a shooter.

The unit is one analysed shot. What is missing is said with what would help; where nobody shoots,
that is the answer. Knows nothing about how a verdict is reached.
"""

from dataclasses import dataclass, replace

import numpy as np

from workbench.footage.pinhole import Floats
from workbench.footage.steadyview import SteadyView
from workbench.shots.ball.track import BallTrack
from workbench.shots.goal.corners import GoalView, distance_to_goal, order_corners
from workbench.shots.players.people import People
from workbench.shots.players.possession import Shooter
from workbench.shots.verdict import ShotVerdict

_FEWEST_BALLS = 5  # frames in which the ball is seen
_FEWEST_IN_FLIGHT = 8  # that a decided verdict rests on; on real shots fewer were decided wrong
_LEAST_SCORE = 0.3  # of the ball, in the median from the kick on
_FOLLOWED, _SURE_SCORE = 0.7, 0.5  # share of frames and score of a ball that is surely not kicked
_LEAST_APPROACH = 0.5  # of the distance at the kick: what stays farther away, and …
_SEEN_AFTER = 10  # … is seen in so many frames after it was nearest, is no shot
_FEET = 0.4  # share of a person's height, from the top, above which there are no feet


@dataclass(frozen=True)
class Missing:
    """Why there is no verdict."""

    problem: str  # the end of a sentence
    remedy: str  # what would help; empty where nothing needs help
    no_shot: bool = False  # the answer is that nobody shoots


def missing_evidence(
    view: SteadyView,
    goal: GoalView,
    track: BallTrack,
    people: People,
    shooter: Shooter | None,
    *,
    told_kick: float | None = None,
) -> Missing | None:
    """Say what a verdict lacks; None where it lacks nothing.

    Args:
        view: In which goal and track are.
        goal: Its corners.
        track: The ball.
        people: In the frames themselves.
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
        if _is_followed(track):
            return Missing("nobody kicks the ball", _TELL_KICK, no_shot=True)
        return Missing("nobody is seen to kick the ball", _TELL_KICK)
    flight = track.take(track.frames >= kick)
    score = float(np.median(flight.score)) if len(flight) else 0.0
    if len(flight) < _FEWEST_BALLS:
        return Missing(f"the ball is seen in only {len(flight)} frames after the kick", _SEE_BALL)
    if score < _LEAST_SCORE:
        return Missing(f"what is taken for the ball is no sure ball (score {score:.2f})", _SEE_BALL)
    if shooter is None or told_kick is not None:
        return None
    if not _is_at_feet(track, view, people, shooter):
        problem = f"the ball is not at {shooter.player}'s feet as it gets fast"
        return Missing(problem, _TELL_KICK)
    if not _comes_near(track, kick, order_corners(goal.corners_px)):
        if _is_followed(track) and _is_seen_on(track, kick, order_corners(goal.corners_px)):
            return Missing("the kicked ball goes elsewhere than to the goal", "", no_shot=True)
        return Missing("the ball is lost from sight on its way to the goal", _SEE_BALL)
    return None


_SEE_BALL = "film nearer, in better light, or click the ball"
_TELL_KICK = "if somebody shoots, tell the kick (workbench serve goals)"
_CLICK_GOAL = "if it is in the picture, click its corners (workbench serve goals)"


def with_flight(verdict: ShotVerdict) -> ShotVerdict:
    """The verdict, if it rests on a flight that was seen long enough; else one that abstains."""
    seen = verdict.details.get("features", {}).get("flight_observations", np.inf)
    if verdict.abstained or seen >= _FEWEST_IN_FLIGHT:
        return verdict
    reason = f"Can't tell, because the ball is seen in only {seen:.0f} frames of its flight."
    return replace(verdict, abstained=True, reason=reason, remedy=_SEE_BALL)


def _is_followed(track: BallTrack) -> bool:
    """Whether it surely is the ball, nearly throughout: else nobody knows that none is shot."""
    share = len(track) / (track.frames[-1] - track.frames[0] + 1)
    return bool(share >= _FOLLOWED and np.median(track.score) >= _SURE_SCORE)


def _is_at_feet(track: BallTrack, view: SteadyView, people: People, shooter: Shooter) -> bool:
    """Whether the ball is in the lower part of the shooter's box at the contact."""
    rows = people.table[people.table["player"] == shooter.player]
    if not len(rows):
        return False
    row = int(np.argmin(np.abs(track.frames - shooter.contact_frame)))
    ball = view.to_frame(int(track.frames[row]), track.xy[row])[0]
    nearest = int(np.argmin(np.abs(rows["frame"].to_numpy() - shooter.contact_frame)))
    top, bottom = rows[["y0", "y1"]].to_numpy(float)[nearest]
    return bool(ball[1] > top + _FEET * (bottom - top))


def _comes_near(track: BallTrack, kick: float, corners: Floats) -> bool:
    """Whether the kicked ball is seen near the goal, or much nearer than it was."""
    off, after = distance_to_goal(track.xy, corners), track.frames >= kick
    height = float(np.hypot(*(corners[1] - corners[0])) + np.hypot(*(corners[2] - corners[3]))) / 2
    at_kick = off[int(np.argmin(np.abs(track.frames - kick)))]
    return bool(off[after].min() <= max(height / 2, _LEAST_APPROACH * at_kick))


def _is_seen_on(track: BallTrack, kick: float, corners: Floats) -> bool:
    """Whether the ball is still followed after it was nearest to the goal."""
    after = track.take(track.frames >= kick)
    nearest = int(np.argmin(distance_to_goal(after.xy, corners)))
    return len(after) - 1 - nearest >= _SEEN_AFTER
