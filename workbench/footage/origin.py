"""The origin of footage: source, licence, and the caveat that every report on it begins with."""

from collections.abc import Iterable
from dataclasses import dataclass

from workbench.footage.clips import Clip


@dataclass(frozen=True)
class Origin:
    """The provenance of a set of clips."""

    source: str
    licence: str
    caveat: str | None = None  # the first line of every report on it

    def _repr_html_(self) -> str:
        return f"<p class=caveat><strong>{(self.caveat or self.source).capitalize()}.</strong></p>"

    def __repr__(self) -> str:
        return f"{(self.caveat or self.source).capitalize()}."


BUILT_IN_FOOTAGE = Origin(
    source="built-in footage, rendered",
    licence="Apache-2.0",
    caveat="rendered footage: proves the machinery, says nothing about real footage",
)
OWN_FOOTAGE = Origin(source="your own footage", licence="yours")


def origin_of(clips: Iterable[Clip]) -> Origin:
    """Tell the origin of clips: only built-in footage comes with its truth."""
    return BUILT_IN_FOOTAGE if any(clip.truth is not None for clip in clips) else OWN_FOOTAGE
