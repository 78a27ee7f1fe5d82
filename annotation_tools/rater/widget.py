"""The clip rater as a widget: shows clips one by one and keeps the stars they are given.

The unit is one key press, which becomes one row in the label store before the page calls it saved.
The store is the record: the widget holds nothing that is not in it, so that after a reload or a
kernel restart the same cell brings everything back. Knows nothing about agreement or export.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from annotation_tools.rater.jupyter_files import NotServedError, served_paths, server_root
from annotation_tools.serving.keys import load_keys
from workbench.errors import WorkbenchError
from workbench.footage.clips import Clip
from workbench.labels.records import Entry
from workbench.labels.store import LabelStore
from workbench.labels.values import check_text

_STATIC = Path(__file__).parent / "static"
_TOOL = "rater"


class ClipRater(anywidget.AnyWidget):
    """Rates clips with the number keys, in a notebook cell.

    Keys 5 to 1 give stars and go on, 0 clears, U is unsure, S skips, R replays, B goes back, ?
    shows them all. The video comes from the Jupyter server's own `/files/` address, never through
    the kernel. Clips that this annotator has rated before show their rating.

    Args:
        clips: In the order in which they are shown.
        folder: Of their `clips.json`.
        store: Where every rating goes at once.
        annotator: Whose ratings these are.
        root_dir: The Jupyter server's root folder, where it cannot be found out (a remote kernel).
        keys: A JSON file with the annotator's own keys, `{"rater": {"unsure": ["x"]}}`.

    Raises:
        LabelError: If the annotator has no name, or the store cannot be read.
        ServingError: If `keys` names an action or key that there is not.

    Example:
        >>> ClipRater(load_clips(folder), folder, LabelStore(None), "anna")  # doctest: +SKIP
    """

    _esm = _STATIC / "rater.js"
    _css = _STATIC / "rater.css"

    clips: traitlets.List[Any] = traitlets.List().tag(sync=True)
    ratings = traitlets.Dict().tag(sync=True)
    annotator = traitlets.Unicode().tag(sync=True)
    obstacle = traitlets.Unicode().tag(sync=True)  # why no video can be shown; empty if one can
    record = traitlets.Unicode().tag(sync=True)  # where unsaved presses belong, across restarts
    key_table = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        clips: Sequence[Clip],
        folder: Path,
        store: LabelStore,
        annotator: str,
        *,
        root_dir: Path | None = None,
        keys: Path | None = None,
    ) -> None:
        annotator = check_text(annotator, "the annotator's name")
        files = [folder / clip.file for clip in clips]
        try:
            served, obstacle = served_paths(files, root_dir or server_root()), ""
        except NotServedError as error:
            served, obstacle = [""] * len(files), str(error)
        self._store = store
        self._clip_ids = [clip.clip_id for clip in clips]
        super().__init__(
            clips=[
                {"id": clip.clip_id, "file": path} for clip, path in zip(clips, served, strict=True)
            ],
            ratings=self._load(annotator),
            annotator=annotator,
            obstacle=obstacle,
            record=hashlib.sha256(f"{store.url}\n{annotator}".encode()).hexdigest()[:16],
            key_table=load_keys(_STATIC / "keys.json", keys, _TOOL),
        )
        self.on_msg(self._on_press)

    def _load(self, annotator: str) -> dict[str, Any]:
        shown = set(self._clip_ids)
        entries = self._store.current("rating", annotator=annotator)
        return {item: entry.value for (_, item), entry in entries.items() if item in shown}

    def _on_press(self, _: Any, press: dict[str, Any], buffers: Any) -> None:
        """Save one press and say so, or say why not; the page keeps what was not saved."""
        try:
            rating = Entry(
                "rating",
                press["item_id"],
                press["value"],
                annotator=self.annotator,
                tool=_TOOL,
                entry_id=press["entry_id"],
            )
            self._store.append(rating)
        except WorkbenchError as error:
            self.send({"entry_id": press["entry_id"], "problem": str(error)})
            return
        self.ratings = self._load(self.annotator)
        self.send({"entry_id": press["entry_id"], "problem": None})

    def __repr__(self) -> str:
        said = f"{len(self.ratings)} of {len(self.clips)} clips rated by {self.annotator}"
        return f"{said} – {self.obstacle}" if self.obstacle else said
