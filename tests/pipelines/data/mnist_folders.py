"""Small folders laid out as MNIST is."""

import gzip

import numpy as np


def idx(array, rank):
    """An idx file of bytes."""
    head = bytes([0, 0, 8, rank]) + b"".join(side.to_bytes(4, "big") for side in array.shape)
    return head + array.astype("uint8").tobytes()


def mnist_folder(root, zipped):
    """MNIST's four files with twelve and ten scans of rectangles."""
    root.mkdir()
    for split, count in (("train", 12), ("t10k", 10)):
        scans = np.zeros((count, 28, 28), "uint8")
        scans[:, 6:22, 10:18] = 255
        for name, content in (
            (f"{split}-images-idx3-ubyte", idx(scans, 3)),
            (f"{split}-labels-idx1-ubyte", idx(np.arange(count) % 10, 1)),
        ):
            path = root / (f"{name}.gz" if zipped else name)
            path.write_bytes(gzip.compress(content) if zipped else content)
    return root
