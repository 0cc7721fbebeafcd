"""A bank of Gaussian derivatives: what a visual cortex, or a first layer, might be made of.

Koenderink & van Doorn 1987, "Representation of local geometry in the visual system", Biological Cybernetics 55;
Young 1987, "The Gaussian derivative model for spatial vision", Spatial Vision 2(4). A derivative of any direction is a
sum of those along the axes: Freeman & Adelson 1991, "The design and use of steerable filters", IEEE PAMI 13(9).
"""

import math
from collections.abc import Sequence

import numpy as np


def derivative(size: int, deviation: float, along_x: int, along_y: int) -> np.ndarray:
    """The derivative of that order along each axis of a Gaussian, at the middles of size x size pixels: float64.

    The Gaussian's integral is one and its deviation in pixels; order n along an axis is the Hermite polynomial He_n
    times (-1)^n / deviation^n.
    """
    places = np.arange(size) - (size - 1) / 2

    def profile(order):
        scaled = places / deviation
        gaussian = np.exp(-(scaled**2) / 2) / (math.sqrt(2 * math.pi) * deviation)
        hermite = np.polynomial.hermite_e.hermeval(scaled, [0] * order + [1])
        return (-1 / deviation) ** order * hermite * gaussian

    return np.outer(profile(along_y), profile(along_x))


def directional(size: int, deviation: float, order: int, angle: float) -> np.ndarray:
    """The derivative of that order along (cos angle, sin angle), angles from x to y in radians: (size, size)."""
    cosine, sine = math.cos(angle), math.sin(angle)
    terms = (
        math.comb(order, n) * cosine ** (order - n) * sine**n * derivative(size, deviation, order - n, n)
        for n in range(order + 1)
    )
    return np.sum(list(terms), axis=0)


def gaussian_derivatives(
    size: int, deviations: Sequence[float], orders: Sequence[int] = (0, 1, 2, 3), directions: int = 8
) -> dict[str, np.ndarray]:
    """The bank {what it is: (size, size)}, each of norm one: every order in every direction, and the Laplacian.

    Directions are spread over half a turn: the other half has the same with another sign. Raises ValueError for a size,
    a deviation or a number of directions that isn't positive, and for a negative order.
    """
    if size < 1 or directions < 1 or min(deviations) <= 0 or min(orders) < 0:
        raise ValueError(
            f"expected a positive size, deviations and directions and orders from 0 on, got {size}, {deviations}, "
            f"{directions} and {orders}"
        )
    bank = {}
    for deviation in deviations:
        for order in orders:
            for i in range(directions if order else 1):
                where = f", {180 * i / directions:g}°" if order else ""
                kernel = directional(size, deviation, order, math.pi * i / directions)
                bank[f"order {order}{where}, deviation {deviation:g}"] = kernel
        laplacian = derivative(size, deviation, 2, 0) + derivative(size, deviation, 0, 2)
        bank[f"Laplacian, deviation {deviation:g}"] = laplacian
    return {name: kernel / np.linalg.norm(kernel) for name, kernel in bank.items() if np.any(kernel)}
