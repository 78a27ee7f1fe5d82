"""The track of the kicked ball: its rest, its flight, and what became of it.

The unit is one clip's sightings and one kick. Before and after, the ball is followed from frame to
frame, nearest first; one that lies still may be out of sight for long.
"""

import numpy as np
import pandas as pd

from workbench.shots.ball.kicked import Kicked
from workbench.shots.ball.sightings import Sightings
from workbench.shots.ball.track import TRACK_COLUMNS, BallTrack, track_row

_GATE = 0.75  # sizes from where a ball is expected, and …
_AHEAD = 0.5  # … of the way that it was to make since it was seen
_PATIENCE_S = 0.5  # that a moving ball may be out of sight
_STILL = 3.0  # sizes per second; slower, it may be out of sight for as long as it likes
_STEADINESS = 0.5  # share of the old velocity in the new one
_ALIKE = 1.0  # doublings of its size, at most


def kicked_track(seen: Sightings, kicked: Kicked, *, fps: float) -> BallTrack:
    """Return the track of the ball of a kick, in the frames' own pixels."""
    rows = {int(seen.frames[row]): row for row in kicked.rows}
    for onwards in (False, True):
        rows |= _followed(seen, kicked.rows, onwards=onwards, fps=fps)
    table = [track_row(frame, seen.found[row]) for frame, row in sorted(rows.items())]
    return BallTrack.from_table(pd.DataFrame(table, columns=list(TRACK_COLUMNS), dtype=float))


def with_rest(track: BallTrack, kicked: Kicked) -> BallTrack:
    """Return the track with the ball where it lay, in the frames up to the kick that hide it."""
    table = track.to_table()
    before = table[table["frame"] <= kicked.kick_frame]
    if not len(before):
        return track
    last = before.iloc[-1]
    hidden = np.arange(int(last["frame"]) + 1, int(np.floor(kicked.kick_frame)) + 1)
    rows = pd.DataFrame([last] * len(hidden)).assign(frame=hidden)
    return BallTrack.from_table(pd.concat([table, rows]) if len(hidden) else table)


def _followed(
    seen: Sightings, rows: tuple[int, ...], *, onwards: bool, fps: float
) -> dict[int, int]:
    """Frame to row of the ball after the last of some sightings, or before the first."""
    row = rows[-1] if onwards else rows[0]
    frame, place, size = int(seen.frames[row]), seen.xy[row], float(seen.size_px[row])
    velocity = np.zeros(2)  # per frame, onwards or back
    if onwards and len(rows) > 1:
        lasted = frame - int(seen.frames[rows[-2]])
        velocity = (place - seen.xy[rows[-2]]) / lasted
    found: dict[int, int] = {}
    frames = range(frame + 1, seen.frame_count) if onwards else range(frame - 1, -1, -1)
    for now in frames:
        since = abs(now - frame)
        moves = float(np.hypot(*velocity)) * fps > _STILL * size
        if moves and since > _PATIENCE_S * fps:
            break
        low, high = np.searchsorted(seen.frames, [now, now + 1])
        if low == high:
            continue
        way = since * velocity
        off = np.hypot(*(seen.xy[low:high] - place - way).T)
        off[np.abs(np.log2(seen.size_px[low:high] / size)) > _ALIKE] = np.inf
        best = int(off.argmin())
        if off[best] > _GATE * size + _AHEAD * float(np.hypot(*way)):
            continue
        step = (seen.xy[low + best] - place) / since
        velocity = _STEADINESS * velocity + (1 - _STEADINESS) * step
        frame, place = now, seen.xy[low + best]
        found[now] = int(low + best)
    return found
