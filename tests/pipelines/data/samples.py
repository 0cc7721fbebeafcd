"""Pictures for the tests: smooth random ones, encoded by Pillow, which is also the oracle."""

import io
from pathlib import Path

import numpy as np
from PIL import Image


def photo(height: int = 60, width: int = 90, seed: int = 0) -> np.ndarray:
    """uint8 [H, W, 3], smooth enough for JPEG to keep."""
    coarse = np.random.default_rng(seed).integers(0, 256, (-(-height // 12), -(-width // 12), 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def encoded(image: np.ndarray | Image.Image, form: str = "PNG", **options) -> bytes:
    """The file that Pillow writes."""
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def pillow(content: bytes) -> np.ndarray:
    """What Pillow reads: uint8 [H, W, 3]."""
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def class_folders(root: Path, classes: dict[str, int], form: str = "JPEG", height: int = 40, width: int = 56) -> Path:
    """root/<class>/<number>: so many pictures of each class, all different."""
    seed = 0
    for name, count in classes.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            seed += 1
            (root / name / f"{number:03}.{form.lower()}").write_bytes(encoded(photo(height, width, seed), form))
    return root


def stems(source):
    """The names of a split's pictures, without folder and ending."""
    return [name.rsplit("/", 1)[1].split(".")[0] for name in source.names]
