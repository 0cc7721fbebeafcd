"""Keras layers that Keras lacks: each has weights, state or a gradient of its own."""
