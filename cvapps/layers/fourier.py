"""Convolution as a product of spectra."""

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

    Mathieu et al. 2013, arXiv:1312.5851, section 2. Transforms and products are in float32 under every policy. Raises
    ValueError for a stride, dilation or grouping, and for channels first.
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
        kernel = ops.transpose(ops.cast(kernel, "float32"), (2, 3, 0, 1))
        tall, wide = self.kernel_size
        if self.padding == "same":
            rows, columns = (((k - 1) // 2, k // 2) for k in (tall, wide))
            x = ops.pad(x, ((0, 0), (0, 0), rows, columns))
        filters = kernel.shape[1]
        height, width = ops.shape(x)[2:]
        # what wraps around falls on the last k - 1 places, which are cut off, so the picture's own length is enough
        length = fast_length(width) if isinstance(width, int) else width + width % 2
        tall_length = fast_length(height) if isinstance(height, int) else height
        picture = _spectrum(x, tall_length, length)  # (N, C, l, h)
        window = _spectrum(kernel, tall_length, length)  # (C, F, l, h)
        a, b = (ops.transpose(part, (2, 3, 0, 1)) for part in picture)  # (l, h, N, C)
        c, d = (ops.transpose(part, (2, 3, 0, 1)) for part in window)  # (l, h, C, F)
        # (a + bi)(c - di) summed over C, as one real product; the conjugate makes a correlation of the convolution
        factors = ops.concatenate([ops.concatenate([c, -d], -1), ops.concatenate([d, c], -1)], -2)
        product = ops.matmul(ops.concatenate([a, b], -1), factors)  # (l, h, N, 2F)
        real, imaginary = (
            ops.transpose(part, (2, 3, 0, 1)) for part in (product[..., :filters], product[..., filters:])
        )
        y = _inverse(real, imaginary, tall_length, length)
        y = ops.transpose(y[:, :, : height - tall + 1, : width - wide + 1], (0, 2, 3, 1))
        return ops.cast(y, self.compute_dtype)


def _spectrum(x, tall_length, length):
    """(A, B, height, width) -> real and imaginary part, (A, B, length / 2 + 1, tall_length)."""
    a, b, height, width = ops.shape(x)
    x = ops.concatenate([x, ops.zeros((a, b, tall_length - height, width))], axis=2)
    parts = ops.rfft(x, fft_length=length)
    return ops.fft(tuple(ops.swapaxes(part, -1, -2) for part in parts))


def _inverse(real, imaginary, tall_length, length):
    """The reverse of `_spectrum`; backwards is forwards on the conjugate, as Keras has no inverse of one axis."""
    real, imaginary = ops.fft((real, -imaginary))
    scale = ops.cast(tall_length, "float32")
    parts = (ops.swapaxes(real / scale, -1, -2), ops.swapaxes(-imaginary / scale, -1, -2))
    return ops.irfft(parts, fft_length=length)
