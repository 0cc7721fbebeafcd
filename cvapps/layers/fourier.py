"""Convolution as a product of spectra."""

import math

import keras
from keras import layers, ops


def fast_length(n: int) -> int:
    """The next even length whose only prime factors are 2, 3 and 5."""
    n += n % 2
    while True:
        rest = n
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += 2


@keras.saving.register_keras_serializable("cvapps")
class FFTConv2D(layers.Conv2D):
    """`Conv2D` of stride 1 by Fourier transforms: (N, H, W, C) -> (N, H', W', filters), with Conv2D's arguments.

    Mathieu et al. 2013, arXiv:1312.5851, section 2. Worth it for large windows alone: `benchmarks/fft_conv.py` measured
    0.4 times Conv2D's speed at 3x3, the same at 11x11 to 13x13, 1.7 times at 15x15 and 3.3 times at 31x31 (inference of
    four pictures of 64x64, 16 to 16 channels, float32, TensorFlow on one busy CPU core). Transforms and products are in
    float32 under every policy. Raises ValueError for a stride, dilation or grouping, and for channels first.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        plain = (self.strides, self.dilation_rate, self.groups, self.data_format)
        if plain != ((1, 1), (1, 1), 1, "channels_last"):
            raise ValueError(
                f"{self.name}: expected strides, dilation_rate and groups of 1 and channels last; they are {plain}"
            )

    def convolution_op(self, inputs, kernel):
        """(N, H, W, C), (k, l, C, F) -> (N, H', W', F)."""
        x = ops.transpose(ops.cast(inputs, "float32"), (0, 3, 1, 2))
        tall, wide = self.kernel_size
        if self.padding == "same":
            x = ops.pad(x, ((0, 0), (0, 0), *(((k - 1) // 2, k // 2) for k in (tall, wide))))
        batch, _, height, width = ops.shape(x)
        # what wraps around falls on the last k - 1 places, which are cut off, so the picture's own length is enough
        rows = fast_length(height) if isinstance(height, int) else height
        columns = fast_length(width) if isinstance(width, int) else width + width % 2
        a, b = _picture_spectrum(x, rows, columns)  # (u, v, N, C)
        window = ops.concatenate(_window_spectrum(ops.cast(kernel, "float32"), rows, columns), axis=2)  # (u, v, 2C, F)
        # (a + bi)(c - di) = (ac + bd) + (bc - ad)i, summed over C; the conjugate makes it a correlation
        left = ops.concatenate([ops.concatenate([a, b], axis=3), ops.concatenate([b, -a], axis=3)], axis=2)
        product = ops.transpose(ops.matmul(left, window), (2, 3, 0, 1))  # (2N, F, u, v)
        y = _inverse(product[:batch], product[batch:], rows, columns)
        y = ops.transpose(y[:, :, : height - tall + 1, : width - wide + 1], (0, 2, 3, 1))
        return ops.cast(y, self.compute_dtype)


def _picture_spectrum(x, rows, columns):
    """(N, C, H, W) -> real and imaginary part, (rows, columns / 2 + 1, N, C)."""
    batch, channels, height, width = ops.shape(x)
    x = ops.concatenate([x, ops.zeros((batch, channels, rows - height, width))], axis=2)
    parts = ops.rfft(x, fft_length=columns)
    parts = ops.fft(tuple(ops.swapaxes(part, -1, -2) for part in parts))
    return [ops.transpose(part, (3, 2, 0, 1)) for part in parts]


def _window_spectrum(kernel, rows, columns):
    """(k, l, C, F) -> real and imaginary part, (rows, columns / 2 + 1, C, F).

    By the transform's definition, as products of matrices: of rows x columns values all but k x l are zeros.
    """
    tall, wide, channels, filters = kernel.shape
    cosine, sine = _waves(columns // 2 + 1, wide, columns)
    along = ops.reshape(ops.transpose(kernel, (1, 0, 2, 3)), (wide, -1))
    real, imaginary = (
        ops.reshape(
            ops.transpose(ops.reshape(ops.matmul(wave, along), (-1, tall, channels * filters)), (1, 0, 2)), (tall, -1)
        )
        for wave in (cosine, -sine)
    )
    cosine, sine = _waves(rows, tall, rows)
    turned = ops.concatenate([ops.concatenate([cosine, sine], 1), ops.concatenate([-sine, cosine], 1)], 0)
    both = ops.matmul(turned, ops.concatenate([real, imaginary], axis=0))
    both = ops.reshape(both, (2, rows, columns // 2 + 1, channels, filters))
    return [both[0], both[1]]


def _waves(count, places, length):
    """Cosines and sines of the first `count` of `length` frequencies: (count, places) each."""
    turns = ops.arange(count, dtype="int32")[:, None] * ops.arange(places, dtype="int32") % length
    angle = ops.cast(turns, "float32") * (2 * math.pi / ops.cast(length, "float32"))
    return ops.cos(angle), ops.sin(angle)


def _inverse(real, imaginary, rows, columns):
    """(N, F, rows, columns / 2 + 1) -> (N, F, rows, columns); backwards is forwards on the conjugate."""
    parts = ops.fft((ops.swapaxes(real, -1, -2), -ops.swapaxes(imaginary, -1, -2)))
    scale = ops.cast(rows, "float32")
    parts = (ops.swapaxes(parts[0], -1, -2) / scale, -ops.swapaxes(parts[1], -1, -2) / scale)
    return ops.irfft(parts, fft_length=columns)
