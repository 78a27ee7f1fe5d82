"""Windows around kicks in long footage: where a ball near a foot is suddenly fast.

The unit is a part of a video without a cut. It is labelled stretch by stretch, so that memory does
not grow with its length, and only boxes are kept. A kick proposes a window with what its analysis
needs: the run-up, and the flight to its end. Knows nothing about goals and verdicts.
"""

from collections.abc import Iterator
from dataclasses import replace

from workbench.detect.detections import BALL, PERSON
from workbench.detect.store import ClipDetections
from workbench.detect.teacher import Past, Seen, Teacher, split_frames
from workbench.footage.clips import Clip
from workbench.footage.cut import clip_row
from workbench.footage.ingest import Propose
from workbench.footage.steady import steadiness
from workbench.footage.steadyview import SteadyView
from workbench.footage.video_info import VideoInfo
from workbench.shots.ball.kicked import find_kicked
from workbench.shots.ball.sightings import sight_balls
from workbench.shots.evidence import is_kick
from workbench.shots.players.people import follow_people

BEFORE_S, AFTER_S = 1.5, 2.5  # of a window, around the kick
_APART_S = 1.0  # between kicks; touches of a dribble are nearer
_STRETCH_S, _SHARED_S = 20.0, 5.0  # looked at together, and with the stretch after it


def around_kicks(teacher: Teacher) -> Propose:
    """Return what proposes windows around kicks to `footage.ingest`, as this teacher sees them.

    A part without a kick gets no proposal, nor one that the teacher cannot label because its camera
    moves: detectors miss small fast balls, and what they do not see may have happened all the same.
    """

    def propose(info: VideoInfo, first: int, last: int) -> list[tuple[int, int]] | None:
        clip = _as_clip(info, first, last)
        # A part of a video is not steadied: whoever needs no fixed camera looks at it as it is.
        seen = clip if clip.camera == "fixed" else replace(clip, camera="unsteady")
        own = teacher.for_clip(seen)
        if own.needs_fixed_camera and clip.camera != "fixed":
            return None
        kicks = _kicks(info, first, last, own)
        return windows_around(kicks, float(info.fps), first, last) if kicks else None

    return propose


def windows_around(kicks: list[float], fps: float, first: int, last: int) -> list[tuple[int, int]]:
    """Return frames [start, end) around kicks, within [first, last).

    Example:
        >>> windows_around([10.0, 100.0], 30.0, 0, 120)
        [(0, 85), (55, 120)]
    """
    return [
        (max(first, round(kick - BEFORE_S * fps)), min(last, round(kick + AFTER_S * fps)))
        for kick in kicks
    ]


def _as_clip(info: VideoInfo, first: int, last: int) -> Clip:
    """The part as a clip of its own, for a teacher to know its camera."""
    name = str(info.path)
    clip = clip_row(name, info, info.path.parent, info, (first, last), name)
    found = steadiness(info.path, start=first, stop=last)
    return replace(clip, camera=found.camera, camera_reason=found.reason)


def _kicks(info: VideoInfo, first: int, last: int, teacher: Teacher) -> list[float]:
    """The frames of kicks, of which none is nearer to another than `_APART_S`."""
    fps = float(info.fps)
    found: list[float] = []
    for begin, frames in _stretches(info, first, last, teacher):
        named = str(info.path), str(info.path), teacher.name, info.width, info.height
        labels = ClipDetections(
            *named, [one.found for one in frames], [one.candidates for one in frames]
        )
        people = follow_people(labels, fps)
        balls = sight_balls(labels, SteadyView(), people, fps)
        for kick in find_kicked(balls, fps=fps):  # the likeliest first
            frame = begin + kick.kick_frame
            if is_kick(kick) and all(abs(frame - other) >= _APART_S * fps for other in found):
                found.append(frame)
    return sorted(found)


def _stretches(
    info: VideoInfo, first: int, last: int, teacher: Teacher
) -> Iterator[tuple[int, list[Seen]]]:
    """Yield the first frame of each stretch and what is found in its frames, boxes alone."""
    fps = float(info.fps)
    long, shared = round(_STRETCH_S * fps), round(_SHARED_S * fps)
    past, held, begin = Past(), list[Seen](), first
    for part in split_frames(last - first, teacher.window_frames):
        window = range(first + part.start, first + part.stop)
        seen = list(teacher.look_window(info.path, window, past))
        past = past.after([one.found for one in seen])
        held += [_boxes(one) for one in seen]
        if len(held) >= long:
            yield begin, held
            begin, held = begin + len(held) - shared, held[-shared:]
    if held:
        yield begin, held


def _boxes(seen: Seen) -> Seen:
    """People and balls of a frame, without their masks."""
    found = [replace(one, mask=None) for one in seen.found if one.class_name in (BALL, PERSON)]
    return replace(seen, found=tuple(found))
