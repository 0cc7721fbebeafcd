"""Seeing what networks see: an objective in a network goes in, pictures with their numbers come out."""

from cvapps.visualization.backproject import back_project, back_projection
from cvapps.visualization.filters import compare_filters, first_filters
from cvapps.visualization.gaussian_derivatives import gaussian_derivatives
from cvapps.visualization.grad_cam import grad_cam
from cvapps.visualization.gradients import integrated_gradients, saliency, smooth_grad
from cvapps.visualization.objectives import Objective, channel, class_score, direction, neuron, peak, whole_layer
from cvapps.visualization.occlusion import occlusion
from cvapps.visualization.patch_components import patch_components
from cvapps.visualization.patches import by_gradient, top_patches
from cvapps.visualization.relu_rules import DECONVNET, GUIDED, PLAIN, Rule, with_rule
from cvapps.visualization.result import Visualization

__all__ = [
    "DECONVNET",
    "GUIDED",
    "PLAIN",
    "Objective",
    "Rule",
    "Visualization",
    "back_project",
    "back_projection",
    "by_gradient",
    "channel",
    "class_score",
    "compare_filters",
    "direction",
    "first_filters",
    "gaussian_derivatives",
    "grad_cam",
    "integrated_gradients",
    "neuron",
    "occlusion",
    "patch_components",
    "peak",
    "saliency",
    "smooth_grad",
    "top_patches",
    "whole_layer",
    "with_rule",
]
