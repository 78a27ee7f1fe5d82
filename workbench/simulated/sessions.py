"""Built-in footage: sessions of clips on disk, with truth, from a seed.

An action session is one place and its people, filmed hand-held; its clips show the classifier's
four classes in equal shares. A shooting session is one tripod in front of a goal. Every clip is
drawn from (seed, session, clip) alone, so clips can be made in any order and by several
processes.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from workbench.engines.each import every
from workbench.engines.engine import Engine
from workbench.errors import DatasetError, FootageError
from workbench.footage.clips import Clip, save_clips
from workbench.footage.pinhole import Camera, Floats
from workbench.footage.writer import VideoWriter
from workbench.saving import reading
from workbench.simulated.acts import SPORTS, draw_act, draw_temper
from workbench.simulated.renderer import Optics, Renderer
from workbench.simulated.scene import Scene
from workbench.simulated.staging import draw_cast, draw_place, stage_act, stage_shot
from workbench.simulated.technique import KNEES, true_phases, true_technique
from workbench.simulated.truth import TruthRecorder
from workbench.simulated.venue import VENUES, Venue, draw_venue

# Raise when the same seed would give other pictures: files made before are then made anew.
GENERATOR = "workbench-synthetic/4"

_FRAME_RATES = (Fraction(30), Fraction(30), Fraction(30000, 1001), Fraction(25))
_CRF = 20  # phones do not save on bits
# Action clips are for classifiers, which look at about 128 pixels of height: smaller pictures than
# those in which a ball is looked for take a third of the time and tell the classes as well.
_ACTION_SCALE = 0.6
_KINDS = {"action": 0, "shooting": 1}
_CAMERA = {"action": ("unsteady", "that shakes"), "shooting": ("fixed", "that stands still")}


@dataclass(frozen=True)
class ClipJob:
    """One clip to be made."""

    kind: Literal["action", "shooting"]
    session: int
    number: int
    seed: int
    width: int
    height: int
    camera_m: float | None = None  # of a shooting session; drawn if not given

    @property
    def session_id(self) -> str:
        """Name of the session, such as action03."""
        return f"{self.kind}{self.session:02d}"

    @property
    def clip_id(self) -> str:
        """Name of the clip, such as action03_007."""
        return f"{self.session_id}_{self.number:03d}"

    def rng(self, *purpose: int) -> np.random.Generator:
        """Generator for a purpose within this session."""
        return np.random.default_rng([self.seed, _KINDS[self.kind], self.session, *purpose])


def make_footage(
    out_dir: Path,
    *,
    sessions: int = 8,
    clips: int = 24,
    shooting_sessions: int = 2,
    shots: int = 6,
    seed: int = 0,
    size_wh: tuple[int, int] = (640, 360),
    camera_m: float | None = None,
    engine: Engine | str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Clip]:
    """Render sessions into `out_dir`: `clips/*.mp4`, `truth/*.json` and `clips.json`.

    Clips that are there already, made with the same settings, are kept: an interrupted run goes on
    where it stopped.

    Args:
        out_dir: Folder for the footage; made if absent.
        sessions: Action sessions, alternating between the two venues.
        clips: Clips in each action session, in equal shares of the four classes.
        shooting_sessions: Shooting sessions, alternating between the two venues.
        shots: Shots in each shooting session.
        seed: Same seed, same footage.
        size_wh: Width and height in pixels, both even, of shooting sessions; action sessions have
            0.6 of it.
        camera_m: How far the camera of a shooting session stands from the spot of the shots, in
            metres: what makes the ball small. Drawn per session, 5.5 to 9 m, if not given.
        engine: Where clips are rendered (`make_engine`).
        on_progress: Called with clips done and clips in all, after each.

    Returns:
        The clips, sorted by id.

    Raises:
        FootageError: If a number is negative, nothing is asked for, or the folder cannot be used.
    """
    asked = {"sessions": sessions, "clips": clips, "shooting_sessions": shooting_sessions,
             "shots": shots, "seed": seed}  # fmt: skip
    negative = [name for name, number in asked.items() if number < 0]
    if negative:
        raise FootageError(f"{negative[0]} is {asked[negative[0]]}", "give zero or more")
    width, height = size_wh
    if camera_m is not None and not 2 <= camera_m <= 100:
        raise FootageError(f"camera_m is {camera_m}", "give metres from 2 to 100")
    if width < 64 or height < 64 or width % 2 or height % 2:
        raise FootageError(f"{width}×{height} is not a video size", "give even sides of 64 or more")
    action_wh = [2 * round(side_px * _ACTION_SCALE / 2) for side_px in size_wh]
    jobs = [
        ClipJob("action", s, c, seed, *action_wh) for s in range(sessions) for c in range(clips)
    ]
    jobs += [
        ClipJob("shooting", s, c, seed, width, height, camera_m)
        for s in range(shooting_sessions)
        for c in range(shots)
    ]
    if not jobs:
        raise FootageError("no clip was asked for", "give at least one session with one clip")
    if out_dir.exists() and not out_dir.is_dir():
        raise FootageError(f"{out_dir} is a file", "give a folder")
    work = {job.clip_id: (job, out_dir) for job in jobs}
    told = None if on_progress is None else lambda _, done: on_progress(done, len(jobs))
    made = [*every(_make, work, "clips", told, engine=engine).values()]
    save_clips(out_dir, made)
    return sorted(made, key=lambda clip: clip.clip_id)


def make_clip(job: ClipJob, out_dir: Path) -> Clip:
    """Render one clip and its truth, unless they are there already."""
    video, truth = out_dir / f"clips/{job.clip_id}.mp4", out_dir / f"truth/{job.clip_id}.json"
    settings = {name: value for name, value in asdict(job).items() if value is not None}
    made_with = {"generator": GENERATOR, **settings}
    shoot = _prepare_action(job) if job.kind == "action" else _prepare_shot(job)
    if not (video.exists() and _made_with(truth) == made_with):
        truth.unlink(missing_ok=True)  # the truth is written last: it says that the video is whole
        recorder = TruthRecorder(job.clip_id, shoot.optics.fps, shoot.venue)
        renderer = Renderer(shoot.venue, shoot.camera, shoot.optics, job.rng(2, job.number))
        with VideoWriter(video, (job.width, job.height), shoot.optics.fps, crf=_CRF) as writer:
            for frame in renderer.film(shoot.scene, shoot.frame_count):
                writer.write(frame.image)
                recorder.add(frame)
        recorder.save(truth, {"made_with": made_with, **shoot.what_happens})
    return Clip(
        clip_id=job.clip_id,
        file=f"clips/{job.clip_id}.mp4",
        source=f"clips/{job.clip_id}.mp4",
        session=job.session_id,
        start_frame=0,
        end_frame=shoot.frame_count,
        start_pts=0,
        end_pts=shoot.frame_count,
        time_base=1 / shoot.optics.fps,
        fps=shoot.optics.fps,
        width=job.width,
        height=job.height,
        sport=shoot.what_happens["sport"],
        venue=shoot.venue.name,
        camera=_CAMERA[job.kind][0],
        camera_reason=f"Rendered with a camera {_CAMERA[job.kind][1]}.",
        truth=f"truth/{job.clip_id}.json",
    )


@dataclass(frozen=True)
class _Shoot:
    venue: Venue
    camera: Camera
    optics: Optics
    scene: Scene
    frame_count: int
    what_happens: dict[str, Any]


def _prepare_action(job: ClipJob) -> _Shoot:
    rng = job.rng(0)  # the same for every clip of the session
    venue = draw_venue(rng, VENUES[job.session % 2], with_goal=bool(rng.random() < 0.6))
    cast = draw_cast(rng)
    fps = _FRAME_RATES[rng.integers(len(_FRAME_RATES))]
    # Equal shares of the classes, in an order that tells nothing.
    order = job.rng(3, job.number // len(SPORTS)).permutation(len(SPORTS))
    sport = SPORTS[order[job.number % len(SPORTS)]]
    rng = job.rng(1, job.number)
    duration_s = rng.uniform(1.2, 2.0)
    temper = draw_temper(rng, duration_s)
    act = draw_act(rng, sport, temper)
    scene, camera, left_handed = stage_act(rng, act, cast, venue, (job.width, job.height))
    optics = Optics(
        fps=fps,
        shutter=rng.uniform(0.2, 0.6),
        noise=rng.uniform(1.5, 6) * min(1.0, job.height / 360),  # a smaller picture averages more
        shake_px=rng.uniform(0.1, 1.2) * job.height / 360,
        soft=bool(rng.random() < 0.6),
    )
    what = {"sport": sport, "act": act.name, "left_handed": left_handed,
            "decisive_s": round(temper.at_s, 4)}  # fmt: skip
    if act.name in KNEES:

        def joints_at(t: float) -> Floats:
            return scene(t).people[0].joints

        what |= {
            "technique": true_technique(
                joints_at, act.name, "left" if left_handed else "right", temper.at_s
            ),
            "phases": true_phases(act.name, temper.at_s, temper.tempo, duration_s),
        }
    return _Shoot(venue, camera, optics, scene, round(duration_s * fps), what)


def _prepare_shot(job: ClipJob) -> _Shoot:
    rng = job.rng(0)
    venue = draw_venue(rng, VENUES[job.session % 2])
    place = draw_place(rng, venue, (job.width, job.height), job.camera_m)
    fps = _FRAME_RATES[rng.integers(len(_FRAME_RATES))]
    rng = job.rng(1, job.number)
    scene, shot = stage_shot(rng, place, venue)
    optics = Optics(fps=fps, shutter=rng.uniform(0.15, 0.5), noise=rng.uniform(1.5, 4),
                    shake_px=0.0, soft=bool(rng.random() < 0.6))  # fmt: skip
    phases = true_phases("shot", shot.contact_s, 1.0, 3.0)
    what = {"sport": "soccer", "act": "shot", "shot": asdict(shot), "phases": phases}
    return _Shoot(venue, place.camera, optics, scene, round(3.0 * fps), what)


def _make(work: tuple[ClipJob, Path]) -> Clip:
    cv2.setNumThreads(1)
    return make_clip(*work)


def _made_with(truth: Path) -> Any:
    with suppress(DatasetError), reading(truth) as content:
        return content["clip"]["made_with"]
    return None
