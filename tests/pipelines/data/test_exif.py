"""EXIF orientation against Pillow, and against segments and TIFF structures made by hand."""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from pipelines.data.decode import decode_image, image_size
from pipelines.data.exif import exif_orientation, turn
from tests.pipelines.data.samples import encoded, photo
from tests.tolerances import EXACT, JPEG_DECODER

orientation_of = tf.function(exif_orientation, input_signature=[tf.TensorSpec([], tf.string)])


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def tiff(orientation: int, order: str = ">", kind: int = 3, before: int = 2, offset: int = 8) -> bytes:
    """A TIFF structure: `before` other entries, then the orientation."""
    entries = [struct.pack(order + "HHII", 0x0100 + i, 4, 1, 6) for i in range(before)]
    value = struct.pack(order + ("H2x" if kind == 3 else "I"), orientation)
    entries.append(struct.pack(order + "HHI", 0x0112, kind, 1) + value)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", offset)
    return head + bytes(offset - 8) + struct.pack(order + "H", len(entries)) + b"".join(entries) + bytes(4)


def with_segments(*segments: bytes) -> bytes:
    """A JPEG whose first segments are these."""
    plain = encoded(photo(), "JPEG")
    return plain[:2] + b"".join(segments) + plain[2:]


JFIF = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
XMP = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations_as_pillow_turns_them(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(photo(), "JPEG", exif=exif)
    with Image.open(io.BytesIO(content)) as image:
        wanted = np.asarray(ImageOps.exif_transpose(image))
    assert orientation_of(content) == orientation
    np.testing.assert_allclose(decode_image(content).numpy().astype(int), wanted.astype(int), **JPEG_DECODER)
    assert image_size(content).numpy().tolist() == list(wanted.shape[:2])


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("kind", [3, 4], ids=["short", "long"])
def test_wherever_and_however_it_is_written(order, kind):
    for place in ((), (JFIF,), (XMP,), (JFIF, XMP, segment(0xFE, b"a comment"))):
        content = with_segments(*place, segment(0xE1, b"Exif\0\0" + tiff(5, order, kind, offset=26)))
        assert orientation_of(content) == 5, place


def test_fill_bytes_before_a_marker():
    assert orientation_of(with_segments(JFIF, b"\xff\xff\xff", segment(0xE1, b"Exif\0\0" + tiff(3)))) == 3


def test_none_or_a_malformed_one_is_upright():
    contents = [
        b"",
        b"\xff\xd8",
        encoded(photo()),
        encoded(photo(), "JPEG"),
        with_segments(segment(0xE1, b"Exif\0\0")),
        with_segments(segment(0xE1, b"Exif\0\0II*\0")),
        with_segments(segment(0xE1, b"Exif\0\0" + tiff(0))),
        with_segments(segment(0xE1, b"Exif\0\0" + tiff(9))),
        with_segments(segment(0xE1, b"Exif\0\0" + tiff(6, kind=2))),
        with_segments(segment(0xE1, b"Exif\0\0" + tiff(6).replace(b"MM", b"XX"))),
        with_segments(segment(0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xf0" + tiff(6)[8:])),
        with_segments(segment(0xE1, b"Exif\0\0" + tiff(6)[:-20])),
        with_segments(*[segment(0xEF, b"")] * 70, segment(0xE1, b"Exif\0\0" + tiff(6))),
        b"\xff\xd8\xff\xe1\xff\xffExif\0\0" + tiff(6)[:20],
        b"\xff\xd8" + b"\xff" * 200,
    ]
    assert [int(orientation_of(content)) for content in contents] == [1] * 15


def test_no_change_of_bytes_makes_an_error():
    content, random = bytearray(with_segments(JFIF, segment(0xE1, b"Exif\0\0" + tiff(6)))), np.random.default_rng(0)
    seen = set()
    for _ in range(300):
        changed = bytearray(content)
        for place in random.integers(2, 80, 2):
            changed[place] = random.integers(256)
        seen.add(int(orientation_of(bytes(changed))))
    assert {1, 6} <= seen <= set(range(1, 9))


def test_turn_against_numpy():
    image = np.arange(2 * 3 * 3).reshape(2, 3, 3)
    turned = {
        1: image, 2: image[:, ::-1], 3: image[::-1, ::-1], 4: image[::-1], 5: image.transpose(1, 0, 2),
        6: np.rot90(image, -1), 7: image[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(image),
    }  # fmt: skip
    for orientation, wanted in turned.items():
        np.testing.assert_allclose(turn(tf.constant(image), tf.constant(orientation)), wanted, **EXACT)
