"""cvapps: classical computer-vision architectures as Keras 3 functional models, each proved against its paper."""

from cvapps import analysis
from cvapps.registry import changes, create_model, list_models, model_info

__version__ = "0.1.0"
__all__ = ["analysis", "changes", "create_model", "list_models", "model_info"]
