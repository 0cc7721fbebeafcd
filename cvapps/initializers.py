"""First weights of transposed convolutions that make them interpolate."""

import keras
import numpy as np


def _diagonal(shape, profile, dtype):
    """The outer product of a profile with itself between equal channels, zero between others."""
    height, width, made, given = shape
    if height != width or made != given:
        raise ValueError(f"expected a square kernel from some channels to as many, (k, k, C, C), not {tuple(shape)}")
    window = np.multiply.outer(profile, profile)
    return keras.ops.convert_to_tensor(window[:, :, None, None] * np.eye(made), dtype=dtype)


@keras.saving.register_keras_serializable("cvapps")
class Bilinear(keras.initializers.Initializer):
    """Kernel (k, k, C, C) with which `Conv2DTranspose` of stride f interpolates linearly, k = 2f or 2f - 1.

    Long et al. 2015, arXiv:1411.4038, section 3.3. Pixels are squares whose centres lie at halves, so an even f wants
    k = 2f and an odd one 2f - 1, padded "same". Raises ValueError for a kernel that isn't square or mixes channels.
    """

    def __call__(self, shape, dtype=None):
        """(k, k, C, C) -> the kernel."""
        factor = (shape[0] + 1) // 2
        distance = np.abs(np.arange(shape[0]) - (shape[0] - 1) / 2) / factor
        return _diagonal(shape, 1 - distance, dtype)


@keras.saving.register_keras_serializable("cvapps")
class Bicubic(keras.initializers.Initializer):
    """Kernel (k, k, C, C) with which `Conv2DTranspose` of stride f interpolates cubically, k = 4f or 4f - 1.

    Keys 1981, IEEE Trans. ASSP 29(6), equation 4, whose second parameter is `a`: -0.5 is Keys' (third order), -0.75
    that of OpenCV and PyTorch. Raises ValueError for a kernel of another size, not square or mixing channels.
    """

    def __init__(self, a: float = -0.5):
        self.a = a

    def __call__(self, shape, dtype=None):
        """(k, k, C, C) -> the kernel."""
        if shape[0] % 4 not in (0, 3):
            raise ValueError(f"a cubic kernel for the factor f is 4f or 4f - 1 wide, not {shape[0]}")
        factor = (shape[0] + 1) // 4
        t = np.abs(np.arange(shape[0]) - (shape[0] - 1) / 2) / factor
        near = (self.a + 2) * t**3 - (self.a + 3) * t**2 + 1
        far = self.a * (t**3 - 5 * t**2 + 8 * t - 4)
        return _diagonal(shape, np.where(t <= 1, near, far), dtype)

    def get_config(self):
        """The constructor's settings."""
        return {"a": self.a}
