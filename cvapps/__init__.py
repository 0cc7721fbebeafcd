"""cvapps: classical computer-vision architectures as Keras 3 functional models, each proved against its paper."""

from cvapps.registry import changes, create_model, list_models, model_info

__version__ = "0.1.0"
__all__ = ["analysis", "changes", "create_model", "list_models", "model_info"]


def __getattr__(name):
    """Imports `cvapps.analysis`, and Keras with it, when it is first used."""
    if name == "analysis":
        import importlib

        return importlib.import_module("cvapps.analysis")
    raise AttributeError(f"module 'cvapps' has no attribute {name!r}")
