"""Seeing what networks see: an objective in a network goes in, pictures with their numbers come out."""

from cvapps.visualization.ascent import Ascent, ascend
from cvapps.visualization.class_visualization import CLASS_VISUALIZATION, YOSINSKI, visualize_class
from cvapps.visualization.facets import facets
from cvapps.visualization.feature_visualization import FEATURE_VISUALIZATION, visualize_feature
from cvapps.visualization.generators import CodeRange, normal_range, range_of, synthesize
from cvapps.visualization.joint_objectives import alignment, diversity, interpolation, one_each
from cvapps.visualization.objectives import Objective, channel, class_score, direction, neuron, whole_layer
from cvapps.visualization.result import Visualization

__all__ = [
    "CLASS_VISUALIZATION",
    "FEATURE_VISUALIZATION",
    "YOSINSKI",
    "Ascent",
    "CodeRange",
    "Objective",
    "Visualization",
    "alignment",
    "ascend",
    "channel",
    "class_score",
    "direction",
    "diversity",
    "facets",
    "interpolation",
    "neuron",
    "normal_range",
    "one_each",
    "range_of",
    "synthesize",
    "visualize_class",
    "visualize_feature",
    "whole_layer",
]
