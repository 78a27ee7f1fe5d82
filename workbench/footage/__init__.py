"""Video in and out, the clip list, and the built-in footage.

The calls that others build on are offered here and loaded when first used: decoding needs heavy
packages, and the command line must answer at once.
"""

from typing import TYPE_CHECKING

from workbench.lazy import load_on_use

if TYPE_CHECKING:
    from workbench.footage.cache import cached_frames
    from workbench.footage.cut import cut_clip
    from workbench.footage.fixed_camera import is_fixed_camera
    from workbench.footage.frames import (
        Frame,
        PartialReadError,
        frames_at,
        iter_frames,
        sample_frames,
        sample_readable,
        sample_times,
        uniform_indices,
    )
    from workbench.footage.ingest import IngestReport, ingest_folder
    from workbench.footage.video_info import VideoInfo, probe
    from workbench.footage.writer import VideoWriter

__all__ = [
    "Frame",
    "IngestReport",
    "PartialReadError",
    "VideoInfo",
    "VideoWriter",
    "cached_frames",
    "cut_clip",
    "frames_at",
    "ingest_folder",
    "is_fixed_camera",
    "iter_frames",
    "probe",
    "sample_frames",
    "sample_readable",
    "sample_times",
    "uniform_indices",
]

__getattr__ = load_on_use(
    __name__,
    {
        "Frame": "frames",
        "IngestReport": "ingest",
        "PartialReadError": "frames",
        "VideoInfo": "video_info",
        "VideoWriter": "writer",
        "cached_frames": "cache",
        "cut_clip": "cut",
        "frames_at": "frames",
        "ingest_folder": "ingest",
        "is_fixed_camera": "fixed_camera",
        "iter_frames": "frames",
        "probe": "video_info",
        "sample_frames": "frames",
        "sample_readable": "frames",
        "sample_times": "frames",
        "uniform_indices": "frames",
    },
)
