"""Losses that Keras lacks, by task: Keras `Loss` classes, computed in float32 under every precision policy."""
