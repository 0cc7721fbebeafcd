"""The different looks of one class: clusters of its pictures by the network's codes, an ascent from each one's mean.

Nguyen, Yosinski & Clune 2016, arXiv:1602.03616, algorithm 1 and section 2. PHASES, their rates and fidelities are those
that the authors' program for mean pictures states: total variation is taken out after each step, the second phase is on
a picture a fifth larger through a wandering window, the third in the centre alone, where the subject is to be. They
were tuned for CaffeNet. Differences: the centre is the picture's, not the window's, the whole picture is denoised, and
the denoiser seeks the same minimum in another way. The program doesn't do all that it states: a division of integers
leaves the first phase's rate at 1, which here goes to 2, and a misplaced bracket lets a fidelity end at the sum of its
two numbers, here at the second. It cuts pixels to [0, 255] before it denoises, here they are cut after; its window
moves by whole pixels, here also between them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from cvapps.visualization.ascent import Ascent, ascend, per_mean_magnitude
from cvapps.visualization.class_visualization import probabilities
from cvapps.visualization.clusters import clusters, codes
from cvapps.visualization.moves import Move, wander
from cvapps.visualization.networks import checked_images, in_float32, read
from cvapps.visualization.objectives import OUTPUT, class_score
from cvapps.visualization.parameterizations import pixels_of
from cvapps.visualization.result import Visualization
from cvapps.visualization.total_variation import total_variation

NEAREST = 15  # pictures in a mean


def in_centre(margin: float) -> Callable[[Any], Any]:
    """Each sample's gradient over the mean of its magnitudes, without that part of the sides at the border."""

    def direction(gradient):
        inner = [np.zeros(n, bool) for n in gradient.shape[1:3]]
        for side in inner:
            border = round(margin * len(side))
            side[border : len(side) - border] = True
        return per_mean_magnitude(gradient * ops.convert_to_tensor(np.outer(*inner)[..., None], "float32"))

    return direction


@dataclass(frozen=True)
class Phase:
    """An ascent from where the phase before ended, on its picture enlarged by a factor.

    Its rate, in grey levels of a mean step, and its fidelity to the undenoised picture each go on a line over the
    steps, from the first number to the second. Raises ValueError for a fidelity that isn't positive.
    """

    steps: int
    rates: tuple[float, float]
    fidelities: tuple[float, float]
    moves: Sequence[Move] = ()
    direction: Callable[[Any], Any] = per_mean_magnitude
    enlarge: float = 1.0

    def __post_init__(self) -> None:
        if min(self.fidelities) <= 0:
            raise ValueError(f"expected positive fidelities, got {self.fidelities}")

    def ascent(self, pictures: np.ndarray) -> Ascent:
        """The ascent from these pictures [N, H, W, C]."""
        schedule = keras.optimizers.schedules.PolynomialDecay
        return Ascent(
            parameterization=pixels_of(pictures),
            moves=self.moves,
            direction=self.direction,
            optimizer=lambda: keras.optimizers.SGD(schedule(self.rates[0], self.steps, self.rates[1])),
            regularizers=(total_variation(1 / self.fidelities[0], 1 / self.fidelities[1], self.steps),),
            steps=self.steps,
        )


PHASES = (
    Phase(190, (1.0, 2.0), (0.4, 0.4)),
    Phase(150, (1.0, 1.0), (0.01, 2.0), moves=(wander(0.3),), enlarge=1.2),
    Phase(20, (2.0, 2.0), (0.1, 2.0), moves=(wander(0.2),), direction=in_centre(50 / 227)),
    Phase(10, (2.0, 2.0), (0.4, 2.0), moves=(wander(0.3),)),
)


def facets(
    model: keras.Model,
    images: np.ndarray,
    index: int,
    layer: str,
    *,
    count: int = 10,
    phases: Sequence[Phase] = PHASES,
    output: str | None = None,
    batch_size: int = 32,
    seed: int = 0,
    verbose: int = 1,
) -> Visualization:
    """Pictures of one class [M, H, W, C] -> a row for each of `count` facets: an example, the mean, the facet.

    `values` are the facets. `details` hold each picture's "cluster" [M] and place in the "embedding" [M, 2], the
    facets' "probability" [count] and the "objective" before each step [steps, count]. A network of open size sees an
    enlarged picture through a window of the given pictures' size. The facets climb as one batch of `count`;
    `batch_size` is for what only answers. Raises ValueError for fewer pictures than facets or than four, for too few
    that differ to the layer, for no phase, for an unknown layer, class or output, and for what aren't pictures;
    ImportError without scikit-learn.
    """
    images = checked_images(model, images)
    if not phases:
        raise ValueError("expected at least one phase, got none")
    if count < 1:
        raise ValueError(f"expected at least one facet, got {count}")
    if len(images) < max(count, 4):
        raise ValueError(f"expected at least {max(count, 4)} pictures for {count} facets, got {len(images)}")
    embedding, cluster, centres = clusters(codes(model, images, layer, batch_size), count, seed)
    means, examples = [], []
    for i in range(count):
        own = np.flatnonzero(cluster == i)
        near = own[np.argsort(np.linalg.norm(embedding[own] - centres[i], axis=1), kind="stable")[:NEAREST]]
        means.append(images[near].mean(axis=0))
        examples.append(images[near[0]])
    pictures, history, sized = np.stack(means), [], of_one_size(model, images.shape[1:], output)
    for number, part in enumerate(phases):
        pictures = enlarged(pictures, part.enlarge)
        how, size = part.ascent(pictures), pictures.shape[1:3]
        found = ascend(sized, class_score(index), how, count=count, size=size, seed=seed + number, verbose=verbose)
        pictures = found.values
        history.append(found.details["objective"])
    chosen = probabilities(sized, pictures, None, batch_size)[:, index]
    return Visualization(
        f"facets of class {index} by {layer}",
        {"example": np.stack(examples), "mean": np.stack(means), "facet": pictures},
        pictures,
        [f"{np.sum(cluster == i)} pictures, p = {p:.3f}" for i, p in enumerate(chosen)],
        {"cluster": cluster, "embedding": embedding, "probability": chosen, "objective": np.concatenate(history)},
    )


def of_one_size(model: keras.Model, shape: tuple[int, ...], output: str | None) -> keras.Model:
    """The model with this output alone, for pictures [H, W, C] alone, so that one of open size has a window too."""
    name, picture = OUTPUT + (output or ""), keras.Input(shape, name="picture")
    scores = read(in_float32(model), (name,))([picture])[name]
    return keras.Model(picture, {"logits": scores}, name=f"{model.name}_of_one_size")


def enlarged(pictures: np.ndarray, factor: float) -> np.ndarray:
    """[N, H, W, C] -> [N, round(factor H), round(factor W), C], cubic, in [0, 255]."""
    size = tuple(round(factor * n) for n in pictures.shape[1:3])
    if size == pictures.shape[1:3]:
        return pictures
    made = ops.image.resize(ops.convert_to_tensor(pictures), size, interpolation="bicubic")
    return np.clip(ops.convert_to_numpy(made), 0, 255)
