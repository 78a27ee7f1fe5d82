"""The clips behind each cell of a confusion matrix, as HTML that folds and plays without a kernel.

The unit is one cell: its clips, each as a strip of frames and a small video. The same folds work in
JupyterLab and in a report that was sent around. Knows nothing about scores.
"""

import base64
import html
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from workbench.actions.clipset import Clipset, Frames
from workbench.actions.predict import Predictions
from workbench.errors import FootageError
from workbench.footage.clips import Clip
from workbench.footage.frames import sample_frames, uniform_indices
from workbench.footage.writer import VideoWriter

STRIP_FRAMES = 8
VIDEO_FRAMES, VIDEO_WIDTH = 40, 224
MOST_BYTES = 4_500_000  # a report shows no more HTML than 5 MB of one output
_ROW = 'style="display:flex;gap:.8em;align-items:center;margin:.4em 0"'


@dataclass(frozen=True, eq=False)
class MatrixCells:
    """What a notebook shows: a fold per cell, mistakes first, then what was called rightly."""

    content: str

    def _repr_html_(self) -> str:
        return self.content


def show_cells(
    predictions: Predictions,
    clipset: Clipset,
    clips: Mapping[str, Clip],
    footage_dir: Path,
    *,
    most_wrong: int = 8,
    most_right: int = 2,
) -> MatrixCells:
    """Return the clips behind every cell that has any, the surest calls first.

    Args:
        predictions: On labelled clips.
        clipset: The frames that the network was fed.
        clips: By id, for the videos; a clip that is not among them shows its stored frames.
        footage_dir: What `Clip.file` is relative to.
        most_wrong: Clips shown of a cell off the diagonal; how many there are is said.
        most_right: Clips shown of a cell on it.
    """
    table = predictions.to_frame().sort_values("probability", ascending=False, kind="stable")
    cells = [
        (str(true), str(called), rows)
        for (true, called), rows in table.groupby(["label", "predicted"], sort=False)
    ]
    cells.sort(key=lambda cell: (cell[0] == cell[1], -len(cell[2])))
    folds, size = [], 0
    for true, called, rows in cells:
        shown = rows.head(most_right if true == called else most_wrong)
        said = f"{len(rows)} {true} clips called {called}"
        said += f", {len(shown)} shown" if len(shown) < len(rows) else ""
        parts = []
        for clip_id, row in shown.iterrows():
            frames = clipset.frames_of(str(clip_id))
            video = b"" if size > MOST_BYTES else _video(clips.get(str(clip_id)), footage_dir)
            chances = "  ".join(f"{name} {row[f'p({name})']:.2f}" for name in predictions.classes)
            parts.append(_show(str(clip_id), chances, frames, video))
            size += len(parts[-1])
        body = "".join(parts)
        folds.append(f"<details><summary>{html.escape(said)}</summary>{body}</details>")
    return MatrixCells("".join(folds))


def _show(clip_id: str, chances: str, frames: Frames, video: bytes) -> str:
    chosen = frames[uniform_indices(len(frames), min(STRIP_FRAMES, len(frames)))]
    strip = cv2.cvtColor(np.concatenate(list(chosen), axis=1), cv2.COLOR_RGB2BGR)
    jpeg = cv2.imencode(".jpg", strip, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
    name, words = html.escape(clip_id), html.escape(chances)
    source = f'src="{_inline("video/mp4", video)}"'
    film = f'<video controls loop muted playsinline width="{VIDEO_WIDTH}" {source}></video>'
    return (
        f"<div {_ROW}>{film if video else ''}<figure style='margin:0'>"
        f'<img alt="frames of {name}" src="{_inline("image/jpeg", jpeg)}">'
        f"<figcaption>{name}<br>{words}</figcaption></figure></div>"
    )


def _video(clip: Clip | None, footage_dir: Path) -> bytes:
    """Return a clip as a small H.264 file; nothing where it cannot be read."""
    if clip is None:
        return b""
    width = VIDEO_WIDTH
    height = max(2, round(width * clip.height / clip.width / 2) * 2)
    chosen = uniform_indices(clip.frame_count, min(VIDEO_FRAMES, clip.frame_count))
    fps = Fraction(clip.fps) * len(chosen) / clip.frame_count
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        try:
            images = sample_frames(footage_dir / clip.file, chosen, (width, height))
            with VideoWriter(path, (width, height), fps, crf=30) as video:
                for image in images:
                    video.write(image)
        except FootageError:
            return b""  # the strip is there all the same
        return path.read_bytes()


def _inline(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
