"""What a clip classifier's training minimises, and clips that are mixed of two.

The unit is a batch: scores (N, K) and marks (N, K), how much each clip is of each class. Where a
clip shows one class its marks add up to one; where it may show several each is 0 or 1 by itself.

Sources: focal loss, Lin et al. (2017), arXiv:1708.02002; mixup, Zhang et al. (2018),
arXiv:1710.09412; CutMix, Yun et al. (2019), arXiv:1905.04899.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def clip_loss(
    scores: Tensor,
    marks: Tensor,
    *,
    several: bool = False,
    gamma: float = 0.0,
    smoothing: float = 0.0,
    shown: float = 1.0,
    weights: Tensor | None = None,
) -> Tensor:
    """Return the mean loss of a batch: cross-entropy, or binary where a clip shows several classes.

    Args:
        scores: (N, K) of the network.
        marks: (N, K).
        several: Whether a clip may show several classes.
        gamma: How little counts what is known already; 0: as cross-entropy.
        smoothing: Share of the marks that is spread over all classes.
        shown: How much a class that a clip shows weighs, against 1 of one that it does not; of
            clips that show several.
        weights: (K,) of the classes.

    Example:
        >>> scores, marks = torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 0.0]])
        >>> [round(float(clip_loss(scores, marks, gamma=gamma)), 4) for gamma in (0, 2)]
        [0.1269, 0.0018]
    """
    if several:
        marks = marks * (1 - smoothing) + smoothing / 2
        each = F.binary_cross_entropy_with_logits(scores, marks, reduction="none")
        each = (marks - scores.sigmoid()).abs() ** gamma * each * (1 + (shown - 1) * marks)
        each = each if weights is None else each * weights
        return each.sum(dim=1).mean()
    marks = marks * (1 - smoothing) + smoothing / marks.shape[1]
    logs = scores.log_softmax(dim=1)
    each = -marks * (1 - logs.exp()) ** gamma * logs
    each = each if weights is None else each * weights
    return each.sum(dim=1).mean()


def class_weights(marks: Tensor) -> Tensor:
    """Return weights (K,) by which every class of a training set counts the same; mean mark 1."""
    counts = marks.sum(dim=0)
    weights = torch.where(counts > 0, 1 / counts.clamp(min=1), 0)
    return weights * counts.sum() / (counts > 0).sum()


def mixed(clips: Tensor, marks: Tensor, mixup: float, cutmix: float) -> tuple[Tensor, Tensor]:
    """Return clips that are each mixed with another of the batch, and their marks.

    Args:
        clips: Frames (N, T, H, W, 3); for mixup alone also features.
        marks: (N, K).
        mixup: α of the beta distribution that draws how much there is of each; 0: never.
        cutmix: The same of a rectangle that shows the other clip; with both, one or the other.
    """
    cuts = cutmix > 0 and (mixup == 0 or bool(torch.rand(()) < 0.5))
    alpha = torch.tensor(cutmix if cuts else mixup)
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    other = torch.randperm(len(clips)).to(clips.device)
    if cuts:
        high, wide = clips.shape[2:4]
        side = (1 - share) ** 0.5
        top, left = (int(torch.randint(0, size, ())) for size in (high, wide))
        bottom, right = (
            min(size, start + round(size * side)) for size, start in ((high, top), (wide, left))
        )
        clips = clips.clone()
        clips[:, :, top:bottom, left:right] = clips[other, :, top:bottom, left:right]
        share = 1 - (bottom - top) * (right - left) / (high * wide)
    else:
        clips = share * clips.float() + (1 - share) * clips[other].float()
    return clips, share * marks + (1 - share) * marks[other]
