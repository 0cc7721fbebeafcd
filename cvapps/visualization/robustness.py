"""Robustness curves: a classifier's accuracy against how far its pictures may be changed, attack by attack.

The form of Madry et al. 2017, arXiv:1706.06083, figure 6.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np

from cvapps.visualization.adversarial import fast_gradient_sign
from cvapps.visualization.checks import check_positive
from cvapps.visualization.projected_gradient import projected_gradient_descent, uniform_noise
from cvapps.visualization.result import Visualization

ATTACKS: Mapping[str, Callable[..., Visualization]] = {
    "uniform noise": uniform_noise,
    "fast gradient sign": fast_gradient_sign,
    "projected gradient": partial(projected_gradient_descent, verbose=0),
}
COLOURS = ("#555555", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe & Ito's, after a grey


@dataclass(frozen=True)
class Robustness:
    """Accuracies in 0..1 at each epsilon, in grey levels and ascending from 0, under each attack."""

    title: str
    epsilons: np.ndarray
    accuracies: Mapping[str, np.ndarray]

    def figure(self) -> Any:
        """The curves as a Matplotlib figure, made without pyplot. Raises ImportError without matplotlib."""
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ImportError("drawing needs matplotlib: pip install 'cvapps[plot]'") from error

        figure = Figure(figsize=(5.6, 3.8), layout="constrained")
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#e6e6e6", linewidth=0.8)
        for i, (name, values) in enumerate(self.accuracies.items()):
            colour = COLOURS[i % len(COLOURS)]
            axes.plot(self.epsilons, 100 * values, "o-", color=colour, linewidth=1.8, markersize=4, label=name)
        axes.set(xlabel="epsilon, grey levels of 255", ylabel="accuracy, %", xlim=(0, None), ylim=(0, 102))
        axes.legend(frameon=False, fontsize=9)
        axes.set_title(self.title, fontsize=11)
        return figure


def robustness_curves(
    model: keras.Model,
    images: Any,
    labels: Any = None,
    *,
    epsilons: Sequence[float],
    attacks: Mapping[str, Callable[..., Visualization]] = ATTACKS,
    verbose: int = 1,
) -> Robustness:
    """Pictures [N, H, W, C] in [0, 255], labels [N] -> the accuracy on them under each attack at 0 and each epsilon.

    An attack is any function of (model, images, labels, epsilon=...), its settings set by `functools.partial`. Without
    labels the network's own answers count as right. Raises ValueError for no attack and for epsilons that don't ascend,
    and what the attacks raise.
    """
    for epsilon in epsilons:
        check_positive(epsilon=epsilon)
    if not len(epsilons) or not attacks or any(np.diff(epsilons) <= 0):
        raise ValueError(f"expected ascending epsilons and some attacks, got {list(epsilons)} and {list(attacks)}")
    bar = keras.utils.Progbar(len(epsilons) * len(attacks), verbose=verbose) if verbose else None
    accuracies = {}
    for name, attack in attacks.items():
        values = []
        for epsilon in epsilons:
            details = attack(model, images, labels, epsilon=float(epsilon)).details
            values.append(np.mean(details["after"] == details["labels"]))
            if bar:
                bar.add(1)
        accuracies[name] = np.array([np.mean(details["before"] == details["labels"]), *values])
    count = len(details["labels"])
    title = f"{model.name} on {count} picture{'s' * (count != 1)}"
    return Robustness(title, np.array([0.0, *epsilons]), accuracies)
