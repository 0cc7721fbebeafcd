"""What a score hangs on, by its gradients: saliency, SmoothGrad and integrated gradients.

Simonyan, Vedaldi & Zisserman 2013, arXiv:1312.6034, section 3. Smilkov et al. 2017, arXiv:1706.03825. Sundararajan,
Taly & Yan 2017, arXiv:1703.01365. Each function takes any network whose gradients are to be seen: that of
`with_rule(model, GUIDED)` gives guided backpropagation, or smoothed guided backpropagation.
"""

from typing import Any

import keras
import numpy as np

from cvapps.visualization.batches import in_batches
from cvapps.visualization.checks import check_counts
from cvapps.visualization.explained import Explained, Subject, explained
from cvapps.visualization.relu_rules import PLAIN, Rule, with_rule
from cvapps.visualization.result import Visualization, magnitude_pictures, signed_pictures

DRAWN_UP_TO = 99  # percent of the values


def saliency(
    model: keras.Model,
    images: Any,
    of: Subject = None,
    *,
    rule: Rule = PLAIN,
    output: str | None = None,
    batch_size: int = 16,
) -> Visualization:
    """Pictures [N, H, W, C] -> the gradients of the unnormalised score by them, [N, H, W, C] per unit of [0, 255].

    `of` is an Objective, a class or one for each picture, or None: the class that scores best; `output` says which of
    several outputs has the classes. The `rule` by which gradients pass ReLUs makes of it guided backpropagation
    (GUIDED) or a deconvolution (DECONVNET). The drawn magnitude is the largest over the channels, as in section 3.1.
    Raises ValueError and TypeError as `explained` says.
    """
    ruled = model if rule is PLAIN else with_rule(model, rule)
    asked = explained(ruled, images, of, batch_size, output)
    scores, found = in_batches(asked.gradients(), batch_size, asked.pictures, asked.labels)
    kind = "" if rule is PLAIN else f"{rule.name} "
    return _sheet("Saliency", f"{kind}gradient", asked, found, scores=scores)


def smooth_grad(
    model: keras.Model,
    images: Any,
    of: Subject = None,
    *,
    noise: float = 0.15,
    samples: int = 50,
    seed: int = 0,
    output: str | None = None,
    batch_size: int = 16,
    verbose: int = 1,
) -> Visualization:
    """Pictures [N, H, W, C] -> their mean gradients [N, H, W, C] over `samples` noisy copies.

    The noise is normal, its deviation the part `noise` of the range of each picture's values (section 3.2: 0.1 to 0.2);
    noisy pictures aren't cut to [0, 255]. `of` and `output` as for `saliency`. Raises ValueError for
    no samples and negative noise.
    """
    check_counts(samples=samples)
    if noise < 0:
        raise ValueError(f"expected no negative noise, got {noise}")
    asked = explained(model, images, of, batch_size, output)
    pictures, gradients = asked.pictures, asked.gradients()
    deviation = noise * np.ptp(pictures, axis=(1, 2, 3), keepdims=True)
    random, total = np.random.default_rng(seed), np.zeros(pictures.shape)
    progress = keras.utils.Progbar(samples, verbose=verbose)
    for _ in range(samples):
        noisy = pictures + deviation * random.standard_normal(pictures.shape, dtype="float32")
        _, found = in_batches(gradients, batch_size, noisy, asked.labels)
        total += found
        progress.add(1)
    return _sheet("SmoothGrad", "mean gradient", asked, (total / samples).astype("float32"))


def integrated_gradients(
    model: keras.Model,
    images: Any,
    of: Subject = None,
    *,
    baseline: float | np.ndarray = 0.0,
    steps: int = 50,
    output: str | None = None,
    batch_size: int = 16,
    verbose: int = 1,
) -> Visualization:
    """Pictures [N, H, W, C] -> attributions [N, H, W, C] that add up to the score's difference from the baseline's.

    The integral of the gradients from the baseline to the picture on a straight line (equation 1). Its sum is that of
    Gauss and Legendre at `steps` places, where equation 3 takes equal steps: smooth parts then need fewer. The
    `details` hold what adding up leaves open, "gap", besides "difference". `baseline` is a level in [0, 255] or
    pictures that broadcast to the given ones; black, as in the paper, where not given. `of` and `output` as for
    `saliency`. Raises ValueError for fewer than one step, and for a baseline of another shape or outside of [0, 255].
    """
    check_counts(steps=steps)
    asked = explained(model, images, of, batch_size, output)
    pictures, gradients = asked.pictures, asked.gradients()
    start = _checked_baseline(baseline, pictures.shape)
    way = pictures - start
    places, weights = np.polynomial.legendre.leggauss(steps)
    total = np.zeros(pictures.shape)
    progress = keras.utils.Progbar(steps, verbose=verbose)
    for place, weight in zip((places + 1) / 2, weights / 2, strict=True):
        total += weight * in_batches(gradients, batch_size, start + np.float32(place) * way, asked.labels)[1]
        progress.add(1)
    ends = [in_batches(gradients, batch_size, end, asked.labels)[0] for end in (pictures, start)]
    attributions = total * way
    difference = ends[0].astype("float64") - ends[1]
    gap = attributions.sum(axis=(1, 2, 3)) - difference
    found = attributions.astype("float32")
    return _sheet("Integrated gradients", "attribution", asked, found, difference=difference, gap=gap)


def _checked_baseline(baseline: float | np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    found = np.asarray(baseline, "float32")
    try:
        start = np.broadcast_to(found, shape)
    except ValueError as error:
        raise ValueError(f"expected a baseline that broadcasts to {list(shape)}, got {list(found.shape)}") from error
    if not np.all((start >= 0) & (start <= 255)):
        raise ValueError(f"expected a baseline in [0, 255], got {start.min():g} to {start.max():g}")
    return start


def _sheet(title: str, name: str, asked: Explained, found: np.ndarray, **details: np.ndarray) -> Visualization:
    """Drawn up to a percentile, as Smilkov et al. advise: beside the few largest values all others would be dark."""
    cap = np.percentile(np.abs(found), DRAWN_UP_TO, axis=(1, 2, 3), keepdims=True)
    drawn = np.clip(found, -cap, cap)
    columns = {"image": asked.pictures, name: signed_pictures(drawn), "magnitude": magnitude_pictures(drawn)}
    return Visualization(title, columns, found, asked.rows, {"labels": asked.labels, **details})
