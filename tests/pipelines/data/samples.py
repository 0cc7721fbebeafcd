"""Pictures for the tests: smooth random ones, encoded by Pillow, which is also the oracle."""

import io
import struct
import zlib
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


def png_chunk(name: bytes, body: bytes) -> bytes:
    """A PNG's chunk: length, name, body, checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, bits: int, color: int, rows: bytes, before: bytes = b"") -> bytes:
    """A PNG by hand, for the kinds that Pillow doesn't write; `before` are chunks before the header."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0))
    body = header + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + before + body


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
