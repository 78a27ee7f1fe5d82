"""Proposed cuts: takes between hard cuts, stretches with sound, or highlights that were found.

The unit is one stretch [start, end) of frames of a video, worked out when it is asked for. Knows
nothing about labels: what is kept of it is the person's to say.
"""

from pathlib import Path
from typing import Any

WAYS = ("scenes", "sound", "highlights")


def propose(
    path: Path, by: str, start: int, end: int, least_s: float, quiet_db: float
) -> dict[str, Any]:
    """Return `{"ranges": [[start, end], …], "why": …}`; `why` says why there are none.

    Highlights come with `sports`, one for each range.

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
    if by == "highlights":
        return _highlights(path, start, end)
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


def _highlights(path: Path, start: int, end: int) -> dict[str, Any]:
    """What `workbench highlights` has found in this very video, in order of time."""
    from workbench.errors import DatasetError
    from workbench.footage.video_info import content_digest
    from workbench.saving import reading

    none: dict[str, Any] = {"ranges": [], "sports": []}
    file = path.with_name(f"{path.stem}_highlights") / "highlights.json"
    if not file.is_file():
        why = f"No highlights of it are known: workbench highlights {path.name} finds some."
        return none | {"why": why}
    try:
        with reading(file, "a list of highlights", "find them anew") as said:
            if said["source_id"] != content_digest(path):
                return none | {"why": "The highlights beside it are of another video."}
            rows = [
                ([int(row["start_frame"]), int(row["end_frame"])], str(row["sport"]))
                for row in said["highlights"]
                if row["start_frame"] < end and row["end_frame"] > start
            ]
    except DatasetError as error:
        return none | {"why": str(error)}
    why = "" if rows else "No highlight was found here."
    return {"ranges": [ends for ends, _ in rows], "sports": [own for _, own in rows], "why": why}
