"""Pictures as spectra of decorrelated colours, in which a step is as large for coarse structure as for fine.

Olah, Mordvintsev & Schubert 2017, doi:10.23915/distill.00007, "Preconditioning and Parameterization". The scale of the
frequencies, the start and the division by four are those of the authors' library, lucid.
"""

from collections.abc import Callable

import numpy as np
from keras import ops

from cvapps.visualization.parameterizations import Parameterization, Shape

# of red, green and blue in [0, 1] over the pixels of one photograph of each of 150 classes of ImageNet
COLOUR_COVARIANCE = np.array([[0.0753, 0.0676, 0.0619], [0.0676, 0.0735, 0.0696], [0.0619, 0.0696, 0.0789]])


def colour_matrix(channels: int) -> np.ndarray:
    """M with M Mᵀ proportional to the colours' covariance, its longest column of length 1 -> (channels, channels).

    Uncorrelated values u of unit variance become colours u Mᵀ, which vary together as those of photographs do. A single
    channel stays as it is. Raises ValueError for other numbers of channels.
    """
    if channels == 1:
        return np.ones((1, 1))
    if channels != 3:
        raise ValueError(f"expected pictures of 1 or 3 channels, got {channels}")
    variances, axes = np.linalg.eigh(COLOUR_COVARIANCE)
    root = axes * np.sqrt(variances)
    return root / np.linalg.norm(root, axis=0).max()


def frequency_scale(height: int, width: int) -> np.ndarray:
    """What spectra are multiplied with: 1 / frequency, the largest at frequency 0 -> (height, width // 2 + 1).

    Frequencies in cycles a pixel, at least one cycle a picture; times the root of the number of pixels, so that
    pictures of all sizes start with the same contrast.
    """
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    return np.sqrt(height * width) / np.maximum(frequency, 1 / max(height, width))


def inverse_transform(real, imaginary, width: int):
    """Half a spectrum, two (N, H, W // 2 + 1, C), to real values (N, H, W, C): NumPy's irfft2 over rows and columns.

    Products with matrices of cosines and sines: the backends' own transforms differ in what they offer, and at the
    size of pictures the products cost nothing beside the network.
    """
    height, half = real.shape[1], real.shape[2]
    turn = 2 * np.pi * np.outer(np.arange(height), np.arange(height)) / height
    cosine, sine = (ops.convert_to_tensor((f(turn) / height).astype("float32")) for f in (np.cos, np.sin))
    down_real = ops.einsum("hk,nkwc->nhwc", cosine, real) - ops.einsum("hk,nkwc->nhwc", sine, imaginary)
    down_imaginary = ops.einsum("hk,nkwc->nhwc", sine, real) + ops.einsum("hk,nkwc->nhwc", cosine, imaginary)
    column = np.arange(half)
    # each frequency stands for its negative too, but for the first and, where the width is even, the last
    twice = np.where((column == 0) | (2 * column == width), 1, 2) / width
    turn = 2 * np.pi * np.outer(np.arange(width), column) / width
    cosine, sine = (ops.convert_to_tensor((twice * f(turn)).astype("float32")) for f in (np.cos, np.sin))
    return ops.einsum("wk,nhkc->nhwc", cosine, down_real) - ops.einsum("wk,nhkc->nhwc", sine, down_imaginary)


def fourier(deviation: float = 0.01) -> Callable[[Shape], Parameterization]:
    """Spectra (N, 2, H, W // 2 + 1, C), real and imaginary, of three uncorrelated colours; a sigmoid keeps [0, 255].

    The start is normal noise of that deviation: pink noise around mid grey.
    """

    def of(shape):
        count, height, width, channels = shape
        scale = ops.convert_to_tensor(frequency_scale(height, width).astype("float32")[..., None] / 4)
        colours = ops.convert_to_tensor(colour_matrix(channels).T.astype("float32"))

        def picture(values):
            planes = inverse_transform(values[:, 0] * scale, values[:, 1] * scale, width)
            return 255 * ops.sigmoid(ops.matmul(planes, colours))

        size = (count, 2, height, width // 2 + 1, channels)
        return Parameterization(lambda random: deviation * random.standard_normal(size), picture)

    return of
