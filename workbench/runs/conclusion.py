"""The conclusion of a notebook: one sentence computed from its numbers, and a verdict.

The verdict answers the notebook's question; whether the notebook ran is another matter. Report,
index and `workbench list` show both, the answer first.
"""

import html
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from workbench.errors import DatasetError, WorkbenchError
from workbench.saving import reading, save_json

RUN_DIR_VARIABLE = "WORKBENCH_RUN_DIR"  # set by the runner; absent in JupyterLab
FILE_NAME = "conclusion.json"
EMPTY_CLASS = "nothing-here"  # of the line that stands for an empty section

Verdict = Literal["yes", "no", "can't tell", "nothing to see"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


class ConclusionError(WorkbenchError):
    """A conclusion without a verdict."""


@dataclass(frozen=True)
class Conclusion:
    """The answer of a notebook; shows itself as one line."""

    sentence: str
    verdict: Verdict

    @property
    def css_class(self) -> str:
        """The verdict as a class of the pages' style."""
        return self.verdict.replace(" ", "-").replace("'", "")

    @property
    def answer(self) -> str:
        """The sentence without the verdict it begins with, which stands beside it as a mark."""
        answer = self.sentence.partition(":")[2].strip()
        # A name such as mAP@1 keeps its small letter.
        return answer if answer[1:2].isupper() else answer[:1].upper() + answer[1:]

    def _repr_html_(self) -> str:
        sentence = html.escape(self.sentence)
        return f'<p class="conclusion {self.css_class}"><strong>{sentence}</strong></p>'


def current_run() -> Path | None:
    """Return the folder of the run under way; None in JupyterLab, where there is none."""
    folder = os.environ.get(RUN_DIR_VARIABLE)
    return Path(folder) if folder else None


def conclude(sentence: str) -> Conclusion:
    """Answer the notebook's question with a sentence computed from its numbers.

    In a run the conclusion goes to the record. Call it once, after the checks.

    Args:
        sentence: Begins with the verdict, so that nobody reads one without the other.

    Raises:
        ConclusionError: If the sentence begins with no verdict.

    Example:
        >>> conclude("No: the student finds 0.7 % of people.").verdict
        'no'
    """
    word = sentence.partition(":")[0].replace("’", "'").lower()
    if word not in VERDICTS:
        known = ", ".join(map(repr, VERDICTS))
        problem = f"a conclusion that begins {sentence[:30]!r} has no verdict"
        raise ConclusionError(problem, f"begin it with one of {known} and a colon")
    conclusion = Conclusion(sentence, word)
    run_dir = current_run()
    if run_dir is not None:
        save_json(run_dir / FILE_NAME, asdict(conclusion))
    return conclusion


def load_conclusion(run_dir: Path) -> Conclusion | None:
    """Return what a run concluded; None if it did not."""
    with suppress(DatasetError), reading(run_dir / FILE_NAME) as content:
        return Conclusion(**content)
    return None


@dataclass(frozen=True)
class Nothing:
    """Why a section has nothing to show; `display` it, and a report folds the section away.

    Example:
        >>> Nothing("There is no truth to compare with.").why
        'There is no truth to compare with.'
    """

    why: str

    def _repr_html_(self) -> str:
        return f'<p class="{EMPTY_CLASS}">{html.escape(self.why)}</p>'
