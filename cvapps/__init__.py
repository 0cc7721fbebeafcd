"""cvapps: classical computer-vision architectures as Keras 3 functional models, each proved against its paper."""

# `detection`, `layers`, `losses`, `metrics` and `initializers` are imported here so that Keras knows their names when
# it loads a saved model; the families of models are imported when the registry is first asked
from cvapps import analysis, detection, initializers, layers, losses, metrics, weights
from cvapps.registry import changes, create_model, list_models, model_info

__version__ = "0.1.0"
__all__ = [
    "analysis",
    "changes",
    "create_model",
    "detection",
    "initializers",
    "layers",
    "list_models",
    "losses",
    "metrics",
    "model_info",
    "weights",
]
