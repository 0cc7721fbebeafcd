"""Principal components of natural pictures' patches: what a linear code of pixels is made of.

Olshausen & Field 1996, "Emergence of simple-cell receptive field properties by learning a sparse code for natural
images", Nature 381, Figure 1.
"""

import numpy as np


def patch_components(
    images: np.ndarray, size: int, count: int, *, patches: int = 20_000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Pictures [N, H, W, C] -> the principal components [count, size, size, C] of their patches, and their variances.

    Patches are drawn from all places alike; from each its own mean is taken, and from all the mean patch. Components
    have norm one, the largest variance first. Raises ValueError for no pictures, for a patch larger than the pictures,
    and for more components than a patch has values or than there are patches.
    """
    number, height, width, channels = images.shape
    if not number:
        raise ValueError("expected at least one picture")
    if not 1 <= size <= min(height, width):
        raise ValueError(f"expected a patch of 1 to {min(height, width)} pixels, got {size}")
    if not 1 <= count <= min(size * size * channels, patches):
        raise ValueError(f"expected 1 to {min(size * size * channels, patches)} components, got {count}")
    random = np.random.default_rng(seed)
    windows = np.lib.stride_tricks.sliding_window_view(images, (size, size), axis=(1, 2))
    which = (random.integers(n, size=patches) for n in (number, height - size + 1, width - size + 1))
    drawn = windows[tuple(which)].transpose(0, 2, 3, 1).reshape(patches, -1).astype("float64")
    drawn -= drawn.mean(axis=1, keepdims=True)
    variances, components = np.linalg.eigh(np.cov(drawn, rowvar=False).reshape(drawn.shape[1], -1))
    order = np.argsort(-variances)[:count]
    return components.T[order].reshape(count, size, size, channels), variances[order]
