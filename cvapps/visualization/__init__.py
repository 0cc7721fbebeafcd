"""Seeing what networks see: an objective in a network goes in, pictures with their numbers come out."""

from cvapps.visualization.objectives import Objective, channel, class_score, direction, neuron, whole_layer
from cvapps.visualization.result import Visualization

__all__ = ["Objective", "Visualization", "channel", "class_score", "direction", "neuron", "whole_layer"]
