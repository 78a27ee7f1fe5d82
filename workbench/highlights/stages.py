"""The stages from a chunk of video to candidates: proposed, checked, classified, with reasons.

The unit is a candidate: one moment and place at which something moves, and how far it came. A stage
can be run with its truth instead (`Oracle`): what is then found says what that stage costs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.actions.augment import plain_view
from workbench.actions.models import stored_for
from workbench.actions.predict import Classifier, load_classifier, score_views
from workbench.detect.detectors import DEFAULT_DETECTOR, Detector, load_detector, named_detector
from workbench.errors import WorkbenchError
from workbench.footage.video_info import content_digest
from workbench.highlights.actors import CUES, Sight, Window, cue_scores, look, picture_of, window_of
from workbench.highlights.chunks import Chunk, Floats, Image
from workbench.highlights.proposals import Proposal, propose
from workbench.highlights.truth import TrueAct
from workbench.saving import reading
from workbench.training.folder import BEST
from workbench.training.weights import WeightsError

PROPOSALS, CHECK, CLASSES, MERGE = "proposals", "check", "classes", "merge"
STAGES = (PROPOSALS, CHECK, CLASSES, MERGE)
CONFIG, CONFIG_FORMAT = "highlighter.json", "workbench-highlighter/1"
ANY_ACTION, NONE = "action", "none"
NO_EYE = "none"  # instead of a detector: nobody is looked for
_UNTRAINED_SCORE = 0.5
_OWN_SCORE = 0.6  # of a classifier that comes without thresholds


@dataclass(frozen=True)
class Settings:
    """What decides which candidates pass; the defaults are generous."""

    least_motion: float = 3.0  # of a proposal, in grey levels
    most_per_minute: int = 60  # proposals
    least_check: float = 0.0  # that anybody does one of the sports, by their movement
    least_score: Mapping[str, float] | None = None  # of each class


@dataclass(frozen=True, eq=False)
class Highlighter:
    """What looks at windows: eyes, kinematic weights, a classifier; each may be absent.

    To another process it travels as the names of its files, which are loaded there once.
    """

    detector: Detector | None
    classifier: Classifier | None
    sports: tuple[str, ...]
    weights: Floats | None  # (K, cues + 1), see `cue_scores`
    whole: bool  # the classifier sees whole pictures
    settings: Settings
    identity: str
    notes: tuple[str, ...]  # what a reader should know of what ran
    model: Path | None  # with `eye`, what `load_highlighter` was given
    eye: str

    def __reduce__(self) -> tuple[Any, ...]:
        return _there, (self.model, self.eye, self.settings)


@dataclass(frozen=True)
class Candidate:
    """A moment at which something moves, and what the stages said of it."""

    time_s: float
    start_s: float  # of the window
    end_s: float
    x: float  # shares of the picture
    y: float
    motion: float
    box: tuple[float, float, float, float] | None
    check: float | None  # None where an earlier stage dropped it
    scores: Mapping[str, float] | None  # by class
    dropped_by: str  # a stage, or empty
    reason: str
    truth: int | None = None  # the true act that an oracle says it shows

    @property
    def best(self) -> tuple[str, float]:
        """The likeliest class but "none", and its score."""
        named = {name: score for name, score in (self.scores or {}).items() if name != NONE}
        return max(named.items(), key=lambda pair: pair[1]) if named else ("", 0.0)


@dataclass(frozen=True)
class Oracle:
    """A stage that is told the truth: proposals or check, whose successors must look anew."""

    stage: str
    acts: Sequence[TrueAct]


def load_highlighter(model: Path | None, eye: str = "auto") -> Highlighter:
    """Make eyes and classifier ready.

    Args:
        model: A run's folder: of `learning`, with its weights and thresholds; or of any clip
            classifier, which then sees whole pictures. None: actions are found, not told apart.
        eye: A detector's name or path, "none", or "auto": what the model was trained with, else
            WORKBENCH_DETECTOR, else the default detector where its weights can be had.

    Raises:
        WorkbenchError: If the folder holds no classifier.
        WeightsError: If a detector that was named cannot be had.
    """
    notes: list[str] = []
    said: dict[str, Any] = {}
    if model is not None and (model / CONFIG).is_file():
        with reading(model / CONFIG, "a highlighter's", "train it anew") as content:
            if content["format"] != CONFIG_FORMAT or content["cues"] != list(CUES):
                raise WorkbenchError("of another version", "train it anew")
            said = content
    classifier = load_classifier(model) if model is not None else None
    detector = None
    chosen = eye if eye != "auto" else said.get("eye") or named_detector() or DEFAULT_DETECTOR
    if chosen != NO_EYE:
        try:
            detector = load_detector(chosen)
        except WeightsError as error:
            if eye != "auto" or said.get("eye") or named_detector():
                raise
            notes.append(f"No detector ({error}): what moves is not known to be a person.")
    if classifier is None:
        notes.append("No classifier: actions are found by motion and are not told apart.")
        sports: tuple[str, ...] = (ANY_ACTION,)
        settings = Settings(least_motion=6.0, least_score={ANY_ACTION: _UNTRAINED_SCORE})
    else:
        sports = tuple(name for name in classifier.classes if name != NONE)
        own = said.get("settings") or {"least_score": dict.fromkeys(sports, _OWN_SCORE)}
        settings = Settings(**own)
    if not said and classifier is not None:
        notes.append("This classifier was not trained on windows of long videos: no thresholds.")
    digest = content_digest(model / BEST) if model is not None else "none"
    return Highlighter(
        detector, classifier, sports,
        np.array(said["weights"]) if said else None, not said, settings,
        f"{digest} {detector.identity if detector else NO_EYE}", tuple(notes), model, eye,
    )  # fmt: skip


def _there(model: Path | None, eye: str, settings: Settings) -> Highlighter:
    return replace(_loaded_once(model, eye), settings=settings)


@lru_cache(maxsize=1)
def _loaded_once(model: Path | None, eye: str) -> Highlighter:
    return load_highlighter(model, eye)


def candidates_of(
    chunk: Chunk,
    by: Highlighter,
    settings: Settings,
    oracle: Oracle | None = None,
    known: dict[int, Sight] | None = None,
    on_windows: Callable[[Sequence[Window]], None] = lambda windows: None,
) -> list[Candidate]:
    """Run all stages on a chunk; return every candidate, also those that were dropped, by time.

    Args:
        chunk: The chunk.
        by: Who looks.
        settings: What passes.
        oracle: A stage that is told the truth.
        known: Who was seen in the chunk at an earlier time; grows.
        on_windows: Given the windows that were looked at.
    """
    kept, dropped = propose(chunk, settings.least_motion, settings.most_per_minute)
    if oracle and oracle.stage == PROPOSALS:
        kept, dropped = _true_proposals(chunk, oracle.acts), []
    rows = [_candidate(chunk, one, None, PROPOSALS, reason) for one, reason in dropped]
    sights = look(chunk, kept, by.detector, {} if known is None else known) if by.detector else {}
    windows = [window_of(chunk, one, sights) for one in kept]
    on_windows(windows)
    passed: list[tuple[Window, Candidate]] = []
    for window, check in zip(windows, checks_of(windows, by), strict=True):
        row = replace(_candidate(chunk, window.proposal, window), check=round(check, 4))
        fails = check < settings.least_check
        if oracle and oracle.stage == CHECK:
            fails = act_of(row, oracle.acts) is None
        if fails:
            who = "nobody is seen there; " if window.box is None and by.detector else ""
            reason = f"{who}moves like a sport with {check:.3f} < {settings.least_check:.3f}"
            rows.append(replace(row, dropped_by=CHECK, reason=reason))
        else:
            passed.append((window, row))
    scores = _scores(chunk, passed, by)
    for (_, row), own in zip(passed, scores, strict=True):
        rows.append(judged(replace(row, scores=own), settings))
    return sorted(rows, key=lambda row: (row.time_s, row.x, row.y))


def judged(row: Candidate, settings: Settings) -> Candidate:
    """Return a candidate as the thresholds of its scores have it."""
    if row.scores is None:
        return row
    name, score = row.best
    least = (settings.least_score or {}).get(name, 1.1)
    if score >= least:
        return replace(row, dropped_by="", reason=f"{name} {score:.2f} ≥ {least:.2f}")
    called = max(row.scores, key=lambda one: row.scores[one])  # type: ignore[index]
    other = f", called {called}" if called != name else ""
    reason = f"{name} {score:.2f} < {least:.2f}{other}" if least <= 1 else f"{name} is not asked"
    return replace(row, dropped_by=CLASSES, reason=reason)


def checks_of(windows: Sequence[Window], by: Highlighter) -> list[float]:
    """Return how much each window's actor moves as in any sport, 0 to 1."""
    if not windows:
        return []
    cues = np.array([window.cues for window in windows])
    if by.weights is not None:
        return [float(value) for value in cue_scores(cues, by.weights).max(axis=1)]
    burst = np.exp(cues[:, CUES.index("burst")])
    seen = np.array([1.0 if window.box or not by.detector else 0.3 for window in windows])
    return [float(value) for value in seen * burst / (1 + burst)]


