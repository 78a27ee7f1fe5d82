"""The clip rater as a widget: shows clips one by one and keeps what they are given.

It asks one question: how many stars, or which class. The unit is one key press, which becomes one
row in the label store before the page calls it saved. The store is the record: the widget holds
nothing that is not in it, so that after a reload or a kernel restart the same cell brings
everything back. Knows nothing about agreement or export.
"""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from annotation_tools.rater.jupyter_files import NotServedError, served_paths, server_root
from annotation_tools.serving import Medium
from annotation_tools.serving.keys import KeyTable, load_keys
from workbench.errors import WorkbenchError
from workbench.footage.clips import Clip
from workbench.labels.classlist import ClassList
from workbench.labels.lastword import LAST_WORD_ON
from workbench.labels.records import Entry
from workbench.labels.store import LabelStore
from workbench.labels.values import Kind, check_text
from workbench.style import class_colours

log = logging.getLogger(__name__)

MOST_SENT_BYTES = 64 << 20  # of one clip: it passes through the kernel's memory and the browser's
_STATIC = Path(__file__).parent / "static"
_TOOL = "rater"


class ClipRater(anywidget.AnyWidget):
    """Rates clips, or says what they show, by single keys in a notebook cell.

    Keys 5 to 1 give stars and go on; given `classes`, the key of each says that the clip shows it
    (where a clip may show several: also shows it, or not any more; Enter goes on). 0 clears, U is
    unsure, S skips, R replays, B goes back, ? shows them all; one of these whose key a class has
    taken moves to Shift and that key; C writes a comment. The video comes from the Jupyter server's
    own `/files/` address; where the server does not reach the clips, or there is none, the kernel
    sends them. Clips that this annotator has labelled before show it.

    Args:
        clips: In the order in which they are shown.
        folder: Of their `clips.json`.
        store: Where every rating goes at once.
        annotator: Whose labels these are.
        classes: What a clip can show; None asks for stars.
        settles: The annotator is an adjudicator: the classes given are the last word on the clips.
        root_dir: The Jupyter server's root folder, where it cannot be found out (a remote kernel).
        keys: A JSON file with the annotator's own keys, `{"rater": {"unsure": ["x"]}}`.

    Raises:
        LabelError: If the annotator has no name, or the store cannot be read.
        ServingError: If `keys` names an action or key that there is not.

    Example:
        >>> ClipRater(load_clips(folder), folder, LabelStore(None), "anna")  # doctest: +SKIP
    """

    _esm = "\n".join((_STATIC / name).read_text("utf-8") for name in ("presses.js", "rater.js"))
    _css = _STATIC / "rater.css"

    clips: traitlets.List[Any] = traitlets.List().tag(sync=True)
    ratings = traitlets.Dict().tag(sync=True)
    comments = traitlets.Dict().tag(sync=True)
    annotator = traitlets.Unicode().tag(sync=True)
    by_kernel = traitlets.Bool(False).tag(sync=True)  # the kernel sends the videos
    record = traitlets.Unicode().tag(sync=True)  # where unsaved presses belong, across restarts
    key_table = traitlets.Dict().tag(sync=True)
    classes: traitlets.List[Any] = traitlets.List().tag(sync=True)  # names, in the order of keys
    colours = traitlets.Dict().tag(sync=True)  # of the classes
    several = traitlets.Bool(False).tag(sync=True)  # a clip may show several classes

    def __init__(
        self,
        clips: Sequence[Clip],
        folder: Path,
        store: LabelStore,
        annotator: str,
        *,
        classes: ClassList | None = None,
        settles: bool = False,
        root_dir: Path | None = None,
        keys: Path | None = None,
    ) -> None:
        annotator = check_text(annotator, "the annotator's name")
        files = [folder / clip.file for clip in clips]
        try:
            served, by_kernel = served_paths(files, root_dir or server_root()), False
        except NotServedError as error:
            log.info("%s; the kernel sends the clips", error.problem)
            served, by_kernel = [clip.file for clip in clips], True
        self._store = store
        self._kind: Kind = "rating" if classes is None else "class"
        if settles:
            self._kind = LAST_WORD_ON[self._kind]
        self._id_to_file = {clip.clip_id: file for clip, file in zip(clips, files, strict=True)}
        super().__init__(
            clips=[
                {"id": clip.clip_id, "file": path} for clip, path in zip(clips, served, strict=True)
            ],
            ratings=self._load(annotator, self._kind),
            comments=self._load(annotator, "comment"),
            annotator=annotator,
            by_kernel=by_kernel,
            record=_record(store.url, annotator, self._kind),
            key_table=_with_classes(load_keys(_STATIC / "keys.json", keys, _TOOL), classes),
            classes=[] if classes is None else list(classes.names),
            colours={} if classes is None else class_colours(classes.names),
            several=classes is not None and classes.several,
        )
        self.on_msg(self._on_message)

    def _load(self, annotator: str, kind: Kind) -> dict[str, Any]:
        entries = self._store.current(kind, annotator, items=self._id_to_file)
        return {item: entry.value for (_, item), entry in entries.items()}

    def _on_message(self, _: Any, message: dict[str, Any], buffers: Any) -> None:
        if "video" in message:
            self._send_video(message["video"])
        else:
            self._save(message)

    def _send_video(self, item_id: str) -> None:
        """Send a clip to the page, which has no address for it."""
        file = self._id_to_file.get(item_id)
        try:
            if file is None or file.stat().st_size > MOST_SENT_BYTES:
                raise OSError(f"larger than {MOST_SENT_BYTES >> 20} MiB")
            media_type = Medium(item_id, file.name, file).media_type
            self.send({"video": item_id, "type": media_type}, [file.read_bytes()])
        except OSError as error:
            reason = error.strerror or str(error)
            self.send({"video": item_id, "problem": f"the kernel cannot send it ({reason})"})

    def _save(self, press: dict[str, Any]) -> None:
        """Save one press and say so, or say why not; the page keeps what was not saved."""
        try:
            said = Entry(
                "comment" if press.get("kind") == "comment" else self._kind,
                press["item_id"],
                press["value"],
                annotator=self.annotator,
                tool=_TOOL,
                entry_id=press["entry_id"],
            )
            self._store.append(said)
        except WorkbenchError as error:
            self.send({"entry_id": press["entry_id"], "problem": str(error)})
            return
        self.ratings = self._load(self.annotator, self._kind)
        self.comments = self._load(self.annotator, "comment")
        self.send({"entry_id": press["entry_id"], "problem": None})

    def __repr__(self) -> str:
        word = "rated" if self._kind == "rating" else "labelled"
        return f"{len(self.ratings)} of {len(self.clips)} clips {word} by {self.annotator}"


def _record(url: str, annotator: str, kind: Kind) -> str:
    """The name under which a browser keeps presses that are not saved yet."""
    about = [url, annotator] if kind == "rating" else [url, annotator, kind]
    return hashlib.sha256("\n".join(about).encode()).hexdigest()[:16]


def _with_classes(table: KeyTable, classes: ClassList | None) -> KeyTable:
    """The key table of the question that is asked: a key per class in the place of the stars."""
    if classes is None:
        del table["several"]
        return table
    if not classes.several:
        del table["several"]
    then = "on or off" if classes.several else "next clip"
    rows: KeyTable = {}
    for number, (name, key) in enumerate(classes.class_to_key.items()):
        keys = [key, f"Digit{key}"] if key.isdigit() else [key]
        rows[f"class_{number}"] = {"keys": keys, "help": f"{name}, {then}", "group": "Rate"}
    taken = set(classes.class_to_key.values())
    for action, row in table.items():
        if action.startswith("stars_"):
            continue
        kept = [key for key in row["keys"] if key not in taken]
        rows[action] = {**row, "keys": kept or [f"Shift+{key}" for key in row["keys"]]}
    return rows
