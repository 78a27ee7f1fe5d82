"""The page of one shot: video, verdict, key frames and figures in one file to send around.

Everything is inside the file, the video too where it is small; a large video stays beside it. The
page shows intervals, how the verdict was reached and why it abstained. Knows nothing about how
anything was found.
"""

import base64
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from PIL import Image as Picture

from workbench.detect.drawing import Image
from workbench.engines.each import every
from workbench.engines.engine import Engine
from workbench.footage.clips import Clip, origin_of
from workbench.footage.frames import sample_readable
from workbench.pages.page import render
from workbench.saving import save_text
from workbench.shots import words
from workbench.shots.analysed import ShotAnalysis
from workbench.shots.pictures.figures import draw_goal_mouth, draw_pitch_map, draw_speed_curve
from workbench.shots.pictures.keyframes import cut_moments, key_moments
from workbench.shots.pictures.overlay import ShotOverlay, save_overlay

INLINE_BYTES = 6_000_000  # a video up to this size goes into the page
_LEAST_OUTCOME = 0.01


def save_shot_page(shot: ShotAnalysis, video: Path, overlay: Path | None, path: Path) -> Path:
    """Write the page of a shot.

    Args:
        shot: What the page tells.
        video: The clip, for still pictures.
        overlay: If there is one; where it is too large to go into the page it must lie in the
            page's folder or below.
        path: Where the page goes: .html.

    Raises:
        FootageError: If the clip cannot be read.
    """
    text = render(
        Path(__file__).with_name("shot.html.j2"),
        shot=shot,
        words=words,
        caveat=origin_of([shot.clip]).caveat,
        numbers=_numbers(shot),
        video=_video_address(overlay, path) if overlay else None,
        poster=_poster(shot, video),
        moments=_moments(shot, video),
        figures=_figures(shot),
        measures=[one for one in shot.technique if one.value is not None],
        no_measures=_why_no_measures(shot),
        decided=_decided(shot),
        outcomes=_outcomes(shot),
    )
    save_text(path, text)
    return path


def save_pictures(
    shots: Sequence[ShotAnalysis],
    footage_dir: Path,
    folder: Path,
    on_progress: Callable[[Clip], None] | None = None,
    engine: Engine | str | None = None,
) -> list[Path]:
    """Save the overlay video `<clip id>.mp4` and the page `<clip id>.html` of every shot.

    `engine` says where they are drawn (`make_engine`).

    Returns:
        The pages.

    Raises:
        ItemsFailedError: If a clip cannot be read; the others have their pages.
    """
    jobs = {shot.clip.clip_id: (shot, footage_dir, folder) for shot in shots}
    told = None if on_progress is None else lambda name, _: on_progress(jobs[name][0].clip)
    return list(every(_draw, jobs, "pages", told, engine=engine).values())


def _draw(job: tuple[ShotAnalysis, Path, Path]) -> Path:
    shot, footage_dir, folder = job
    video, name = footage_dir / shot.clip.file, shot.clip.clip_id
    overlay = save_overlay(shot, video, folder / f"{name}.mp4")
    return save_shot_page(shot, video, overlay, folder / f"{name}.html")


def _numbers(shot: ShotAnalysis) -> list[tuple[str, str, str]]:
    """Name, value and note of each number."""
    verdict = shot.verdict
    speeds = (
        ("at the foot", verdict.speed_kmh, verdict.speed_interval_kmh),
        ("at the goal line", verdict.line_speed_kmh, verdict.line_speed_interval_kmh),
    )
    rows = [
        (name, f"{kmh:.0f} km/h", words.spread_words(interval))
        for name, kmh, interval in speeds
        if kmh is not None
    ]
    if shot.shooter is not None:
        sure = f"{words.percent(shot.foot.confidence)} sure" if shot.foot and shot.foot.side else ""
        rows.append(("shooter", f"{shot.shooter.player}, {words.foot_words(shot.foot)}", sure))
    if verdict.crossing_m is not None:
        rows.append(("crossed the line", *words.place_words(verdict.crossing_m, shot.goal_wh_m)))
    if verdict.path is not None:
        x, y, _ = verdict.path.positions_m[0]
        rows.append(("shot from", f"{float((x**2 + y**2) ** 0.5):.1f} m", "to the goal’s middle"))
    return rows


