"""Labels by a student, so that the chain can be judged with only the detector swapped.

The unit is one clip. A student that was never trained is no error: there is nothing to compare
with. Knows nothing about shots.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from workbench.detect.store import ClipDetections, load_detections
from workbench.errors import DatasetError
from workbench.footage.clips import Clip


def label_with_student(
    clips: Sequence[Clip],
    footage_dir: Path,
    out_dir: Path,
    models_dir: Path | None,
) -> dict[str, ClipDetections]:
    """Let the student that was finished last label clips; returns labels by clip id.

    Args:
        clips: For an honest comparison, clips of sessions it was not trained on.
        footage_dir: Folder of `clips.json`.
        out_dir: Where its detections go, one COCO file per clip.
        models_dir: The shelf of students; None, or an empty one: nothing is labelled.

    Raises:
        StudentError: If the student cannot be loaded.
        FootageError: If a clip cannot be read.
    """
    if models_dir is None or not clips:
        return {}
    from workbench.detect.student.trained import last_student

    try:
        run_dir = last_student(models_dir)
    except DatasetError:
        return {}
    # Imported here: torch and rfdetr take seconds to load.
    from workbench.detect.student.checkpoint import load_student
    from workbench.detect.student.predict import PredictOptions, predict_video

    student, labels = load_student(run_dir), {}
    for clip in clips:
        video, folder = footage_dir / clip.file, out_dir / run_dir.name
        seen = predict_video(video, student, folder, PredictOptions(overlay=False))
        labels[clip.clip_id] = replace(load_detections(seen.coco, clip), found_by="student")
    return labels
