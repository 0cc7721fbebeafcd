"""Seeing what networks see: an objective in a network goes in, pictures with their numbers come out."""

from cvapps.visualization.adversarial import fast_gradient_sign, iterative_gradient_sign, least_likely_class
from cvapps.visualization.ascent import Ascent, ascend, square_norm
from cvapps.visualization.attack import with_class_names
from cvapps.visualization.backproject import back_project, back_projection
from cvapps.visualization.class_visualization import CLASS_VISUALIZATION, YOSINSKI, visualize_class
from cvapps.visualization.deep_fool import deep_fool
from cvapps.visualization.facets import facets
from cvapps.visualization.feature_visualization import FEATURE_VISUALIZATION, visualize_feature
from cvapps.visualization.filters import compare_filters, first_filters
from cvapps.visualization.gaussian_derivatives import gaussian_derivatives
from cvapps.visualization.generators import CodeRange, normal_range, range_of, synthesize
from cvapps.visualization.grad_cam import grad_cam
from cvapps.visualization.gradients import integrated_gradients, saliency, smooth_grad
from cvapps.visualization.joint_objectives import alignment, diversity, interpolation, one_each
from cvapps.visualization.norms import L2, LINF, Norm
from cvapps.visualization.objectives import Objective, channel, class_score, direction, neuron, peak, whole_layer
from cvapps.visualization.occlusion import occlusion
from cvapps.visualization.patch_components import patch_components
from cvapps.visualization.patches import by_gradient, top_patches
from cvapps.visualization.projected_gradient import projected_gradient_descent, uniform_noise
from cvapps.visualization.relu_rules import DECONVNET, GUIDED, PLAIN, Rule, with_rule
from cvapps.visualization.result import Visualization
from cvapps.visualization.robustness import Robustness, robustness_curves
from cvapps.visualization.until_fooled import ascend_until_fooled

__all__ = [
    "CLASS_VISUALIZATION",
    "DECONVNET",
    "FEATURE_VISUALIZATION",
    "GUIDED",
    "L2",
    "LINF",
    "PLAIN",
    "YOSINSKI",
    "Ascent",
    "CodeRange",
    "Norm",
    "Objective",
    "Robustness",
    "Rule",
    "Visualization",
    "alignment",
    "ascend",
    "ascend_until_fooled",
    "back_project",
    "back_projection",
    "by_gradient",
    "channel",
    "class_score",
    "compare_filters",
    "deep_fool",
    "direction",
    "diversity",
    "facets",
    "fast_gradient_sign",
    "first_filters",
    "gaussian_derivatives",
    "grad_cam",
    "integrated_gradients",
    "interpolation",
    "iterative_gradient_sign",
    "least_likely_class",
    "neuron",
    "normal_range",
    "occlusion",
    "one_each",
    "patch_components",
    "peak",
    "projected_gradient_descent",
    "range_of",
    "robustness_curves",
    "saliency",
    "smooth_grad",
    "square_norm",
    "synthesize",
    "top_patches",
    "uniform_noise",
    "visualize_class",
    "visualize_feature",
    "whole_layer",
    "with_class_names",
    "with_rule",
]
