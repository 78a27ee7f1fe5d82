"""Windows around kicks in long footage: where a ball near a foot is suddenly fast.

The unit is a part of a video without a cut. It is looked at stretch by stretch, so that memory does
not grow with its length, only boxes are kept, and no flight swallows the kicks after it. A kick
proposes a window with what its analysis needs: the run-up, and the flight to its end. Knows nothing
about goals and verdicts.
"""

from collections.abc import Iterator
from dataclasses import replace

from workbench.detect.detections import BALL, PERSON
from workbench.detect.store import ClipDetections
from workbench.detect.teacher import Past, Seen, Teacher, split_frames
from workbench.footage.clips import Clip
from workbench.footage.cut import clip_row
from workbench.footage.ingest import Propose
from workbench.footage.steady import steadiness, steady
from workbench.footage.steadyview import SteadyView
from workbench.footage.timeline import Timeline
from workbench.footage.video_info import VideoInfo
from workbench.shots.ball.kicked import find_kicked
from workbench.shots.ball.sightings import sight_balls
from workbench.shots.evidence import is_kick
from workbench.shots.players.people import follow_people

BEFORE_S, AFTER_S = 1.5, 2.5  # of a window, around the kick
_APART_S = 1.0  # between kicks; touches of a dribble are nearer
_STRETCH_S, _SHARED_S = 4.0, 2.0  # looked at together, and with the stretch after it


def around_kicks(teacher: Teacher) -> Propose:
    """Return what proposes windows around kicks to `footage.ingest`, as this teacher sees them.

    A part without a kick gets no proposal, nor one that the teacher cannot label because its camera
    moves: detectors miss small fast balls, and what they do not see may have happened all the same.
    """

    def propose(info: VideoInfo, first: int, last: int) -> list[tuple[int, int]] | None:
        found = steadiness(info.path, start=first, stop=last)
        clip = replace(_as_clip(info, first, last), camera=found.camera)
        own = teacher.to_search(clip)
        if own.needs_fixed_camera and not clip.is_steadiable:
            return None
        view = SteadyView()
        if clip.camera == "steadied":
            seen = steady(info.path, found.reference, start=first, stop=last)
            view = SteadyView(found.reference, dict(seen))
        kicks = _kicks(info, first, last, own, view)
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
    """The part as a clip of its own."""
    name = str(info.path)
    return clip_row(name, info, info.path.parent, info, (first, last), name)


def _kicks(
    info: VideoInfo, first: int, last: int, teacher: Teacher, view: SteadyView
) -> list[float]:
    """The frames of kicks, of which none is nearer to a likelier one than `_APART_S`."""
    fps = float(info.fps)
    told: list[tuple[float, float]] = []  # nats and frame
    for begin, frames in _stretches(info, first, last, teacher, view):
        named = str(info.path), str(info.path), teacher.name, info.width, info.height
        labels = ClipDetections(
            *named, [one.found for one in frames], [one.candidates for one in frames]
        )
        people = follow_people(labels, fps)
        part = Timeline(tuple(range(begin, begin + len(frames))), fps)
        balls = sight_balls(labels, view.on(part), people, fps)
        kicks = filter(is_kick, find_kicked(balls, fps=fps))
        told += [(kick.kick_nats, begin + kick.kick_frame) for kick in kicks]
    found: list[float] = []
    for _, frame in sorted(told, reverse=True):
        if all(abs(frame - other) >= _APART_S * fps for other in found):
            found.append(frame)
    return sorted(found)


def _stretches(
    info: VideoInfo, first: int, last: int, teacher: Teacher, view: SteadyView
) -> Iterator[tuple[int, list[Seen]]]:
    """Yield the first frame of each stretch and what is found in its frames, boxes alone."""
    fps = float(info.fps)
    long, step = round(_STRETCH_S * fps), round((_STRETCH_S - _SHARED_S) * fps)
    past, held, begin = Past(view=None if view.frames is None else view), list[Seen](), first
    for part in split_frames(last - first, teacher.window_frames):
        window = range(first + part.start, first + part.stop)
        seen = list(teacher.look_window(info.path, window, past))
        past = past.after([one.found for one in seen])
        held += [_boxes(one) for one in seen]
        while len(held) >= long:
            yield begin, held[:long]
            begin, held = begin + step, held[step:]
    if held:
        yield begin, held


def _boxes(seen: Seen) -> Seen:
    """People and balls of a frame, without their masks."""
    found = [replace(one, mask=None) for one in seen.found if one.class_name in (BALL, PERSON)]
    return replace(seen, found=tuple(found))