def _decided(shot: ShotAnalysis) -> list[tuple[str, str]]:
    verdict = shot.verdict
    rows = [("method", words.METHOD_WORDS[verdict.method])]
    rows += [
        (f"by {words.METHOD_WORDS[method]}", f"{words.headline(other)}, {words.sure_words(other)}")
        for method, other in shot.verdicts.items()
        if method != verdict.method
    ]
    width, height = shot.goal_wh_m
    rows.append(("people, ball, goal by", shot.labels))
    goal = words.goal_words(shot.goal)
    rows.append(("goal frame", f"{goal[:1].upper()}{goal[1:]} Taken as {width:g} × {height:g} m."))
    if shot.by_hand is not None:
        rows.append(("corrected", words.by_hand_words(shot.by_hand)))
    rows.append(("ball seen", f"in {len(shot.track)} of {shot.frame_count} frames"))
    rows.append(("camera", shot.clip.camera_reason))
    if shot.shooter is not None:
        rows.append(("shooter", shot.shooter.reason))
    if shot.foot is not None:
        rows.append(("foot", shot.foot.reason))
    if shot.pose is not None:
        found = f"{len(shot.pose.poses)} of {shot.pose.asked} frames around the contact"
        rows.append(("pose", f"{shot.pose.method}, {found}"))
    return rows


def _outcomes(shot: ShotAnalysis) -> list[tuple[str, float]]:
    """What may have happened and how likely it is, the likeliest first; only with a verdict."""
    if shot.verdict.abstained:
        return []
    shares = sorted(shot.verdict.outcomes.items(), key=lambda entry: -entry[1])
    return [(words.OUTCOME_WORDS.get(name, name), p) for name, p in shares if p >= _LEAST_OUTCOME]


def _why_no_measures(shot: ShotAnalysis) -> str:
    if shot.shooter is None:
        return "Nobody was seen to strike the ball, so there is no technique to judge."
    why = shot.technique[0].note if shot.technique else "Nobody looked for the shooter’s pose."
    return f"No technique was measured. {why}"


def _moments(shot: ShotAnalysis, video: Path) -> list[tuple[str, str, str]]:
    """Name, time and picture of each moment."""
    moments, kick = key_moments(shot), round(shot.kick_frame or 0.0)
    return [
        (moment.name, f"{(moment.frame - kick) / shot.fps:+.2f} s", _jpeg(image))
        for moment, image in zip(moments, cut_moments(shot, video, moments), strict=True)
    ]


def _figures(shot: ShotAnalysis) -> list[tuple[str, str]]:
    """Description and picture of each figure; none where nothing was fitted."""
    if shot.verdict.path is None:
        return []
    drawn = (
        ("the shot from above", draw_pitch_map(shot)),
        ("where it crossed the goal line", draw_goal_mouth(shot)),
        ("speed over time", draw_speed_curve(shot)),
    )
    return [(name, _png(ax.get_figure(root=True))) for name, ax in drawn]


def _poster(shot: ShotAnalysis, video: Path) -> str | None:
    """The last frame that can be read: by then everything is known and drawn."""
    last = shot.clip.frame_count - 1
    got = sample_readable(video, [last])
    return _jpeg(ShotOverlay(shot).paint(got.images[0], last)) if got.frames else None


def _video_address(overlay: Path, page: Path) -> str:
    if overlay.stat().st_size <= INLINE_BYTES:
        return _as_data("video/mp4", overlay.read_bytes())
    return overlay.resolve().relative_to(page.parent.resolve()).as_posix()


def _jpeg(image: Image) -> str:
    stream = io.BytesIO()
    Picture.fromarray(image).save(stream, "JPEG", quality=85)
    return _as_data("image/jpeg", stream.getvalue())


def _png(figure: Figure | None) -> str:
    assert figure is not None
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=150, bbox_inches="tight")
    plt.close(figure)
    return _as_data("image/png", stream.getvalue())


def _as_data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
