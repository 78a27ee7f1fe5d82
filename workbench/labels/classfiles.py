"""Classes of clips from files of others: a table, a JSON object, or folders named by class.

The unit is one clip's class or classes, said by one annotator. A name in a file is a clip's id or
path (`footage.clips.resolve_names`), or the video that clips were cut from: then it is said of all
of them. Leaves stars, verdicts and cuts to `exchange`.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from workbench.footage.clips import Clip, label_ids, load_clips, resolve_names, video_name
from workbench.footage.ingest import find_videos
from workbench.labels.exchange import TOOL, Imported, add_changes, clip_names
from workbench.labels.lastword import LAST_WORD_ON
from workbench.labels.records import Entry
from workbench.labels.store import LabelStore
from workbench.labels.values import Kind, LabelError, Value, check_text, check_value
from workbench.saving import reading

_CLIP_COLUMNS = ("clip", "clip_id", "item_id", "file", "video", "name")
_CLASS_COLUMNS = ("class", "classes", "label", "sport", "action")
_WHO_COLUMNS = ("annotator", "who")
_SEPARATOR = "|"  # between several classes of a clip in a table
_REMEDY = 'give columns clip and class, or {"clip_001": "serve", …}'
_NOT_CLASSES = {"unsure": {"unsure": True}, "skipped": {"skipped": True}}
Said = tuple[str, str | None, Value]  # name in the file, annotator if the file says, value


def import_classes(
    store: LabelStore,
    path: Path,
    annotator: str | None,
    footage: Path | None = None,
    *,
    settles: bool = False,
) -> Imported:
    """Take in the classes of clips from a `.csv` table, a JSON object, or a folder of folders.

    A table has a column `clip` and a column `class`, and may have `annotator`; several classes of a
    clip are joined by `|`. A JSON object leads from clip to a class or a list of them. Of a folder,
    every video shows what the folder that it lies in is called. "unsure" and "skipped" are what
    they are in the rater; an empty class is passed over. Importing again adds only what changed.

    Args:
        store: Where to.
        path: The file or folder.
        annotator: Who says so, where the file does not.
        footage: The folder of the clips; without it every name, less `.mp4`, is a clip's id.
        settles: It is an adjudicator's last word on these clips.

    Raises:
        LabelError: If it has none of these shapes, nobody says who labelled, a clip is named twice
            by one annotator, or no name is a clip's. Then nothing was taken in.
    """
    said: list[Said]
    if path.is_dir():
        said = [(str(file), None, _value(file.parent.name)) for file in find_videos(path)]
    elif path.suffix.lower() in (".csv", ".tsv"):
        said = _read_table(path)
    else:
        with reading(path, "a file of classes", _REMEDY, LabelError, once=True) as content:
            said = [(name, None, _value(word)) for name, word in {**content}.items() if word]
    name_to_ids = _clips_of({name for name, _, _ in said}, footage, is_folder=path.is_dir())
    unknown = tuple(dict.fromkeys(name for name, _, _ in said if name not in name_to_ids))
    if said and not name_to_ids:
        raise LabelError(
            f"{path}: {unknown[0]!r} is no clip in {footage}, nor is another name",
            "give the folder that the clips lie in",
        )
    kind: Kind = LAST_WORD_ON["class"] if settles else "class"
    who_to_said: dict[str, dict[str, Entry]] = {}
    for name, who, value in said:
        if not (who or annotator):
            raise LabelError(f"{path} does not say who labelled {name!r}", "give --annotator")
        who = check_text(who or annotator, "the annotator's name")
        for item in name_to_ids.get(name, ()):
            entry = Entry(kind, item, value, annotator=who, tool=TOOL)
            other = who_to_said.setdefault(who, {}).setdefault(item, entry)
            if other.value != value:
                raise LabelError(f"{path}: {who} says two things of {item!r}", "keep one of them")
    count = sum(add_changes(store, [], who, list(one.values())) for who, one in who_to_said.items())
    return Imported(count, unknown)


def _read_table(path: Path) -> list[Said]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        dialect = csv.Sniffer().sniff(text[:4096], delimiters=",;\t") if text.strip() else csv.excel
        rows = list(csv.DictReader(io.StringIO(text), dialect=dialect, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabelError(f"{path} is no table that can be read ({error})", _REMEDY) from None
    columns = {str(name).strip().lower(): name for name in (rows[0] if rows else {})}
    clip, label, who = (
        next((columns[name] for name in names if name in columns), None)
        for names in (_CLIP_COLUMNS, _CLASS_COLUMNS, _WHO_COLUMNS)
    )
    if rows and (clip is None or label is None):
        problem = f"{path} has the columns {', '.join(map(str, rows[0]))}"
        raise LabelError(problem, _REMEDY)
    found: list[Said] = []
    for row in rows:
        name, word = ((row[str(column)] or "").strip() for column in (clip, label))
        if name and word:
            value = _value(word.split(_SEPARATOR) if _SEPARATOR in word else word)
            found.append((name, (row[who] or "").strip() or None if who else None, value))
    return found


def _value(said: Any) -> Value:
    if isinstance(said, str) and said.strip().lower() in _NOT_CLASSES:
        return dict(_NOT_CLASSES[said.strip().lower()])
    names = said if isinstance(said, list) else [said]
    return check_value("class", {"classes": names})


def _clips_of(
    names: Iterable[str], footage: Path | None, *, is_folder: bool
) -> Mapping[str, tuple[str, ...]]:
    """The clips that each name means: one, or all that were cut from the video of that name."""
    if footage is None:
        if is_folder:
            raise LabelError("a folder names videos, not clips", "give --footage, too")
        return {name: (item,) for name, item in clip_names(names, None).items()}
    clips = load_clips(footage) if (footage / "clips.json").is_file() else []
    cut_from: dict[str, list[str]] = {}
    for clip in clips:
        cut_from.setdefault(str(_source(clip, footage)), []).append(clip.clip_id)
    if is_folder:
        # A video of the folder is a clip's source, or the clip itself.
        at = {str((footage / clip.file).resolve()): [clip.clip_id] for clip in clips}
        paths = {name: str(Path(name).resolve()) for name in names}
        meant = {name: cut_from.get(path) or at.get(path) for name, path in paths.items()}
        return {name: tuple(items) for name, items in meant.items() if items}
    videos = [video_name(str(one.relative_to(footage))) for one in find_videos(footage)]
    name_to_id = resolve_names(names, label_ids(footage, videos).items())
    rest = [name for name in names if name not in name_to_id]
    name_to_source = resolve_names(rest, [(video_name(source), source) for source in cut_from])
    found = {name: (item,) for name, item in name_to_id.items()}
    return found | {name: tuple(cut_from[source]) for name, source in name_to_source.items()}


def _source(clip: Clip, footage: Path) -> Path:
    return (footage / clip.source).resolve()
