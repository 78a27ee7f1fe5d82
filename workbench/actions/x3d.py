"""X3D, a video network small enough for a CPU: everything but time and width grown from a stem.

The unit is a batch of clips (N, 3, T, H, W) in, class scores (N, K) out. Names of the parameters
are those of PyTorchVideo, so that its published weights (`X3D_XS.pyth`, `X3D_S.pyth`) fit.

Source: Feichtenhofer (2020), "X3D: Expanding Architectures for Efficient Video Recognition",
arXiv:2004.04730.
"""

import torch.nn.functional as F
from torch import Tensor, nn

MEAN, STD = (0.45,) * 3, (0.225,) * 3  # of the published weights' pictures
STAGES = ((24, 3), (48, 5), (96, 11), (192, 7))  # width, blocks
WIDER, FEATURES = 2.25, 2048
SQUEEZED = {54: 8, 108: 8, 216: 16, 432: 32}  # a sixteenth, in eights


class X3D(nn.Module):
    """X3D-XS and -S, which differ in their input: 4 or 13 frames of 160×160 pixels.

    Args:
        classes: How many.
        dropout: Share of the features that is left out in training.
    """

    def __init__(self, classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        before = STAGES[0][0]
        blocks: list[nn.Module] = [_Stem(before)]
        for width, count in STAGES:
            blocks.append(_Stage(before, width, count))
            before = width
        blocks.append(_Head(before, classes, dropout))
        self.blocks = nn.ModuleList(blocks)

    def forward(self, clips: Tensor) -> Tensor:
        """Score clips."""
        for block in self.blocks:
            clips = block(clips)
        return clips


class _Stem(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        over_space = nn.Conv3d(3, width, (1, 3, 3), (1, 2, 2), (0, 1, 1), bias=False)
        over_time = nn.Conv3d(width, width, (5, 1, 1), 1, (2, 0, 0), groups=width, bias=False)
        # PyTorchVideo calls the first, which is over space, conv_t.
        self.conv = nn.ModuleDict({"conv_t": over_space, "conv_xy": over_time})
        self.norm = nn.BatchNorm3d(width)

    def forward(self, clips: Tensor) -> Tensor:
        clips = self.conv["conv_xy"](self.conv["conv_t"](clips))
        normed: Tensor = self.norm(clips)
        return normed.relu_()


class _Stage(nn.Module):
    def __init__(self, before: int, width: int, count: int) -> None:
        super().__init__()
        self.res_blocks = nn.Sequential(
            *(
                Block(width if place else before, width, is_first=not place, weighs=not place % 2)
                for place in range(count)
            )
        )

    def forward(self, clips: Tensor) -> Tensor:
        found: Tensor = self.res_blocks(clips)
        return found


class Block(nn.Module):
    """A bottleneck beside its input; the first of a stage halves the picture."""

    def __init__(self, before: int, width: int, is_first: bool, weighs: bool) -> None:
        super().__init__()
        stride = (1, 2, 2) if is_first else (1, 1, 1)
        self.branch1_conv = nn.Conv3d(before, width, 1, stride, bias=False) if is_first else None
        self.branch1_norm = nn.BatchNorm3d(width) if before != width else None
        self.branch2 = _Bottleneck(before, width, stride, weighs)

    def forward(self, clips: Tensor) -> Tensor:
        """Return maps (N, C, T, h, w) of maps."""
        found: Tensor = self.branch2(clips)
        for layer in (self.branch1_conv, self.branch1_norm):
            clips = clips if layer is None else layer(clips)
        return found.add_(clips).relu_()


class _Bottleneck(nn.Module):
    def __init__(self, before: int, width: int, stride: tuple[int, int, int], weighs: bool) -> None:
        super().__init__()
        inner = int(WIDER * width)
        self.conv_a = nn.Conv3d(before, inner, 1, bias=False)
        self.norm_a = nn.BatchNorm3d(inner)
        self.conv_b = nn.Conv3d(inner, inner, 3, stride, 1, groups=inner, bias=False)
        squeeze = _Squeeze(inner) if weighs else nn.Identity()
        self.norm_b = nn.Sequential(nn.BatchNorm3d(inner), squeeze)
        self.conv_c = nn.Conv3d(inner, width, 1, bias=False)
        self.norm_c = nn.BatchNorm3d(width)

    def forward(self, clips: Tensor) -> Tensor:
        clips = self.norm_a(self.conv_a(clips)).relu_()
        clips = F.silu(self.norm_b(self.conv_b(clips)))
        found: Tensor = self.norm_c(self.conv_c(clips))
        return found


class _Squeeze(nn.Module):
    """Weighs channels by their means over the clip (Hu et al. 2018)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        fewer = SQUEEZED[width]
        self.block = nn.Sequential(
            nn.Conv3d(width, fewer, 1), nn.ReLU(), nn.Conv3d(fewer, width, 1), nn.Sigmoid()
        )

    def forward(self, clips: Tensor) -> Tensor:
        weights: Tensor = self.block(clips.mean(dim=(2, 3, 4), keepdim=True))
        return clips * weights


class _Head(nn.Module):
    def __init__(self, width: int, classes: int, dropout: float) -> None:
        super().__init__()
        inner = int(WIDER * width)
        self.pool = nn.ModuleDict(
            {
                "pre_conv": nn.Conv3d(width, inner, 1, bias=False),
                "pre_norm": nn.BatchNorm3d(inner),
                "post_conv": nn.Conv3d(inner, FEATURES, 1, bias=False),
            }
        )
        self.dropout = nn.Dropout(dropout)
        self.proj = nn.Linear(FEATURES, classes)

    def forward(self, clips: Tensor) -> Tensor:
        inner = self.pool["pre_norm"](self.pool["pre_conv"](clips)).relu_()
        features = self.pool["post_conv"](inner.mean(dim=(2, 3, 4), keepdim=True)).relu_()
        scores: Tensor = self.proj(self.dropout(features.flatten(1)))
        return scores
