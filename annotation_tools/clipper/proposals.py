"""Proposed cuts: takes between hard cuts, or stretches with sound between silences.

The unit is one stretch [start, end) of frames of a video, worked out when it is asked for. Knows
nothing about labels: what is kept of it is the person's to say.
"""

from pathlib import Path
from typing import Any

WAYS = ("scenes", "sound")


def propose(
    path: Path, by: str, start: int, end: int, least_s: float, quiet_db: float
) -> dict[str, Any]:
    """Return `{"ranges": [[start, end], …], "why": …}`; `why` says why there are none.

    Args:
        path: The video.
        by: One of `WAYS`.
        start: The first frame to look at.
        end: Past the last one.
        least_s: The shortest stretch to propose.
        quiet_db: What counts as silence, in dB of full scale.

    Raises:
        FootageError: If the video cannot be read.
        FrameRangeError: If it has no such frames.
    """
    from workbench.footage.cuts import find_takes
    from workbench.footage.silence import find_sounding
    from workbench.footage.video_info import probe

    info = probe(path)
    end = min(end, info.frame_count)
    if by == "scenes":
        found = find_takes(path, start, end).takes
        if len(found) == 1:
            return {"ranges": [], "why": "There is no hard cut here: it is one take."}
        shorter = "All takes are shorter than that."
    elif not info.has_audio:
        return {"ranges": [], "why": "This video has no sound."}
    else:
        found = find_sounding(info, start, end, quiet_db)
        if list(found) == [(start, end)]:
            return {"ranges": [], "why": f"It is never quieter than {quiet_db:g} dB for long."}
        shorter = f"Nothing as long as that is louder than {quiet_db:g} dB."
    long_enough = [one for one in found if (one[1] - one[0]) / info.fps >= least_s]
    return {"ranges": long_enough, "why": "" if long_enough else shorter}
