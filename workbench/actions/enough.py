"""What is still missing before a classifier can be trained and tested on people's labels.

The unit is one class. It needs clips from three sessions, one to train on, one to choose the epoch,
one to test, and enough clips to say anything. Knows nothing about where labels come from.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.actions.items import classes_in
from workbench.footage.clips import Clip
from workbench.training.splits import SPLITS

LEAST_CLIPS = 12  # of a class; with fewer the test clips of it can be counted on one hand


@dataclass(frozen=True)
class Enough:
    """Which classes can be learned, and what the others lack; shows itself as one line each."""

    ready: tuple[str, ...]  # in alphabetical order, "none" last
    lacks: dict[str, str]  # by class: what to label

    @property
    def can_train(self) -> bool:
        """Whether two classes at least can be told apart."""
        return len(self.ready) > 1

    def __str__(self) -> str:
        """What to label next, in words."""
        if not self.ready and not self.lacks:
            return "no clip has a class yet"
        if not self.lacks:
            more = "" if self.can_train else "; label clips of another class, such as none"
            return f"there are enough clips of {', '.join(self.ready)}{more}"
        return "; ".join(self.lacks.values())


def what_lacks(
    clips: Sequence[Clip], *, least_clips: int = LEAST_CLIPS, least_sessions: int = len(SPLITS)
) -> Enough:
    """Say which classes of labelled clips can be learned.

    Example:
        >>> str(what_lacks(clips))  # doctest: +SKIP
        '12 more clips of serve in 2 more sessions'
    """
    class_to_clips: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        for name in classes_in(clip.sport):
            class_to_clips[name].append(clip)
    ready, lacks = [], {}
    for name in sorted(class_to_clips, key=lambda name: (name == "none", name)):
        own = class_to_clips[name]
        sessions = least_sessions - len({clip.session for clip in own})
        more = max(least_clips - len(own), sessions, 0)
        if not more:
            ready.append(name)
            continue
        words = f"{more} more clip{'s' * (more != 1)} of {name}"
        if sessions > 0:
            words += f" in {sessions} more session{'s' * (sessions != 1)}"
        lacks[name] = words
    return Enough(tuple(ready), lacks)
