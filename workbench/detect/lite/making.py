"""From nothing to weights of the lite student: pictures, training, thresholds, a test, a card.

The unit is a folder of work, in which every step is kept once it is done: a making that was killed
goes on where it was. What comes out is `student.npz` and `student.md`; the first is what
fine-tuning may start from (`weights` of stage 30).
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from workbench.detect.detections import CLASSES
from workbench.detect.lite.judging import best_thresholds, judge_kinds, to_rows
from workbench.detect.lite.material import KINDS, SEED, TEST_SEED, make_pictures, split_of
from workbench.detect.lite.predicting import LiteEye
from workbench.detect.lite.stored import load_weights, save_weights
from workbench.detect.lite.training import LiteConfig, groups_in, pretrain
from workbench.detect.student.checkpoint import LITE
from workbench.saving import save_text
from workbench.training.compute import choose_device, torch_threads
from workbench.training.folder import BEST, load_checkpoint
from workbench.training.history import Callbacks, TrainingResult

_TESTED = 8  # sessions of each kind, two tripods or two places each
_TIMED = 15  # pictures

Progress = Callable[[str, int, int], None]  # what, done, of


def train_student(
    work: Path,
    sessions: int = 60,
    config: LiteConfig | None = None,
    on_progress: Progress = lambda what, done, of: None,
    **callbacks: Unpack[Callbacks],
) -> TrainingResult:
    """Make weights in a folder of work.

    Raises:
        WeightsError: If ImageNet's weights of the backbone are not installed.
        WorkbenchError: If there is no such device.
    """
    config = config or LiteConfig()
    choose_device(config.device)  # mistakes are told before hours of work
    pictures = make_pictures(
        work, range(sessions), on_progress=lambda done, of: on_progress("sessions", done, of)
    )
    result = pretrain(pictures, work / "run", config, **callbacks)
    tested = make_pictures(
        work / "test", range(_TESTED), seed=TEST_SEED,
        on_progress=lambda done, of: on_progress("test sessions", done, of),
    )  # fmt: skip
    finish(work, work / "run", config, sessions, tested)
    return result


def finish(
    work: Path, run_dir: Path, config: LiteConfig, sessions: int, tested: Path
) -> dict[str, Any]:
    """Write the weights of a run's best epoch with thresholds, and the card of their test."""
    content = load_checkpoint(run_dir / BEST)
    path, pictures = work / LITE, work / "pictures"
    learned = {kind: len(own) for kind, own in groups_in(pictures, "train").items()}
    facts: dict[str, Any] = {
        "trained_on": {
            "sessions": 4 * sum(split_of(number) == "train" for number in range(sessions)),
            "pictures": learned,
            "seed": SEED,
            "numbers": sessions,
        },
        "epochs": config.epochs,
        "steps": config.steps,
    }
    save_weights(path, content["network"], facts)
    # What is tested is what is stored: at half precision.
    with torch_threads(config.threads):
        eye = LiteEye(load_weights(path).network)
        facts["thresholds"] = best_thresholds(eye, pictures)
        facts["test"] = to_rows(judge_kinds(eye, tested))
        facts["frame_ms"] = frame_ms(eye)
    facts |= {"parameters": eye.parameters, "test_seed": TEST_SEED}
    save_weights(path, content["network"], facts)
    save_text(path.with_suffix(".md"), card_of(facts, path.stat().st_size))
    return facts


def frame_ms(eye: LiteEye) -> float:
    """Milliseconds of CPU time that a frame of 640×360 takes, the least of several."""
    image = np.random.default_rng(0).integers(0, 256, (360, 640, 3), dtype=np.uint8)
    took_s = []
    for _ in range(_TIMED):
        start_s = time.process_time()
        eye.see([image], np.full(len(CLASSES), 0.3))
        took_s.append(time.process_time() - start_s)
    return round(1000 * min(took_s), 1)


_CARD = """\
# The lite student's weights

Finds people, balls and the goal in single frames: RF-DETR's decoder on EfficientNet-Lite0 at
480×272, {parameters:.2f} M parameters, {megabytes:.2f} MB, {epochs} epochs of {steps} steps of
`workbench detect train-student`. A frame takes {frame_ms:.0f} ms of one thread (640×360 shrunk and
looked at, ONNX Runtime where it is installed).

- **Learned from** {sessions} rendered sessions, pictures: {pictures}. The backbone comes from
  ImageNet. Do not test on sessions of these seeds ({seed} and the {numbers} that follow).
- **Rendered footage is all it has seen, and on real footage it is of no use**: the weights of the
  package found two of some thirty players in twelve frames of six real clips, and took crests,
  shirt numbers and lamps for balls. There take a detector with weights of its own (`docs/eyes.md`).
- **The ball** far away is a few pixels here: `ballnet`, which compares neighbouring frames, is the
  one to ask.
- **Licences**: this project's; transformers' RF-DETR Apache-2.0; EfficientNet-Lite0 Apache-2.0.

Rendered sessions of other seeds ({test_seed} and after), IoU .5; 95 % intervals resample sessions:

| kind | class | objects | AP50 | recall at precision .8 |
|-|-|-|-|-|
{rows}
"""


def card_of(facts: Mapping[str, Any], size_bytes: int) -> str:
    """The card of weights with these facts."""
    trained_on = facts["trained_on"]
    pictures = "; ".join(
        f"{count} of {KINDS.get(kind, kind)}" for kind, count in trained_on["pictures"].items()
    )
    told = {**trained_on, **facts, "pictures": pictures, "megabytes": size_bytes / 1e6}
    told |= {"parameters": facts["parameters"] / 1e6, "rows": "\n".join(facts["test"])}
    return _CARD.format(**told)
