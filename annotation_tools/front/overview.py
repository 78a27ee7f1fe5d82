"""What the front page says of each tool: how far one is, and what waits for a person.

The unit is one line: a fact, or a count of things that wait with the way to them. Everything is
worked out anew from the label database and the folders.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotation_tools.serving import MediaIndex

if TYPE_CHECKING:
    from workbench.labels.store import LabelStore

MOST_REPORTS = 12


@dataclass(frozen=True)
class Rows:
    """The lines of one tool."""

    facts: list[str] = field(default_factory=list)
    waits: list[dict[str, Any]] = field(default_factory=list)  # count, text, href

    def wait(self, count: int, one: str, several: str, href: str | None) -> None:
        """Add a line where there is something that waits."""
        if count:
            self.waits.append(
                {"count": count, "text": one if count == 1 else several, "href": href}
            )


def clipper_rows(media: MediaIndex | None, store: "LabelStore", annotator: str, out: Path) -> Rows:
    """Videos, this annotator's cuts in them, and which are not exported yet."""
    from annotation_tools.clipper.export import MADE_OF
    from workbench.saving import read_object

    rows = Rows()
    if media is None:
        return rows
    cuts = [
        item
        for (_, item), entry in store.current("cut", annotator=annotator).items()
        if entry.source_id in media
    ]
    rows.facts.extend([_count(len(media), "video"), f"{_count(len(cuts), 'cut')} of yours"])
    made = {key.rpartition("/")[0] for key in read_object(out / MADE_OF) or {}}
    left = sum(item not in made for item in cuts)
    rows.wait(left, "cut of yours is not exported", "cuts of yours are not exported", "clipper/")
    return rows


def coach_rows(media: MediaIndex | None) -> Rows:
    """Clips in the gallery."""
    return Rows([_count(len(media), "clip")] if media is not None else [])


def goal_rows(
    folder: Path | None, media: MediaIndex | None, store: "LabelStore", annotator: str
) -> Rows:
    """Clips, this annotator's verdicts on them, and which clips wait for a last word."""
    from annotation_tools.goals.model_verdicts import find_verdicts, load_model_verdicts
    from annotation_tools.goals.waiting import waiting
    from workbench.footage.clips import label_ids
    from workbench.labels.timing import TOLERANCE_FRAMES
    from workbench.labels.values import LabelError

    rows = Rows()
    if folder is None or media is None:
        return rows
    video_to_id = label_ids(folder, (medium.name for medium in media.files))
    video_to_source = {medium.name: medium.media_id for medium in media.files}
    ids = set(video_to_id.values())
    judged = {item for _, item in store.current("verdict", annotator=annotator)} & ids
    rows.facts.append(f"{len(judged)} of {_count(len(ids), 'clip')} judged by you")
    verdicts = find_verdicts(folder)
    try:
        model = None if verdicts is None else load_model_verdicts(verdicts, video_to_id)
    except LabelError as error:
        rows.facts.append(f"the model's verdicts cannot be read: {error.remedy}")
        model = None
    said = {} if model is None else model.item_to_verdict
    queue = waiting(store, video_to_id, video_to_source, said, TOLERANCE_FRAMES)
    left, review = len(ids) - len(judged), "goals/#review"
    rows.wait(left, "clip has no verdict of yours", "clips have no verdict of yours", "goals/")
    for why, one, several in (
        ("people", "clip is seen differently", "clips are seen differently"),
        ("events", "clip has events that differ", "clips have events that differ"),
        ("model", "clip is seen otherwise by the model", "clips are seen otherwise by the model"),
    ):
        rows.wait(sum(row["why"] == why for row in queue), one, several, review)
    return rows


def rater_rows(store: "LabelStore", annotator: str) -> Rows:
    """This annotator's stars and classes, and the clips that people give different ones."""
    from workbench.labels.agreement import disagreements

    rows = Rows()
    for kind, word in (("rating", "stars"), ("class", "a class")):
        said = store.current(kind, annotator=annotator)
        rows.facts.append(f"{_count(len(said), 'clip')} given {word} by you")
        split = len(disagreements(store, kind))
        what = "stars" if kind == "rating" else "classes"
        rows.wait(split, f"clip was given different {what}", f"clips were given different {what}",
                  None)  # fmt: skip
    return rows


def report_rows(reports: Path) -> list[dict[str, Any]]:
    """The newest run of each stage that has a report, the newest first."""
    from workbench.runs.run_record import REPORT, load_runs

    found: dict[str, dict[str, Any]] = {}
    for run in load_runs(reports):
        if run.stage in found or not (reports / run.stage / run.run / REPORT).is_file():
            continue
        found[run.stage] = {
            "title": run.title or run.stage,
            "answer": run.conclusion.sentence if run.conclusion else "",
            "verdict": run.conclusion.verdict if run.conclusion else "",
            "status": run.status,
            "when": run.started,
            "href": f"reports/{run.stage}/{run.run}/{REPORT}",
        }
    return list(found.values())[:MOST_REPORTS]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
