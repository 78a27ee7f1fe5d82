"""The SAM 3 teacher: finds and follows by words, in windows.

Words in, masklets out; SAM 3 looks for them on every frame itself. Each window is a session of its
own, so that memory does not grow with the clip; objects keep their ids across windows by the
overlap of their masks in one shared frame. Masks are cleaned here: SAM 3's own cleaning needs
kernels that transformers downloads at run time, and silently does without.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from workbench.detect.detections import (
    Detection,
    FrameDetections,
    encode_mask,
    match_detections,
)
from workbench.detect.teacher import Past, Teacher
from workbench.detect.teachers.cleanup import clean_mask, one_per_object
from workbench.detect.teachers.looking import DEFAULT_PHRASES, Image, Phrases, checked_phrases
from workbench.footage.frames import iter_frames
from workbench.training.weights import Pretrained


class Sam3Teacher(Teacher):
    """SAM 3 video by transformers.

    Args:
        weights: Local folder or hub id.
        phrases: What each class is asked for by.
        window_frames: Frames that are held, followed and saved together. SAM 3 decides late which
            objects are real (its `hotstart_delay`, 15 frames): far longer than that.
        device, amp: As for `Pretrained`.

    Raises:
        WeightsError: If weights are missing.
        TeacherError: If phrases are unclear.
    """

    name = "sam3"

    def __init__(
        self,
        weights: str | Path = "facebook/sam3",
        phrases: Phrases = DEFAULT_PHRASES,
        window_frames: int = 96,
        device: str = "auto",
        amp: str = "auto",
    ) -> None:
        self._phrases, self.window_frames = checked_phrases(phrases), window_frames
        self._weights = Pretrained(weights, ("Sam3VideoProcessor", "Sam3VideoModel"), device, amp)
        self.settings = {
            **self._weights.settings,
            "phrases": self._phrases,
            "window_frames": window_frames,
        }

    def label_window(
        self, path: Path, window: range, past: Past, same_view: Sequence[Path] = ()
    ) -> Iterator[FrameDetections]:
        """Yield what is seen in every frame of one window."""
        before = past.tracked()
        first = window.start - bool(before)  # one frame of overlap to recognise objects in
        frames = iter_frames(path, start=first, stop=window.stop)
        seen = self._follow([frame.image for frame in frames])
        # Track ids within the window to those the same objects had before.
        pairs = match_detections(seen[0], before)
        number_to_id = defaultdict(
            count(past.next_id).__next__,
            {seen[0][new].track_id: before[old].track_id for new, old in pairs.items()},
        )
        for found in seen[window.start - first :]:
            yield tuple(replace(one, track_id=number_to_id[one.track_id]) for one in found)

    def _follow(self, images: Sequence[Image]) -> list[list[Detection]]:
        """Objects of every image, their track ids counted within the window."""
        processor, model = self._weights.parts
        phrase_to_class = {phrase: name for name, own in self._phrases.items() for phrase in own}
        state = processor.init_video_session(
            video=list(images),
            inference_device=self._weights.device,
            processing_device="cpu",
            video_storage_device="cpu",
        )
        state = processor.add_text_prompt(state, list(phrase_to_class))
        seen: list[list[Detection]] = [[] for _ in images]
        with self._weights.inference():
            for out in model.propagate_in_video_iterator(state):
                answer = processor.postprocess_outputs(state, out)
                seen[out.frame_idx] = _as_detections(answer, phrase_to_class)
        return seen


def _as_detections(
    answer: Mapping[str, Any], phrase_to_class: Mapping[str, str]
) -> list[Detection]:
    """What SAM 3 answers for one frame: cleaned, each object of a class once, the surest first."""
    number_to_phrase = {
        number: phrase for phrase, own in answer["prompt_to_obj_ids"].items() for number in own
    }
    objects = zip(
        answer["object_ids"].tolist(), answer["scores"].tolist(), answer["masks"].cpu().numpy(),
        strict=True,
    )  # fmt: skip
    seen = []
    for number, score, mask in sorted(objects, key=lambda one: -one[1]):
        if mask.any():
            phrase = number_to_phrase[number]
            seen.append(
                Detection.of_mask(
                    phrase_to_class[phrase],
                    encode_mask(clean_mask(mask.astype(bool))),
                    score=score,
                    track_id=number,
                    found_by=Sam3Teacher.name,
                    prompt=phrase,
                )
            )
    return one_per_object(seen)
