"""What detectors take from a classifier: its features by stride, and which of its weights stay as they are."""

import typing

import keras
from keras import layers

import cvapps


def nothing(backbone):
    """Every weight is trained."""


def batch_norms(backbone):
    """Batch normalization keeps its weights and statistics, which a few large pictures in a step would only blur."""
    for layer in backbone.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False


def features(spec) -> tuple[keras.KerasTensor, dict]:
    """A detector's picture and the features of its backbone by stride: -> (N, H, W, 3), {"C2": ..., "C5": ...}.

    `spec` has backbone, backbone_settings, frozen, pixels and input_shape. Raises ValueError for a model without
    features.
    """
    hints = typing.get_type_hints(cvapps.model_info(spec.backbone).builder)
    if type(None) not in typing.get_args(hints["num_classes"]):
        raise ValueError(f"{spec.backbone} is no backbone: it has no features by stride")
    settings = dict(num_classes=None, pixels=spec.pixels, input_shape=spec.input_shape, **spec.backbone_settings)
    backbone = cvapps.create_model(spec.backbone, **settings)
    spec.frozen(backbone)
    return backbone.input, backbone.output
