"""Spotted events as a page to click through, and as events that people review.

The unit is one video. The page plays it and shows all classes as lanes, raw scores in grey, likely
events as marks; a click goes there. Review goes by the label database: a model's events stand there
under its own name, and whoever accepts, moves or refuses one says so under theirs.
"""

import base64
import os
import uuid
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np

from workbench.actions.spotting.predict import Raw, Spotted
from workbench.footage.frames import frames_at
from workbench.labels.events import Events
from workbench.labels.records import Entry, read_source
from workbench.labels.store import LabelStore
from workbench.pages.page import render
from workbench.saving import save_text
from workbench.style import class_colours

MODEL_NAME = "spotter"  # who says a model's events in a label database
_WIDEST = 2400  # pixels of a lane of raw scores


def save_timeline(video: Path, found: Spotted, likely: Events, path: Path) -> Path:
    """Write the page of a spotted video, which must stay where it is for the page to play it.

    Args:
        video: The video.
        found: What was spotted in it.
        likely: The events to mark.
        path: Where the page goes: .html.
    """
    classes = [name for name in likely.classes if name in {row["label"] for row in likely.rows()}]
    colours = class_colours(classes)
    length_s = found.duration_s
    lanes = [
        {
            "name": name,
            "colour": colours[name],
            "ribbon": _ribbon(found.raw, likely.classes.index(name)),
            "marks": [
                {
                    "time_s": row["position_ms"] / 1000,
                    "left": 100 * row["position_ms"] / 1000 / length_s,
                    "score": row["score"],
                }
                for row in likely.rows()
                if row["label"] == name
            ],
        }
        for name in classes
    ]
    address = quote(os.path.relpath(video.absolute(), path.absolute().parent).replace(os.sep, "/"))
    here = Path(__file__)
    text = render(
        here.with_name("timeline.html.j2"),
        here.with_name("timeline.js"),
        name=video.name,
        address=address,
        lanes=lanes,
        events=[{**row, "clock": _clock(row["position_ms"])} for row in likely.rows()],
        minutes=range(0, int(length_s // 60) + 1, max(1, round(length_s / 600))),
        length_s=length_s,
    )
    save_text(path, text)
    return path


def _ribbon(raw: Raw, place: int) -> str:
    """Raw scores of a class as a picture of one line, dark where it is sure."""
    sure = 1 / (1 + np.exp(-raw[:, place].astype(float)))
    starts = np.linspace(0, len(sure), min(len(sure), _WIDEST), endpoint=False).astype(int)
    line = np.round(255 * np.maximum.reduceat(sure, starts)).astype(np.uint8)
    black = np.zeros((1, len(line), 4), np.uint8)
    black[0, :, 3] = line
    return base64.b64encode(cv2.imencode(".png", black)[1].tobytes()).decode()


def _clock(time_ms: int) -> str:
    minutes, rest_ms = divmod(time_ms, 60_000)
    return f"{minutes}:{rest_ms / 1000:04.1f}"


def offer_for_review(store: LabelStore, video: Path, likely: Events) -> int:
    """Put a model's events into a label database; return how many were not there before.

    Raises:
        FootageError: If the video cannot be read.
    """
    source = read_source(video)
    last_s = float((source.frame_count - 1) / source.fps)
    entries = []
    for row in likely.rows():
        time_s = min(row["position_ms"] / 1000, last_s)
        value = {"label": row["label"], "frame": int(frames_at(video, time_s)[0])}
        known = f"{MODEL_NAME} {source.source_id} {value['label']} {value['frame']}"
        item, entry = (str(uuid.uuid5(uuid.NAMESPACE_OID, f"{part} {known}")) for part in "ie")
        said = Entry("event", item, value, annotator=MODEL_NAME, tool="spot", entry_id=entry)
        entries.append(replace(said, source_id=source.source_id))
    known_ids = {entry.entry_id for entry in store.history("event", source_id=source.source_id)}
    return store.add_all([source], [one for one in entries if one.entry_id not in known_ids])
