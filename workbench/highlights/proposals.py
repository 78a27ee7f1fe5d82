"""Proposals: the moments and places of a chunk at which more moves than around them.

The unit is one peak of motion in time and picture. Generous by design: what is not proposed here
no later stage can find.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter

from workbench.highlights.chunks import CELLS_WH, Chunk

_APART_S, _APART_CELLS = 0.5, 3  # of two peaks, to either side


@dataclass(frozen=True)
class Proposal:
    """A peak of motion."""

    place: int  # of its frame in the chunk
    time_s: float
    x: float  # 0 at the left edge, 1 at the right
    y: float  # 0 at the top
    strength: float  # grey levels


def propose(
    chunk: Chunk, least: float, most_per_minute: int
) -> tuple[list[Proposal], list[tuple[Proposal, str]]]:
    """Return the proposals of a chunk in order of time, and the peaks that are none, with reasons.

    Args:
        chunk: Peaks in its margins belong to its neighbours.
        least: Motion of a proposal, in grey levels.
        most_per_minute: The strongest are kept.
    """
    motion = chunk.motion
    if not len(motion):
        return [], []
    step_s = float(np.median(np.diff(chunk.times_s))) if len(motion) > 1 else 1.0
    reach = 2 * round(_APART_S / step_s) + 1
    highest = maximum_filter(motion, (reach, 2 * _APART_CELLS + 1, 2 * _APART_CELLS + 1))
    inside = (chunk.times_s >= chunk.start_s) & (chunk.times_s < chunk.end_s)
    places, rows, columns = np.nonzero((motion == highest) & (motion >= least / 2))
    peaks = [
        Proposal(
            int(place),
            round(float(chunk.times_s[place]), 3),
            round((column + 0.5) / CELLS_WH[0], 3),
            round((row + 0.5) / CELLS_WH[1], 3),
            round(float(motion[place, row, column]), 3),
        )
        for place, row, column in zip(places, rows, columns, strict=True)
        if inside[place]
    ]
    peaks.sort(key=lambda peak: -peak.strength)
    seconds = max(1.0, float(inside.sum()) * step_s)
    most = max(1, round(most_per_minute * seconds / 60))
    kept = [peak for peak in peaks if peak.strength >= least][:most]
    dropped = [
        (peak, f"motion {peak.strength:.1f} < {least:g}")
        if peak.strength < least
        else (peak, f"{most} stronger peaks in this minute")
        for peak in peaks[len(kept) :]
    ]
    return sorted(kept, key=lambda peak: peak.time_s), dropped
