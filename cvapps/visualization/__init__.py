"""Seeing what networks see: an objective in a network goes in, pictures with their numbers come out."""

from cvapps.visualization.adversarial import fast_gradient_sign, iterative_gradient_sign, least_likely_class
from cvapps.visualization.ascent import Ascent, ascend
from cvapps.visualization.attack import named
from cvapps.visualization.class_visualization import CLASS_VISUALIZATION, YOSINSKI, visualize_class
from cvapps.visualization.deep_fool import deep_fool
from cvapps.visualization.facets import facets
from cvapps.visualization.feature_visualization import FEATURE_VISUALIZATION, visualize_feature
from cvapps.visualization.generators import CodeRange, normal_range, range_of, synthesize
from cvapps.visualization.joint_objectives import alignment, diversity, interpolation, one_each
from cvapps.visualization.norms import L2, LINF, Norm
from cvapps.visualization.objectives import Objective, channel, class_score, direction, neuron, whole_layer
from cvapps.visualization.projected_gradient import projected_gradient_descent, uniform_noise
from cvapps.visualization.result import Visualization
from cvapps.visualization.robustness import Robustness, robustness_curves
from cvapps.visualization.until_fooled import ascend_until_fooled

__all__ = [
    "CLASS_VISUALIZATION",
    "FEATURE_VISUALIZATION",
    "L2",
    "LINF",
    "YOSINSKI",
    "Ascent",
    "CodeRange",
    "Norm",
    "Objective",
    "Robustness",
    "Visualization",
    "alignment",
    "ascend",
    "ascend_until_fooled",
    "channel",
    "class_score",
    "deep_fool",
    "direction",
    "diversity",
    "facets",
    "fast_gradient_sign",
    "interpolation",
    "iterative_gradient_sign",
    "least_likely_class",
    "named",
    "neuron",
    "normal_range",
    "one_each",
    "projected_gradient_descent",
    "range_of",
    "robustness_curves",
    "synthesize",
    "uniform_noise",
    "visualize_class",
    "visualize_feature",
    "whole_layer",
]
