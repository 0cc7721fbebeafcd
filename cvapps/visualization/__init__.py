"""Seeing what networks see: an objective in a network goes in, pictures with their numbers come out."""

from cvapps.visualization.adversarial import fast_gradient_sign, iterative_gradient_sign, least_likely_class
from cvapps.visualization.attack import named
from cvapps.visualization.deep_fool import deep_fool
from cvapps.visualization.norms import L2, LINF, Norm
from cvapps.visualization.objectives import Objective, channel, class_score, direction, neuron, whole_layer
from cvapps.visualization.projected_gradient import projected_gradient_descent, uniform_noise
from cvapps.visualization.result import Visualization
from cvapps.visualization.robustness import Robustness, robustness_curves
from cvapps.visualization.until_fooled import ascend_until_fooled

__all__ = [
    "L2",
    "LINF",
    "Norm",
    "Objective",
    "Robustness",
    "Visualization",
    "ascend_until_fooled",
    "channel",
    "class_score",
    "deep_fool",
    "direction",
    "fast_gradient_sign",
    "iterative_gradient_sign",
    "least_likely_class",
    "named",
    "neuron",
    "projected_gradient_descent",
    "robustness_curves",
    "uniform_noise",
    "whole_layer",
]
