"""Published weights: `create_model("resnet50", weights="imagenet")`, or a source's model or tensors at hand.

One file for each family says, in pairs of names, which of the source's layers is which of ours.
"""

from cvapps.weights.convert import from_keras, from_state
from cvapps.weights.files import load, sources
from cvapps.weights.imagenet import decode_predictions, imagenet_classes

__all__ = ["decode_predictions", "from_keras", "from_state", "imagenet_classes", "load", "sources"]
