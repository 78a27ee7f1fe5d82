"""Who has the ball: people followed through a clip, the ball's distance to each, the shooter.

The unit is one clip's labels. People are called P1, P2 … in the order in which they appear, from
the left where several appear at once, whatever their track ids are. Distances are measured in balls
from the rim of the ball to a person's mask (to the box where there is no mask). Of two people in
one line of sight the one is taken whose feet are nearer to the ball's height.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.detect.detections import Detection
from workbench.detect.store import ClipDetections
from workbench.shots.ball.events import find_events
from workbench.shots.ball.track import ball_size_px, check_track, flag_outliers
from workbench.shots.goal.corners import inside_goal, order_corners
from workbench.shots.players.linking import link_boxes

TAKE_BALLS = 0.6  # a ball this near is somebody's …
KEEP_BALLS = 1.5  # … until it is farther than this

_SHORTEST_S = 0.2  # that somebody must be seen to get a name: shorter tracks are mistakes
_LONGEST_GAP_S = 0.5  # that somebody may be unseen and still be the same
_REACH_BALLS = 3.0  # between the shooter and the ball at contact, at most
_BEFORE_CONTACT_S = 0.17  # in which the shooter is nearest to the ball
_FAR_BALLS = 6.0  # beyond, the distance to the box will do

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class People:
    """Everybody in a clip, by name.

    Attributes:
        table: One row per person and frame: `frame`, `track_id`, `player`, `x0`, `y0`, `x1`, `y1`
            (pixels), `score`; in order of frames, then names.
    """

    table: pd.DataFrame
    _labels: dict[int, dict[str, Detection]]  # by frame, then name

    @property
    def players(self) -> tuple[str, ...]:
        """Names in order of appearance."""
        return tuple(sorted(self.table["player"].unique(), key=lambda name: int(name[1:])))

    def in_frame(self, frame: int) -> tuple[str, ...]:
        """Names of those who are seen in a frame."""
        return tuple(self._labels.get(frame, ()))

    def box(self, frame: int, player: str) -> Floats | None:
        """Left, top, right, bottom (4,) in pixels, or None where the player is not seen."""
        label = self._labels.get(frame, {}).get(player)
        return None if label is None else _box(label)

    def mask(self, frame: int, player: str) -> Mask | None:
        """The player's mask (H, W), or None where the player is not seen or has none."""
        label = self._labels.get(frame, {}).get(player)
        return None if label is None else label.pixels()


@dataclass(frozen=True)
class Shooter:
    """Who struck the ball, and when."""

    player: str
    track_id: int
    contact_frame: float  # may lie between two frames
    gap_balls: float  # least distance to the ball around the contact
    reason: str


def follow_people(labels: ClipDetections, fps: float) -> People:
    """Name everybody in a clip.

    Track ids are taken from the labels; where a label lacks one, everybody is linked anew by the
    overlap of boxes from frame to frame (`linking`).

    Args:
        labels: Labels of the clip.
        fps: Frames per second.
    """
    people = [labels.of_class(frame, "person") for frame in range(len(labels.frames))]
    ids = [[label.track_id for label in found] for found in people]
    if any(number is None or number < 0 for found in ids for number in found):
        boxes = [np.array([_box(label) for label in found]).reshape(-1, 4) for found in people]
        ids = [[*row] for row in link_boxes(boxes, round(_LONGEST_GAP_S * fps))]
    sightings: dict[int, list[tuple[int, Detection]]] = {}
    for frame, (found, numbers) in enumerate(zip(people, ids, strict=True)):
        for label, number in zip(found, numbers, strict=True):
            if number is not None:
                sightings.setdefault(int(number), []).append((frame, label))
    lasting = {
        number: seen
        for number, seen in sightings.items()
        if len(seen) >= min(_SHORTEST_S * fps, len(labels.frames))
    }
    # By the place of their first sighting, never by their number, which means nothing.
    order = sorted(
        lasting, key=lambda number: (lasting[number][0][0], *_box(lasting[number][0][1]))
    )
    rows: list[tuple[Any, ...]] = []
    by_name: dict[int, dict[str, Detection]] = {}
    for place, number in enumerate(order, start=1):
        for frame, label in lasting[number]:
            by_name.setdefault(frame, {})[f"P{place}"] = label
            rows.append((frame, number, f"P{place}", *_box(label), label.score))
    columns = ["frame", "track_id", "player", "x0", "y0", "x1", "y1", "score"]
    table = pd.DataFrame(rows, columns=columns).astype({"score": float})
    table = table.sort_values("frame", kind="stable").reset_index(drop=True)
    return People(table, by_name)


def find_possession(track: pd.DataFrame, people: People) -> pd.DataFrame:
    """Say who has the ball in each frame.

    With hysteresis: a ball nearer than `TAKE_BALLS` becomes the nearest player's and stays so until
    it is farther than `KEEP_BALLS` or nearer to another one.

    Returns:
        One row per row of the track that is no outlier: `frame`, `player` (None: nobody's ball),
        `nearest` (who is nearest, None: nobody is seen) and `gap_balls`, the distance to them.
    """
    track = check_track(track)
    track = track[~flag_outliers(track)]
    size_px = ball_size_px(track) if len(track) else 1.0
    owner: str | None = None
    rows: list[tuple[int, str | None, str | None, float]] = []
    for frame, x, y in track[["frame", "x", "y"]].itertuples(index=False):
        gaps = _gaps(people, int(frame), np.array([x, y]), size_px)
        nearest = _nearest(people, int(frame), float(y), gaps)
        if owner is not None and gaps.get(owner, np.inf) > KEEP_BALLS:
            owner = None
        if nearest is not None and gaps[nearest] <= TAKE_BALLS:
            held = gaps.get(owner, np.inf) if owner is not None else np.inf
            owner = nearest if gaps[nearest] < held or owner is None else owner
        rows.append((int(frame), owner, nearest, gaps[nearest] if nearest else float("nan")))
    return pd.DataFrame(rows, columns=["frame", "player", "nearest", "gap_balls"])


