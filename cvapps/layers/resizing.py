"""Maps brought to another size by weights for rows and for columns: bilinear interpolation, means over a grid.

Both are written as products with matrices of weights. Keras' own layers don't serve here: its adaptive pooling on
TensorFlow needs a known size, and TensorFlow's bilinear kernel under XLA gives other values than without wherever one
size is no multiple of the other.
"""

import keras
from keras import ops


def _resample(x, rows, columns):
    """Sums of rows and of columns, (N, H, W, C), weights (h, H), (w, W) -> (N, h, w, C) in x's type."""
    x = ops.einsum("wj,nijc->niwc", ops.cast(columns, x.dtype), x)
    return ops.einsum("hi,niwc->nhwc", ops.cast(rows, x.dtype), x)


def _wide(x):
    """The float type in which places are computed: float32 at least, where float16 ends at 2048 whole numbers."""
    return keras.backend.result_type(x.dtype, "float32")


def _between(size, made, align_corners, dtype):
    """Weights of linear interpolation -> (made, size), a row for each place that is made."""
    places, given = ops.arange(made, dtype="int32"), ops.arange(size, dtype="int32")
    places, given, size, made = (ops.cast(n, dtype) for n in (places, given, size, made))
    if align_corners:
        places = places * (size - 1) / ops.maximum(made - 1, 1)
    else:
        places = ops.clip((places + 0.5) * size / made - 0.5, 0, size - 1)
    return ops.relu(1 - ops.abs(places[:, None] - given))


@keras.saving.register_keras_serializable("cvapps")
class ResizeLike(keras.layers.Layer):
    """The first map bilinearly, as large as the second: (N, H, W, C), (N, h, w, D) -> (N, h, w, C).

    Pixels are squares whose centres lie at halves, and the edge goes on outside; with `align_corners` they are points,
    of which the corners stay where they are. Nothing is blurred where the map becomes smaller. A layer, because where
    the model's picture size is open, h and w are known only when it runs.
    """

    def __init__(self, align_corners: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.align_corners = align_corners

    def call(self, inputs):
        """(N, H, W, C), (N, h, w, D) -> (N, h, w, C)."""
        x, like = inputs
        (_, *sizes, _), (_, *made, _) = ops.shape(x), ops.shape(like)
        weights = [_between(n, m, self.align_corners, _wide(x)) for n, m in zip(sizes, made, strict=True)]
        return _resample(x, *weights)

    def compute_output_shape(self, input_shape):
        """(N, H, W, C), (N, h, w, D) -> (N, h, w, C)."""
        shape, like = input_shape
        return (shape[0], *like[1:3], shape[3])

    def get_config(self):
        """The constructor's settings."""
        return {**super().get_config(), "align_corners": self.align_corners}


def _means(size, made, dtype):
    """Weights of means -> (made, size), the part of j from floor(j size / made) to before ceil((j + 1) size / made)."""
    part, given = ops.arange(made, dtype="int32")[:, None], ops.arange(size, dtype="int32")
    first, last = part * size // made, -(-(part + 1) * size // made)
    inside = ops.cast(ops.logical_and(given >= first, given < last), dtype)
    return inside / ops.cast(last - first, dtype)


@keras.saving.register_keras_serializable("cvapps")
class AdaptiveAveragePooling2D(keras.layers.AdaptiveAveragePooling2D):
    """Keras' adaptive average pooling for pictures of open size too: (N, H, W, C) -> (N, h, w, C).

    The same means over the same parts, which overlap where h doesn't divide H, and repeat where H is below h.
    """

    def call(self, inputs):
        """(N, H, W, C) -> (N, h, w, C)."""
        _, *sizes, _ = ops.shape(inputs)
        weights = [_means(n, m, _wide(inputs)) for n, m in zip(sizes, self.output_size, strict=True)]
        return _resample(inputs, *weights)
