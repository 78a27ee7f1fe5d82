"""The ball network's weights as a file, what its logits mean, and a card in Markdown.

A file holds float16 arrays and what is known of them, no code. Two are part of the package:
`weights/ball.npz`, and `weights/beside.npz` for use beside a detector; their cards lie there. A
user's own come from `workbench detect train-ball`. A score is a logistic curve over the logit and
the logarithm of the ball's size (a small speck must be surer than a large one), fitted on clips
that nothing was learned from.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from workbench.detect.ballnet.network import BallNet
from workbench.training.stored import load_stored, save_stored
from workbench.training.weights import WeightsError


@dataclass(frozen=True)
class Calibration:
    """score = σ(bias + slope · logit + size · log2(side / 8 px)), the side in the network's pixels.

    Example:
        >>> Calibration().score(0.0, 8.0)
        0.5
    """

    bias: float = 0.0
    slope: float = 1.0
    size: float = 0.0

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> "Calibration":
        """The calibration stored with weights; none if there is none."""
        return cls(**facts.get("calibration", {}))

    def score(self, logit: float, side_px: float) -> float:
        """The share of such answers that are a ball."""
        x = self.bias + self.slope * logit + self.size * math.log2(max(side_px, 1.0) / 8)
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, x))))

    def to_facts(self) -> dict[str, float]:
        """As it is stored."""
        return {name: round(value, 5) for name, value in asdict(self).items()}


def fit(logits: Sequence[float], sides_px: Sequence[float], right: Sequence[bool]) -> Calibration:
    """Fit the curve to answers that are known to be right or wrong."""
    seen = np.column_stack([logits, np.log2(np.maximum(sides_px, 1.0) / 8)])
    return Calibration(*logistic(seen, right))


def logistic(seen: Any, right: Sequence[bool]) -> list[float]:
    """Bias and slopes of a logistic curve through rows (N, K) that are right or wrong."""
    from sklearn.linear_model import LogisticRegression

    curve = LogisticRegression(C=100.0).fit(np.asarray(seen, float), np.asarray(right, bool))
    return [float(curve.intercept_[0]), *curve.coef_[0].tolist()]


SHIPPED = Path(__file__).parent / "weights" / "ball.npz"
BESIDE = SHIPPED.with_name("beside.npz")  # for use beside a detector; their card says why
FORMAT = "workbench-ballnet/1"
_COUNTERS = "num_batches_tracked"  # of batch normalisation: they say nothing


class Loaded(NamedTuple):
    """A network ready to run, and what is known of it."""

    network: BallNet
    facts: dict[str, Any]


def save_weights(path: Path, network: BallNet, facts: Mapping[str, Any]) -> None:
    """Write the network's weights with their facts."""
    weights = network.state_dict().items()
    kept = {name: value for name, value in weights if not name.endswith(_COUNTERS)}
    save_stored(path, kept, {"format": FORMAT, **facts})


def load_weights(path: Path | None = None) -> Loaded:
    """Read weights; the shipped ones by default.

    Raises:
        WeightsError: If they are not there or are another network's.
    """
    path = path or SHIPPED
    remedy = "give a file that `workbench detect train-ball` wrote"
    facts, tensors = load_stored(path, FORMAT, what="ball network", remedy=remedy)
    network = BallNet()
    own = network.state_dict()
    stored = {name for name in own if not name.endswith(_COUNTERS)}
    if stored != tensors.keys() or any(own[n].shape != t.shape for n, t in tensors.items()):
        raise WeightsError(f"{path} holds the weights of another network", remedy)
    network.load_state_dict(tensors, strict=False)
    return Loaded(network.eval().to(memory_format=torch.channels_last), facts)


_CARD = """\
# The ball network's weights

Finds balls in a frame from its colours and from the grey of the two frames before and after.
{megabytes:.2f} MB of weights; made by `workbench detect train-ball`.

{learned}
- Do not test on these videos.
- **Scores** are the share of such candidates that lie on a ball, calibrated on rendered clips of
  held-out sessions: on other footage they are too high.

Rendered clips of held-out sessions (a box is right from IoU .5; n = true balls):

| clips | n | recall at precision .80 | best F1, at score |
|-|-|-|-|
{rows}
"""


def card_of(facts: Mapping[str, Any], size_bytes: int) -> str:
    """The card of weights with these facts."""
    rows = [
        f"| {name} | {told['balls']:.0f} | {told['recall at precision .8']:.2f} | "
        f"{told['best f1']:.2f}, {told['score of best f1']:.2f} |"
        for name, told in facts["valid"].items()
    ]
    return _CARD.format(
        megabytes=size_bytes / 1e6, learned="\n".join(_learned(facts)), rows="\n".join(rows)
    )


def _learned(facts: Mapping[str, Any]) -> Iterator[str]:
    """A line for each training, the first one first."""
    if before := facts.get("start"):
        yield from _learned(before)
    trained_on = facts["trained_on"]
    crops = ", ".join(f"{count} {name}" for name, count in trained_on["crops"].items())
    clicked = ", ".join(f"{n} of {video}" for video, n in trained_on["clicked_frames"].items())
    said = "Went on with" if before else "Learned from"
    yield (
        f"- **{said}** {trained_on['sessions']} rendered sessions and "
        f"{crops or 'no crops that were counted'}, "
        f"{' + '.join(map(str, facts['epochs']))} epochs;\n"
        f"  balls pasted into {', '.join(trained_on['backgrounds']) or 'nothing'};\n"
        f"  clicked frames: {clicked or 'none'}."
    )
