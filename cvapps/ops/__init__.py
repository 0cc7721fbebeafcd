"""Pure tensor functions without weights: `op(tensor, ...) -> tensor`, on any backend."""

from cvapps.ops import suppression  # its operation's name is known when Keras loads a saved model

__all__ = ["suppression"]
