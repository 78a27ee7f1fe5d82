"""SAM 2 as a follower: it turns boxes, points or masks in one frame into masks in all frames.

Two backends for the same networks: `HubSam2` runs the transformers port on folders and hub ids,
`PackageSam2` the package `sam2` on Meta's own `.pt` files. What to follow, and in which windows, is
decided in `prompts` and `following`.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as rle

from workbench.detect.teacher import TeacherError
from workbench.detect.teachers.following import Followed, Follower, FollowingTeacher
from workbench.detect.teachers.prompts import Prompt, Prompter
from workbench.training.weights import Pretrained, find_weights, weights_identity

_SIZES = {"tiny": "t", "small": "s", "base_plus": "b+", "large": "l"}  # of checkpoints and configs


def sam2_teacher(
    prompter: Prompter,
    weights: str | Path = "facebook/sam2.1-hiera-large",
    config: str | None = None,
    overrides: Sequence[str] = (),
    device: str = "auto",
    amp: str = "auto",
    **loop: Any,
) -> FollowingTeacher:
    """SAM 2 that follows what a prompter marks.

    Args:
        prompter: Who says what to follow.
        weights: A transformers folder or hub id, or a `.pt` file for the package `sam2`.
        config: Of a `.pt` file, such as "configs/sam2.1/sam2.1_hiera_l.yaml"; by default the one
            that belongs to the file's name.
        overrides: Of the config, as Hydra writes them, such as "++model.image_size=512".
        device: As for `Pretrained`.
        amp: As there.
        loop: Options of `FollowingTeacher`.

    Raises:
        WeightsError: If weights are missing.
        TeacherError: If options do not go together.
    """
    follower: Follower
    if Path(weights).suffix == ".pt":
        follower = PackageSam2(Path(weights), config, overrides, device, amp)
    elif config is not None or overrides:
        raise TeacherError(
            f"a config for {weights}", "`config` and `overrides` are for a .pt file only"
        )
    else:
        follower = HubSam2(weights, device, amp)
    return FollowingTeacher(follower, prompter, **loop)


class HubSam2:
    """SAM 2 by transformers."""

    name = "sam2"

    def __init__(self, weights: str | Path, device: str = "auto", amp: str = "auto") -> None:
        self._weights = Pretrained(weights, ("Sam2VideoProcessor", "Sam2VideoModel"), device, amp)
        self.settings: Mapping[str, Any] = {"backend": "transformers", **self._weights.settings}

    def open(self, images: NDArray[np.uint8]) -> Any:
        """Make the images (N, H, W, 3), RGB, of a window ready."""
        processor, _ = self._weights.parts
        return processor.init_video_session(
            video=list(images),
            inference_device=self._weights.device,
            processing_device="cpu",  # only the frame being followed is on the GPU
            video_storage_device="cpu",
        )

    def follow(
        self, opened: Any, prompts: Mapping[int, Prompt], place: int
    ) -> Iterator[tuple[int, list[Followed]]]:
        """Follow objects from one frame to both ends of the window."""
        processor, _ = self._weights.parts
        found: dict[int, list[Followed]] = {}
        # A call takes prompts of one kind, and a second call discards those of the first.
        for group in _by_kind(prompts):
            opened.reset_tracking_data()
            processor.add_inputs_to_inference_session(
                inference_session=opened,
                frame_idx=place,
                obj_ids=list(group),
                **_as_inputs(list(group.values())),
            )
            for backwards in (False, True):
                for where, objects in self._run(opened, place, backwards):
                    if where != place or not backwards:
                        found.setdefault(where, []).extend(objects)
        yield from sorted(found.items())

    def _run(
        self, opened: Any, place: int, backwards: bool
    ) -> Iterator[tuple[int, list[Followed]]]:
        processor, model = self._weights.parts
        size = [[opened.video_height, opened.video_width]]
        with self._weights.inference():
            for out in model.propagate_in_video_iterator(
                opened, start_frame_idx=place, reverse=backwards
            ):
                (masks,) = processor.post_process_masks(
                    [out.pred_masks.float()], original_sizes=size, binarize=True
                )
                masks = masks[:, 0].cpu().numpy()
                presences = out.object_score_logits.float().sigmoid().flatten().tolist()
                objects = zip(out.object_ids, masks, presences, strict=True)
                yield out.frame_idx, [Followed(*one) for one in objects]


def _by_kind(prompts: Mapping[int, Prompt]) -> Iterable[dict[int, Prompt]]:
    groups: dict[tuple[bool, int], dict[int, Prompt]] = {}
    for number, prompt in prompts.items():
        kind = prompt.mask is not None, len(prompt.points)
        groups.setdefault(kind, {})[number] = prompt
    return groups.values()


def _as_inputs(prompts: Sequence[Prompt]) -> dict[str, Any]:
    """Prompts of one kind as transformers takes them: nested by image, object, point."""
    if prompts[0].mask is not None:
        return {"input_masks": [rle.decode(p.mask).astype(bool) for p in prompts if p.mask]}
    if prompts[0].points:
        return {
            "input_points": [[[[x, y] for x, y, _ in prompt.points] for prompt in prompts]],
            "input_labels": [[[label for *_, label in prompt.points] for prompt in prompts]],
        }
    return {"input_boxes": [[list(prompt.box) for prompt in prompts if prompt.box]]}


class PackageSam2:
    """SAM 2 by the package `sam2`, which reads Meta's `.pt` files.

    The package takes frames only as JPEG files: each window is written to a temporary folder.

    Raises:
        TeacherError: If the file's name implies no config and none is given.
    """

    name = "sam2"

    def __init__(
        self,
        weights: Path,
        config: str | None = None,
        overrides: Sequence[str] = (),
        device: str = "auto",
        amp: str = "auto",
    ) -> None:
        self._file = find_weights(weights)
        self._config = config or _config_of(self._file)
        self._overrides, self._device_name, self._amp = list(overrides), device, amp
        self.settings: Mapping[str, Any] = {
            "backend": "sam2",
            "weights": weights_identity(self._file),
            "config": self._config,
            "overrides": self._overrides,
            "amp": amp,
        }

    def open(self, images: NDArray[np.uint8]) -> Any:
        """Make the images (N, H, W, 3), RGB, of a window ready."""
        with tempfile.TemporaryDirectory(prefix="sam2-") as folder, self._inference():
            for place, image in enumerate(images):
                bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
                name = str(Path(folder, f"{place}.jpg"))
                cv2.imwrite(name, bgr, [cv2.IMWRITE_JPEG_QUALITY, 100])
            return self._model.init_state(folder, offload_video_to_cpu=True)

    def follow(
        self, opened: Any, prompts: Mapping[int, Prompt], place: int
    ) -> Iterator[tuple[int, list[Followed]]]:
        """Follow objects from one frame to both ends of the window."""
        found: dict[int, list[Followed]] = {}
        with self._inference():
            self._model.reset_state(opened)
            for number, prompt in prompts.items():
                self._add(opened, number, prompt, place)
            for backwards in (False, True)[: 1 + (place > 0)]:
                for where, numbers, logits in self._model.propagate_in_video(
                    opened, start_frame_idx=place, reverse=backwards
                ):
                    masks = (logits[:, 0] > 0).cpu().numpy()
                    found[where] = [
                        Followed(number, mask, _presence(opened, order, where))
                        for order, (number, mask) in enumerate(zip(numbers, masks, strict=True))
                    ]
        yield from sorted(found.items())

    def _add(self, opened: Any, number: int, prompt: Prompt, place: int) -> None:
        at = {"inference_state": opened, "frame_idx": place, "obj_id": number}
        if prompt.mask is not None:
            self._model.add_new_mask(**at, mask=rle.decode(prompt.mask).astype(bool))
        elif prompt.points:
            spots = np.array([point[:2] for point in prompt.points], np.float32)
            labels = np.array([point[2] for point in prompt.points], np.int32)
            self._model.add_new_points_or_box(**at, points=spots, labels=labels)
        else:
            self._model.add_new_points_or_box(**at, box=np.array(prompt.box, np.float32))

    def _inference(self) -> AbstractContextManager[None]:
        from workbench.training.compute import choose_precision, inference

        device = self._model.device
        # On a CPU the package multiplies bf16 memories with fp32 features unless it is told to
        # use bf16 throughout (facebookresearch/sam2, issues 308 and 577).
        precision = "bf16" if device.type == "cpu" else choose_precision(self._amp, device)
        return inference(precision, device)

    @cached_property
    def _model(self) -> Any:
        """The network, on the device and ready to run."""
        try:
            import sam2.sam2_video_predictor as predictor
            import sam2.utils.misc as misc
            from sam2.build_sam import build_sam2_video_predictor
        except ImportError:
            raise TeacherError("the package sam2 is not installed", "pip install sam2") from None
        from workbench.training.compute import choose_device

        for module in (predictor, misc):  # the package cannot switch off its progress bars
            module.tqdm = partial(module.tqdm, disable=True)
        try:
            model = build_sam2_video_predictor(
                self._config,
                str(self._file),
                device=str(choose_device(self._device_name)),
                hydra_overrides_extra=list(self._overrides),
            )
        except Exception as error:  # Hydra, OmegaConf, torch and pickle each raise their own
            raise TeacherError(
                f"{self._file} does not fit {self._config} ({type(error).__name__})",
                "give the config that the checkpoint was trained with",
            ) from error
        model.fill_hole_area = 0  # needs a compiled kernel; `cleanup` does it
        return model


def _presence(opened: Any, order: int, where: int) -> float:
    # The package keeps the logit that an object is there, but does not return it.
    kept = opened["output_dict_per_obj"][order]
    out = kept["cond_frame_outputs"].get(where) or kept["non_cond_frame_outputs"][where]
    return float(out["object_score_logits"].float().sigmoid())


def _config_of(file: Path) -> str:
    """The config that belongs to a checkpoint of Meta's, such as sam2.1_hiera_base_plus.pt."""
    family, _, size = file.stem.partition("_hiera_")
    if family not in ("sam2", "sam2.1") or size not in _SIZES:
        raise TeacherError(
            f"the name {file.name} implies no config",
            'give one, such as "configs/sam2.1/sam2.1_hiera_l.yaml"',
        )
    return f"configs/{family}/{family}_hiera_{_SIZES[size]}.yaml"
