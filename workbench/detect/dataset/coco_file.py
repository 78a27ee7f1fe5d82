"""COCO files read: as they are, or for evaluation, and then what an evaluator needs is there.

The unit is one file (or its content): ground truth with images, annotations and categories, or
predictions as a list of results. Stops at the first fault; `coco_check` lists them all.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pycocotools import mask as rle

from workbench.detect.segmentation import SegmentationError, is_box, is_number, to_rle
from workbench.errors import DatasetError

Kind = Literal["bbox", "segm"]
Content = dict[str, Any]  # of a COCO file
LISTS = ("images", "annotations", "categories")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DatasetError: If it is absent or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DatasetError(f"{path} does not exist", "give a COCO JSON file") from None
    except IsADirectoryError:
        raise DatasetError(f"{path} is a folder", "give the COCO JSON file in it") from None
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is not JSON ({error})", "give a COCO JSON file") from None


def load_coco(source: Path | Mapping[str, Any]) -> Content:
    """Read a COCO file as it is, or take its content.

    Raises:
        DatasetError: If it is not JSON with lists of images, annotations and categories.
    """
    name = str(source) if isinstance(source, Path) else "ground truth"
    content = read_json(source) if isinstance(source, Path) else source
    for part in LISTS:
        if not isinstance(content, Mapping) or not isinstance(content.get(part), list):
            raise DatasetError(f"{name} has no list {part!r}", "give COCO ground truth")
    return dict(content)


def is_id(value: Any) -> bool:
    """Say whether a value from JSON can be an id: a whole number, as COCO has it."""
    return isinstance(value, int) and not isinstance(value, bool)


def load_ground_truth(source: Path | Mapping[str, Any], kind: Kind) -> Content:
    """Return images, categories and annotations, these completed for an evaluator.

    Annotations are copies with new ids that count from 1, because pycocotools takes a match with
    id 0 for no match; `iscrowd` and `area` are filled in where absent. For masks, segmentations
    become compressed run lengths.

    Raises:
        DatasetError: At the first fault, naming file, place and field.
    """
    name = str(source) if isinstance(source, Path) else "ground truth"
    content = load_coco(source)
    for field, needed in (("images", {"width": int, "height": int}), ("categories", {"name": str})):
        _check_rows(name, field, content[field], needed)
    judge = _Judge(name, content, kind)
    annotations = [
        {"iscrowd": 0} | judge.completed("annotations", place, row) | {"id": place + 1}
        for place, row in enumerate(content["annotations"])
    ]
    return {
        "images": content["images"],
        "categories": content["categories"],
        "annotations": annotations,
    }


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
        DatasetError: At the first fault, naming file, place and field.
    """
    name = str(source) if isinstance(source, Path) else "predictions"
    rows = read_json(source) if isinstance(source, Path) else source
    if isinstance(rows, Mapping):
        theirs = rows.get("categories")
        if not isinstance(theirs, list) or _names(theirs) != _names(ground_truth["categories"]):
            raise DatasetError(f"{name} has other 'categories'", "give both files the same")
        rows = rows.get("annotations")
    if not isinstance(rows, list | tuple):
        raise DatasetError(f"{name} is not a list of results", "give COCO results")
    judge = _Judge(name, ground_truth, kind)
    results = []
    for place, row in enumerate(rows):
        result = judge.completed("results", place, row, has_area=False)
        if not is_number(row.get("score")):
            raise _fault(name, "results", place, row, f"'score' is {row.get('score')!r}")
        results.append(result | {"id": place + 1, "iscrowd": 0})
    return results


def _names(categories: Sequence[Any]) -> set[tuple[Any, Any]]:
    """Ids with names, as text: what is compared may be anything."""
    rows = [row for row in categories if isinstance(row, Mapping)]
    return {(str(row.get("id")), str(row.get("name"))) for row in rows}


class _Judge:
    """Completes annotations of one file, or says which one cannot be."""

    def __init__(self, name: str, content: Mapping[str, Any], kind: Kind) -> None:
        self.name, self.kind = name, kind
        self.image_to_hw = {
            image["id"]: (image["height"], image["width"]) for image in content["images"]
        }
        self.categories = {category["id"] for category in content["categories"]}

    def completed(
        self, field: str, place: int, row: Any, *, has_area: bool = True
    ) -> dict[str, Any]:
        """Return a copy that has a box, an area and, for masks, a compressed segmentation."""
        if not isinstance(row, Mapping):
            raise _fault(self.name, field, place, {}, "is not an object")
        for key, known in (("image_id", self.image_to_hw), ("category_id", self.categories)):
            value = row.get(key)
            if not is_id(value) or value not in known:
                raise _fault(self.name, field, place, row, f"{key!r} {value!r} is not known")
        if row.get("iscrowd", 0) not in (0, 1):
            said = f"'iscrowd' is {row['iscrowd']!r}, not 0 or 1"
            raise _fault(self.name, field, place, row, said)
        result = dict(row)
        if self.kind == "segm":
            try:
                hw = self.image_to_hw[row["image_id"]]
                result["segmentation"] = to_rle(row.get("segmentation"), *hw)
            except SegmentationError as error:
                raise _fault(self.name, field, place, row, f"'segmentation': {error}") from None
            result["bbox"] = [float(value) for value in rle.toBbox(result["segmentation"])]
            area = float(rle.area(result["segmentation"]))
        else:
            if not is_box(row.get("bbox")):
                raise _fault(self.name, field, place, row, f"'bbox' is {row.get('bbox')!r}")
            area = row["bbox"][2] * row["bbox"][3]
        if not (has_area and is_number(row.get("area"))):
            result["area"] = area
        return result


def _check_rows(name: str, field: str, rows: list[Any], needed: Mapping[str, type]) -> None:
    """Refuse rows without an id of their own, or without a value that is needed."""
    seen: set[int] = set()
    for place, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise _fault(name, field, place, {}, "is not an object")
        for key, kind in ({"id": int} | dict(needed)).items():
            if not isinstance(row.get(key), kind) or isinstance(row.get(key), bool):
                raise _fault(name, field, place, row, f"{key!r} is {row.get(key)!r}")
        if row["id"] in seen:
            raise _fault(name, field, place, row, "'id' is used before")
        seen.add(row["id"])


def _fault(name: str, field: str, place: int, row: Mapping[str, Any], said: str) -> DatasetError:
    known = f" (id {row['id']})" if "id" in row else ""
    return DatasetError(
        f"{name}: {field}[{place}]{known}: {said}", "correct or drop it, then evaluate again"
    )