def views_of(chunk: Chunk, windows: Sequence[Window], classifier: Classifier, whole: bool) -> Any:
    """Yield what a classifier is given of each window (T, h, w, 3)."""
    for window in windows:
        yield plain_view(stored_view(chunk, window, classifier.name, whole),
                         classifier.frames, classifier.size_wh)  # fmt: skip


def stored_view(chunk: Chunk, window: Window, model: str, whole: bool) -> Image:
    """Return a window as a clip set stores it for a network."""
    stored = stored_for(model)
    return picture_of(chunk, window, stored["frames"], stored["size_wh"], whole=whole)


def _scores(
    chunk: Chunk, passed: Sequence[tuple[Window, Candidate]], by: Highlighter
) -> list[dict[str, float]]:
    if not passed:
        return []
    if by.classifier is None:
        return [{ANY_ACTION: round(row.check or 0.0, 4)} for _, row in passed]
    views = views_of(chunk, [window for window, _ in passed], by.classifier, by.whole)
    found: npt.NDArray[np.float64] = (
        score_views(by.classifier.network, views, batch_size=16).softmax(dim=1).numpy()
    )
    names = by.classifier.classes
    return [
        {name: round(float(value), 4) for name, value in zip(names, row, strict=True)}
        for row in found
    ]


def _candidate(
    chunk: Chunk, one: Proposal, window: Window | None, dropped_by: str = "", reason: str = ""
) -> Candidate:
    times = chunk.times_s
    ends = (one.time_s, one.time_s)
    if window is not None:
        ends = float(times[window.start]), float(times[window.end - 1])
    return Candidate(
        one.time_s, round(ends[0], 3), round(ends[1], 3), one.x, one.y, one.strength,
        window.box if window else None, None, None, dropped_by, reason,
    )  # fmt: skip


def _true_proposals(chunk: Chunk, acts: Sequence[TrueAct]) -> list[Proposal]:
    found = []
    for act in acts:
        if chunk.start_s <= act.at_s < chunk.end_s:
            x0, y0, x1, y1 = act.box or (0.4, 0.3, 0.6, 0.7)
            x, y = np.clip([(x0 + x1) / 2, (y0 + y1) / 2], 0, 1).tolist()
            found.append(Proposal(chunk.near(act.at_s), act.at_s, x, y, 99.0))
    return found


def act_of(row: Candidate, acts: Sequence[TrueAct]) -> int | None:
    """Return the place of the true act that a candidate shows; None of none."""
    return next(
        (n for n, act in enumerate(acts) if act.is_shown_by(row.time_s, row.x, row.y)), None
    )


def to_row(candidate: Candidate) -> dict[str, Any]:
    """Return a candidate as JSON holds it."""
    return asdict(candidate)


def from_row(row: Mapping[str, Any]) -> Candidate:
    """Undo `to_row`."""
    return Candidate(**{**row, "box": tuple(row["box"]) if row["box"] else None})
