"""The card of the ball network's weights: what they learned from, how well they do, in Markdown."""

from collections.abc import Mapping
from typing import Any

_CARD = """\
# The ball network's weights

Finds balls in a frame from its colours and from the grey of the two frames before and after.
{megabytes:.2f} MB of weights; made by `workbench detect train-ball`, {epochs} epochs.

- **Learned from** {sessions} rendered sessions and their crops ({crops}); balls pasted into
  {backgrounds}; clicked frames: {clicked}. Do not test on these.
- **Scores** are the share of such candidates that lie on a ball, calibrated on rendered clips of
  held-out sessions: on other footage they are too high.

Rendered clips of held-out sessions (a box is right from IoU .5; n = true balls):

| clips | n | recall at precision .80 | best F1, at score |
|-|-|-|-|
{rows}
"""


def card_of(facts: Mapping[str, Any], size_bytes: int) -> str:
    """The card of weights with these facts."""
    trained_on = facts["trained_on"]
    crops = ", ".join(f"{count} {name}" for name, count in trained_on["crops"].items())
    clicked = ", ".join(f"{n} of {video}" for video, n in trained_on["clicked_frames"].items())
    rows = [
        f"| {name} | {told['balls']:.0f} | {told['recall at precision .8']:.2f} | "
        f"{told['best f1']:.2f}, {told['score of best f1']:.2f} |"
        for name, told in facts["valid"].items()
    ]
    return _CARD.format(
        megabytes=size_bytes / 1e6,
        epochs=" + ".join(map(str, facts["epochs"])),
        sessions=trained_on["sessions"],
        crops=crops,
        backgrounds=", ".join(trained_on["backgrounds"]) or "nothing",
        clicked=clicked or "none",
        rows="\n".join(rows),
    )