def find_shooter(
    track: pd.DataFrame,
    people: People,
    *,
    fps: float,
    goal_corners_px: NDArray[np.float64] | None = None,
    kick_frame: float | None = None,
) -> Shooter | None:
    """Find who shot: nearest to the ball as its flight began, else the last to touch it.

    Args:
        track: Ball track, see `ball.track.TRACK_COLUMNS`.
        people: Everybody in the clip.
        fps: Frames per second.
        goal_corners_px: Corners of the goal (4, 2) in any order; touches after the ball arrived
            there are the goalkeeper's.
        kick_frame: Contact, where it is known; else the kick among the track's events.

    Returns:
        The shooter, or None where nobody is near the ball, or nothing looks like a shot: neither a
        kick nor a ball that arrives at the goal.
    """
    possession = find_possession(track, people)
    if kick_frame is None:
        kicks = [e.frame for e in find_events(track, fps=fps) if e.kind == "kick"]
        kick_frame = kicks[0] if kicks else None
    if kick_frame is not None:
        near = possession[
            (possession["frame"] >= kick_frame - _BEFORE_CONTACT_S * fps)
            & (possession["frame"] <= kick_frame + 1)
            & (possession["gap_balls"] <= _REACH_BALLS)
        ]
        if len(near):
            # Nearest over the whole time, not in one frame: somebody may run through the picture.
            gaps = {str(name): rows["gap_balls"] for name, rows in near.groupby("nearest")}
            best = max(gaps, key=lambda name: float((_REACH_BALLS - gaps[name]).sum()))
            reason = f"{best} is nearest to the ball at the kick."
            return _shooter(people, best, kick_frame, float(gaps[best].min()), reason)
    arrival = float("inf") if goal_corners_px is None else _arrival(track, goal_corners_px)
    end = arrival if kick_frame is None else min(arrival, kick_frame + 2)
    touches = possession[possession["player"].notna() & (possession["frame"] < end)]
    if touches.empty or not np.isfinite(end):
        return None
    last = touches.iloc[-1]
    contact = float(last["frame"]) if kick_frame is None else kick_frame
    reason = f"{last['player']} is the last to touch the ball before it arrives."
    return _shooter(people, str(last["player"]), contact, float(last["gap_balls"]), reason)


def _shooter(people: People, player: str, frame: float, gap_balls: float, reason: str) -> Shooter:
    own = people.table[people.table["player"] == player]
    return Shooter(player, int(own["track_id"].iloc[0]), frame, gap_balls, reason)


def _arrival(track: pd.DataFrame, goal_corners_px: NDArray[np.float64]) -> float:
    """Frame in which the ball comes into the goal's picture; infinite if it never does."""
    kept = check_track(track)
    kept = kept[~flag_outliers(kept)]
    inside = inside_goal(kept[["x", "y"]].to_numpy(float), order_corners(goal_corners_px))
    came = np.flatnonzero(inside[1:] & ~inside[:-1]) + 1
    return float(kept["frame"].iloc[came[0]]) if len(came) else float("inf")


def _gaps(people: People, frame: int, ball: Floats, size_px: float) -> dict[str, float]:
    """Distance in balls from the ball's rim to everybody in a frame, 0 where they touch."""
    gaps = {}
    for player in people.in_frame(frame):
        box = people.box(frame, player)
        assert box is not None
        outside = np.maximum(np.maximum(box[:2] - ball, ball - box[2:]), 0)
        distance = float(np.hypot(*outside))
        if distance < _FAR_BALLS * size_px:
            mask = people.mask(frame, player)
            if mask is not None and mask.any():
                distance = _to_mask(mask, box, ball)
        gaps[player] = max(0.0, distance / size_px - 0.5)
    return gaps


def _to_mask(mask: Mask, box: Floats, ball: Floats) -> float:
    x0, y0 = (int(value) for value in np.floor(box[:2]))
    x1, y1 = (int(value) for value in np.ceil(box[2:]))
    rows, columns = mask[max(0, y0) : y1, max(0, x0) : x1].nonzero()
    if len(rows) == 0:
        return float("inf")
    return float(
        np.hypot(columns + max(0, x0) + 0.5 - ball[0], rows + max(0, y0) + 0.5 - ball[1]).min()
    )


def _nearest(people: People, frame: int, ball_y: float, gaps: dict[str, float]) -> str | None:
    """Who is nearest; of several who touch the ball, whose feet are nearest its height."""
    if not gaps:
        return None

    def key(player: str) -> tuple[float, float]:
        box = people.box(frame, player)
        assert box is not None
        return max(gaps[player], TAKE_BALLS), abs(float(box[3]) - ball_y)

    return min(gaps, key=key)


def _box(label: Detection) -> Floats:
    return np.array(label.xyxy, float)
