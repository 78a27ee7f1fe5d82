"""Figures about descriptions: how true each writer is, what BLEU says of it, and the key frames."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
from matplotlib.axes import Axes

from workbench.describe.check import WriterScore
from workbench.describe.clips import Description
from workbench.describe.facts import ClipFacts
from workbench.footage.clips import Clip
from workbench.footage.frames import sample_frames
from workbench.style import BLUE, VERMILION, axes_or_new, draw_sheet

_ROW_PX = 90
_RING_RGB = (213, 94, 0)


def draw_writers(scores: Mapping[str, WriterScore], ax: Axes | None = None) -> Axes:
    """Draw true / stated and coverage of each writer with their intervals."""
    ax = axes_or_new(ax, (7, 0.6 + 0.55 * len(scores)), layout="constrained")
    for row, one in enumerate(scores.values()):
        for score, name, colour, mark, up in (
            (one.truthfulness, "true / stated", BLUE, "o", -0.12),
            (one.coverage, "coverage", VERMILION, "s", 0.12),
        ):
            spread = [[score.value - score.low], [score.high - score.value]]
            ax.errorbar(
                score.value, row + up, xerr=spread, fmt=mark, color=colour, capsize=3,
                label=name if row == 0 else None,
            )  # fmt: skip
    ax.set_yticks(range(len(scores)), list(scores))
    ax.invert_yaxis()
    ax.set(xlim=(0, 1.02), xlabel="share of facts, 95 % interval")
    ax.set_title("How much of what is said is true?", loc="left")
    ax.legend(loc="lower left", fontsize=8)
    return ax


def draw_bleu(scores: Mapping[str, WriterScore], ax: Axes | None = None) -> Axes:
    """Draw BLEU against true / stated: what is far from the diagonal, BLEU misjudges."""
    ax = axes_or_new(ax, (5, 3.6), layout="constrained")
    for name, one in scores.items():
        ax.plot(one.truthfulness.value, one.words.bleu, "o", color=BLUE)
        ax.annotate(
            name, (one.truthfulness.value, one.words.bleu), (5, 4), textcoords="offset points"
        )
    ax.set(xlim=(0, 1.15), ylim=(0, 108), xlabel="true / stated", ylabel="BLEU-4")
    ax.set_title("Does BLEU see a lie?", loc="left")
    return ax


def draw_described(
    described: Sequence[Description],
    clips: Sequence[Clip],
    footage_dir: Path,
    truths: Sequence[ClipFacts | None],
    ax: Axes | None = None,
) -> Axes:
    """Draw the key frames of clips, a row each; ringed is the one nearest the true moment.

    Raises:
        FootageError: If a clip cannot be read.
    """
    rows, captions = [], []
    for told, clip, truth in zip(described, clips, truths, strict=True):
        size_wh = round(_ROW_PX * clip.width / clip.height), _ROW_PX
        images = list(sample_frames(footage_dir / clip.file, told.frames, size_wh))
        if truth is not None and truth.moment_s is not None:
            at = truth.moment_s * float(clip.fps) - 0.5
            nearest = min(range(len(images)), key=lambda place: abs(told.frames[place] - at))
            images[nearest] = cv2.rectangle(
                images[nearest].copy(), (2, 2), (size_wh[0] - 3, _ROW_PX - 3), _RING_RGB, 4
            ).astype("uint8")
        rows.append(images)
        captions.append(told.clip_id)
    return draw_sheet(rows, captions, "Which frames tell it? (ringed: nearest the moment)", ax)
