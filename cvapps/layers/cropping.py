"""Maps cut to each other's size."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("cvapps")
class CropLike(keras.layers.Layer):
    """The first map's top left corner, as large as the second: (N, H, W, C), (N, h, w, D) -> (N, h, w, C).

    For maps that were rounded up when they were halved and are too large once doubled again. A layer, because where the
    model's picture size is open, h and w are known only when it runs. Where the second is larger the first stays.
    """

    def call(self, inputs):
        """(N, H, W, C), (N, h, w, D) -> (N, h, w, C)."""
        x, like = inputs
        _, height, width, _ = ops.shape(like)
        return x[:, :height, :width]

    def compute_output_shape(self, input_shape):
        """(N, H, W, C), (N, h, w, D) -> (N, h, w, C)."""
        (batch, *sizes, channels), like = input_shape
        sizes = [n if None in (n, m) else min(n, m) for m, n in zip(sizes, like[1:3], strict=True)]
        return (batch, *sizes, channels)
