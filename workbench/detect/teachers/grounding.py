"""The grounding teacher: Grounding DINO finds boxes by words, frame by frame.

Masks are the filled boxes. Slow on a CPU: there it is better used as prompter of `sam2`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workbench.detect.detections import Detection
from workbench.detect.teachers.looking import (
    DEFAULT_PHRASES,
    Image,
    LookingTeacher,
    NamedBox,
    Phrases,
    box_detections,
    checked_phrases,
)
from workbench.training.weights import Pretrained


class GroundingTeacher(LookingTeacher):
    """Grounding DINO by transformers.

    Args:
        weights: Local folder or hub id.
        phrases: What each class is asked for by.
        min_score: Boxes below are not kept. Low on purpose: acceptance comes later.
        device, amp: As for `Pretrained`.
        window_frames: Frames that are labelled, and saved, together.

    Raises:
        WeightsError: If weights are missing.
        TeacherError: If phrases are unclear.
    """

    name = "grounding"

    def __init__(
        self,
        weights: str | Path = "IDEA-Research/grounding-dino-base",
        phrases: Phrases = DEFAULT_PHRASES,
        min_score: float = 0.15,
        device: str = "auto",
        amp: str = "auto",
        window_frames: int = 64,
    ) -> None:
        self._phrases, self._min_score = checked_phrases(phrases), min_score
        classes = "GroundingDinoProcessor", "GroundingDinoForObjectDetection"
        self._weights = Pretrained(weights, classes, device, amp)
        own = {"phrases": self._phrases, "min_score": min_score}
        super().__init__({**self._weights.settings, **own}, window_frames)

    def look(self, image: Image) -> list[Detection]:
        """What of the phrases is in an image (H, W, 3), RGB."""
        processor, model = self._weights.parts
        height, width = image.shape[:2]
        phrases = [phrase for own in self._phrases.values() for phrase in own]
        text = ". ".join(phrases) + "."
        inputs = processor(images=image, text=text, return_tensors="pt").to(self._weights.device)
        with self._weights.inference():
            outputs = model(**inputs)
        # The processor's own reading joins the words of several phrases into one label; a phrase
        # is as sure as its surest word.
        sure = outputs.logits[0].float().sigmoid()
        words = _words_of(inputs["input_ids"][0].tolist(), processor.tokenizer, len(phrases))
        per_phrase = np.stack([sure[:, own].amax(dim=1).cpu().numpy() for own in words], axis=1)
        x, y, w, h = (
            outputs.pred_boxes[0].float().cpu().numpy() * [width, height, width, height]
        ).T
        corners = np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], axis=1)
        boxes = [
            NamedBox(phrases[best], tuple(box.tolist()), float(scores[best]))
            for box, scores in zip(corners, per_phrase, strict=True)
            if scores[best := int(scores.argmax())] >= self._min_score
        ]
        return box_detections(boxes, self._phrases, (height, width), self.name)


def _words_of(tokens: Sequence[int], tokenizer: Any, count: int) -> list[list[int]]:
    """Places of each phrase's tokens in a text of phrases that end in full stops."""
    stop = tokenizer.convert_tokens_to_ids(".")
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    phrases: list[list[int]] = [[]]
    for place, token in enumerate(tokens):
        if token == stop:
            phrases.append([])
        elif token not in special:
            phrases[-1].append(place)
    return phrases[:count]
