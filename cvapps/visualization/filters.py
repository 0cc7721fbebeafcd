"""First-layer filters beside what they resemble: principal components of natural pictures, Gaussian derivatives.

Zeiler & Fergus 2013, arXiv:1311.2901, section 4.1, on looking at a first layer.
"""

import math
from typing import Any

import keras
import numpy as np

from cvapps.analysis.graph import leaves
from cvapps.registry import nearest
from cvapps.visualization.gaussian_derivatives import gaussian_derivatives
from cvapps.visualization.networks import checked_images
from cvapps.visualization.patch_components import patch_components
from cvapps.visualization.result import Visualization, signed_pictures

PARTS = (0.1, 0.15, 0.2, 0.3)  # deviations of the derivatives, as parts of the kernel's side
SMALLEST = 0.5  # pixels; of a narrower Gaussian the pixels' middles show too little


def first_filters(model: keras.Model, layer: str | None = None) -> np.ndarray:
    """The kernels [F, k, k, C] of the model's first convolution, or of the named one, in the order of its channels.

    Raises ValueError for a layer that doesn't exist, and for a model without a convolution.
    """
    convolutions = {found.name: found for found in leaves(model) if isinstance(found, keras.layers.Conv2D)}
    if not convolutions:
        raise ValueError(f"{model.name} has no convolution")
    if layer is not None and layer not in convolutions:
        raise ValueError(f"{model.name} has no convolution {layer!r}; {nearest(layer, convolutions)}")
    kernel = convolutions[layer or next(iter(convolutions))].kernel
    return np.moveaxis(keras.ops.convert_to_numpy(keras.ops.cast(kernel, "float32")), -1, 0)


def match(filters: np.ndarray, bank: dict[str, np.ndarray]) -> tuple[list[str], np.ndarray]:
    """Filters [F, k, k, C] -> for each the name of its best match in the bank, and their correlation (F,), signed.

    A filter's pattern is that of the one colour direction that holds most of it (its first singular vector), so that a
    filter of opponent colours matches as a grey one does. A constant filter's correlation is 0.
    """
    patterns = np.stack([_pattern(kernel) for kernel in filters.astype("float64")])
    names, kernels = list(bank), np.stack(list(bank.values())).reshape(len(bank), -1)
    correlations = _centred(patterns) @ _centred(kernels).T
    best = np.abs(correlations).argmax(axis=1)
    return [names[i] for i in best], correlations[np.arange(len(best)), best]


def compare_filters(
    model: keras.Model, images: Any, *, layer: str | None = None, patches: int = 20_000, seed: int = 0
) -> Visualization:
    """A network and natural pictures [N, H, W, C] -> a sheet of its first filters, of as many components, of matches.

    `values` are the filters [1, F, k, k, C]. The `details` hold the "components" with their "variances", the "bank" of
    Gaussian derivatives, and of each filter the "match" and its "correlation", by whose sign the match is drawn. The
    derivatives' deviations are `PARTS` of the kernel's side. Raises ValueError as `first_filters`, `patch_components`
    and `checked_images` do, and for a kernel that isn't square.
    """
    filters = first_filters(model, layer)
    count, size, across, channels = filters.shape
    if size != across:
        raise ValueError(f"expected square filters, got {size}x{across}")
    pictures = checked_images(model, images)
    if channels != pictures.shape[-1]:
        raise ValueError(f"expected a layer that reads {pictures.shape[-1]} channels, as pictures have; got {channels}")
    shown = min(count, size * size * channels - 1)  # patches less their means span one dimension fewer
    components, variances = patch_components(pictures, size, shown, patches=patches, seed=seed)
    bank = gaussian_derivatives(size, sorted({max(SMALLEST, round(part * size, 2)) for part in PARTS}))
    names, correlations = match(filters, bank)
    matches = np.stack([np.sign(c or 1) * bank[name] for name, c in zip(names, correlations, strict=True)])[..., None]
    columns = {
        "filters": _mosaic(filters),
        "principal components": _mosaic(components),
        "best Gaussian derivatives": _mosaic(matches),
    }
    details = {
        "components": components, "variances": variances, "bank": bank, "match": names, "correlation": correlations,
    }  # fmt: skip
    title = f"{count} filters; correlation with the best derivative: median {np.median(np.abs(correlations)):.2f}"
    return Visualization(title, columns, filters[None], details=details)


def _pattern(kernel: np.ndarray) -> np.ndarray:
    """(k, k, C) -> (k k): the pattern of its strongest colour direction, signed so that its colours add up positive."""
    left, singular, right = np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), full_matrices=False)
    return left[:, 0] * singular[0] * (1 if right[0].sum() >= 0 else -1)


def _centred(rows: np.ndarray) -> np.ndarray:
    """Rows less their means, of norm one; zero where a row is constant."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms > 1e-12, norms, np.inf)


def _mosaic(kernels: np.ndarray) -> np.ndarray:
    """Kernels [F, k, k, C] -> one picture [1, H, W, C] of them side by side in a square, each by its own range."""
    count, size, _, channels = kernels.shape
    side = math.ceil(math.sqrt(count))
    sheet = np.full((side * (size + 1) + 1, side * (size + 1) + 1, channels), 255.0)
    for i, picture in enumerate(signed_pictures(kernels)):
        top, left = (1 + (size + 1) * place for place in divmod(i, side))
        sheet[top : top + size, left : left + size] = picture
    return sheet[None]
