"""Trained students on the shelf: where a run belongs, whether it is fit for use, the last one."""

from dataclasses import asdict, dataclass
from pathlib import Path

from workbench.detect.detections import plural
from workbench.detect.student.comparison import ClassComparison, Comparison
from workbench.detect.student.recipe import FinetuneConfig
from workbench.detect.student.train import identity_for
from workbench.stats import show
from workbench.training.folder import last_run, run_name
from workbench.training.folder import shelve as put_on_shelf
from workbench.training.history import TrainingResult

LEAST = 0.2  # recall and precision that even the lower ends of their intervals must reach
_KIND = "student"
_MAIN_CLASS = "person"  # judged where the test split has it, else the class with most objects


@dataclass(frozen=True)
class Judgement:
    """Whether a student is fit to be used without being asked for by name, and why."""

    passed: bool
    why: str  # a clause with the numbers, no final period


def judged_class(comparison: Comparison) -> ClassComparison:
    """Return people where the test split has them, else the class with most objects."""
    return max(comparison.classes, key=lambda row: (row.name == _MAIN_CLASS, row.objects))


def judge_student(comparison: Comparison) -> Judgement:
    """Say whether a student is better than nothing, by its own numbers on the test split.

    It passes if the 95 % intervals of its recall and its precision at IoU 0.5 both lie above
    `LEAST`, for people where there are any. That is far from good; it keeps a student that learned
    nothing from being used silently.
    """
    if not comparison.classes:
        return Judgement(False, "the test split shows nothing to find")
    one = judged_class(comparison)
    recall, precision = one.recall.student, one.precision.student
    if recall is None or precision is None:
        return Judgement(False, f"it finds no {one.name} at all in {comparison.images} test frames")
    numbers = f"{one.name} recall {show(recall)}, precision {show(precision)}"
    if min(recall.low, precision.low) > LEAST:
        return Judgement(True, f"{numbers}: both surely above {LEAST:g}")
    return Judgement(False, f"{numbers}: not both surely above {LEAST:g}")


def answer(comparison: Comparison, judgement: Judgement) -> str:
    """Say whether a student sees what its teacher labelled; begins with yes, no or can't tell.

    Yes takes a student that passed and finds at least half of what its teacher finds.
    """
    if not comparison.classes:
        return f"Can't tell: {judgement.why}."
    one = judged_class(comparison)
    student, teacher = one.recall.student, one.recall.teacher
    good = student is not None and (teacher is None or student.value >= teacher.value / 2)
    word = "Yes" if judgement.passed and good else "No"
    finds = f"{show(student, percent=True)} of {plural(one.name)}"
    return (
        f"{word}: the student finds {finds} where its teacher finds {show(teacher, percent=True)}, "
        f"in {comparison.images} frames of unseen sessions judged against {comparison.against}."
    )


def run_dir_for(models_dir: Path, dataset_dir: Path, config: FinetuneConfig) -> Path:
    """Folder of the run with these settings on these data: the same ones meet again and go on."""
    return models_dir / run_name(f"rfdetr-{config.variant}", identity_for(dataset_dir, config))


def shelve(result: TrainingResult, judgement: Judgement) -> Path:
    """Make a finished run the newest on its shelf; returns the file that says so.

    A run that failed is recorded, too, unless another one has passed: `last_student` can then say
    what failed.
    """
    facts = {
        "classes": list(result.classes),
        "valid_ap": round(result.best.scores["ap"], 6),
        **asdict(judgement),
    }
    return put_on_shelf(result.run_dir, _KIND, facts)


def last_student(models_dir: Path) -> Path:
    """Folder of the student that was finished last.

    Raises:
        DatasetError: If there is none, or it failed its test.
    """
    return last_run(models_dir, _KIND, "train one: workbench run finetune_rfdetr")
