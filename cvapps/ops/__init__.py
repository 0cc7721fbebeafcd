"""Pure tensor functions without weights: `op(tensor, ...) -> tensor`, on any backend."""

from cvapps.ops import matching, suppression  # their operations' names are known when Keras loads a saved model

__all__ = ["matching", "suppression"]
