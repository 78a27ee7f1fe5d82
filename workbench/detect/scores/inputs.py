"""Ground truth and predictions read for an evaluator, with all that it needs.

The unit is one file (or its content): ground truth with images, annotations and categories, or
predictions as a list of results. What has a fault that an evaluator minds is refused.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pycocotools import mask as rle

from workbench.detect.dataset.coco_check import check_coco, check_results, refuse
from workbench.detect.dataset.coco_file import LISTS, Content, Kind, load_coco, plain_row, read_json
from workbench.detect.segmentation import is_number, to_rle
from workbench.errors import DatasetError

_REMEDY = "correct or drop it, then evaluate again"


def load_ground_truth(source: Path | Mapping[str, Any], kind: Kind) -> Content:
    """Return images, categories and annotations, these completed for an evaluator.

    Annotations are copies with new ids that count from 1, because pycocotools takes a match with
    id 0 for no match; `iscrowd` and `area` are filled in where absent. For masks, segmentations
    become compressed run lengths.

    Raises:
        DatasetError: If rows have a fault, naming file, place and field of the first.
    """
    file = source if isinstance(source, Path) else Path("ground truth")
    content = load_coco(source)
    refuse(check_coco(file, content=content, kind=kind), _REMEDY)
    completed = _completed(content["annotations"], content, kind)
    for given, row in zip(content["annotations"], completed, strict=True):
        if is_number(given.get("area")):
            row["area"] = given["area"]
    return {part: content[part] for part in LISTS} | {"annotations": completed}


def load_predictions(
    source: Path | Sequence[Mapping[str, Any]], ground_truth: Mapping[str, Any], kind: Kind
) -> list[dict[str, Any]]:
    """Return results completed for an evaluator, with ids that count from 1.

    Args:
        source: A list of results as COCO defines them, or a file of it; a COCO file whose
            annotations have a score will do, too.
        ground_truth: What they are judged against; its images and categories must be theirs.
        kind: Whether boxes or masks count. The size of an object is that of its box or its mask.

    Raises:
        DatasetError: If rows have a fault, naming file, place and field of the first.
    """
    file = source if isinstance(source, Path) else Path("predictions")
    rows = read_json(source) if isinstance(source, Path) else source
    if isinstance(rows, Mapping):
        theirs = rows.get("categories")
        if not isinstance(theirs, list) or _names(map(plain_row, theirs)) != _names(
            ground_truth["categories"]
        ):
            raise DatasetError(f"{file} has other 'categories'", "give both files the same")
        rows = rows.get("annotations")
    if not isinstance(rows, list | tuple):
        raise DatasetError(f"{file} is not a list of results", "give COCO results")
    rows = list(map(plain_row, rows))
    refuse(check_results(rows, file, ground_truth, kind), _REMEDY)
    return _completed(rows, ground_truth, kind)


def _names(categories: Iterable[Any]) -> set[tuple[Any, Any]]:
    """Ids with names, as text: what is compared may be anything."""
    rows = [row for row in categories if isinstance(row, Mapping)]
    return {(str(row.get("id")), str(row.get("name"))) for row in rows}


def _completed(rows: Sequence[Any], truth: Mapping[str, Any], kind: Kind) -> list[dict[str, Any]]:
    """Copies of sound rows with a box, an area and, for masks, a compressed segmentation."""
    image_to_hw = {image["id"]: (image["height"], image["width"]) for image in truth["images"]}
    completed = []
    for place, row in enumerate(rows):
        result = {"iscrowd": 0, **row, "id": place + 1}
        if kind == "segm":
            runs = to_rle(row["segmentation"], *image_to_hw[row["image_id"]])
            box = [float(value) for value in rle.toBbox(runs)]
            result |= {"segmentation": runs, "bbox": box, "area": float(rle.area(runs))}
        else:
            result["area"] = row["bbox"][2] * row["bbox"][3]
        completed.append(result)
    return completed
