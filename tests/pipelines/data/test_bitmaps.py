"""GIF and BMP against Pillow, with files by hand for the kinds that Pillow doesn't write."""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipelines.data.decode import decode_image, image_size
from tests.pipelines.data.samples import encoded, photo, pillow
from tests.tolerances import EXACT

decode = tf.function(decode_image, input_signature=[tf.TensorSpec([], tf.string)])


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
@pytest.mark.parametrize("form", ["GIF", "BMP"])
def test_as_pillow_reads_it(mode, form):
    content = encoded(Image.fromarray(photo(37, 51)).convert(mode), form)
    np.testing.assert_allclose(decode(content), pillow(content), **EXACT)
    assert image_size(content).numpy().tolist() == [37, 51]


def animation(count: int = 5, **options) -> bytes:
    frames = [Image.fromarray(photo(37, 51, seed)).convert("P") for seed in range(count)]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=40, loop=0, **options)


def test_the_first_frame_of_an_animation():
    content = animation(comment=b"over several blocks " * 40)
    with Image.open(io.BytesIO(content)) as image:
        assert image.n_frames == 5
    np.testing.assert_allclose(decode(content), pillow(content), **EXACT)


def test_frames_after_the_first_are_not_looked_at():
    content = animation()
    np.testing.assert_allclose(decode(content[: int(0.7 * len(content))]), pillow(content), **EXACT)


def test_a_gif_keeps_the_colour_of_transparent_places():
    image = Image.fromarray(photo(37, 51)).convert("P")
    content = encoded(image, "GIF", transparency=int(np.asarray(image)[0, 0]))
    np.testing.assert_allclose(decode(content), pillow(content), **EXACT)


def test_a_frame_smaller_than_its_canvas_stands_in_its_place_on_black():
    content = bytearray(encoded(Image.fromarray(photo(20, 30)).convert("P"), "GIF"))
    frame = pillow(bytes(content))
    place = 13 + 3 * 2 ** (content[10] % 8 + 1)
    assert content[place] == ord(",")
    struct.pack_into("<HH", content, 6, 50, 40)
    struct.pack_into("<HH", content, place + 1, 7, 11)  # left, top
    image = decode(bytes(content)).numpy()
    wanted = np.zeros((40, 50, 3), np.uint8)
    wanted[11:31, 7:37] = frame
    np.testing.assert_allclose(image, wanted, **EXACT)
    struct.pack_into("<HH", content, 6, 1, 1)  # a canvas that is too small grows, as in Pillow
    assert decode(bytes(content)).shape == (31, 37, 3)
    with Image.open(io.BytesIO(bytes(content))) as opened:
        opened.load()
        assert opened.size == (37, 31)


def bmp(
    bits: int,
    pixels: np.ndarray,
    top_down: bool = False,
    palette: np.ndarray | None = None,
    old: bool = False,
    masks: bytes = b"",
):
    """A BMP: pixels as uint8 rows already packed to `bits`, without the padding to four bytes."""
    height, row = pixels.shape[0], pixels.reshape(len(pixels), -1).astype(np.uint8)
    width = row.shape[1] * 8 // bits
    data = np.pad(row, ((0, 0), (0, -row.shape[1] % 4)))
    data = (data if top_down else data[::-1]).tobytes()
    entries = b"" if palette is None else np.pad(palette[:, ::-1], ((0, 0), (0, 0 if old else 1))).tobytes()
    if old:
        header = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        sign = -1 if top_down else 1
        header = struct.pack("<IiiHHIIiiII", 40, width, sign * height, 1, bits, 3 if masks else 0, 0, 0, 0, 0, 0)
    start = 14 + len(header) + len(masks) + len(entries)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + header + masks + entries + data


PALETTE = np.random.default_rng(1).integers(0, 256, (256, 3), dtype=np.uint8)
VALUES = np.random.default_rng(2).integers(0, 256, (5, 6, 4), dtype=np.uint8)


@pytest.mark.parametrize(
    "content",
    [
        bmp(24, VALUES[..., :3], top_down=True),
        bmp(24, VALUES[..., :3], old=True),
        bmp(32, VALUES),
        bmp(32, VALUES, masks=struct.pack("<III", 0xFF0000, 0xFF00, 0xFF)),
        bmp(8, VALUES[..., 0], palette=PALETTE),
        bmp(8, VALUES[..., 0], palette=PALETTE, old=True),
        bmp(4, VALUES[..., 0], palette=PALETTE[:16]),
        bmp(1, VALUES[..., 0], palette=PALETTE[:2], top_down=True),
    ],
    ids=["top_down", "core_24", "32", "bitfields", "8", "core_8", "4", "1"],
)
def test_every_kind_of_bmp(content):
    np.testing.assert_allclose(decode(content), pillow(content), **EXACT)


@pytest.mark.parametrize("content", [bmp(16, VALUES[..., :2]), bmp(32, VALUES, masks=bytes(12))], ids=["16", "masks"])
def test_other_kinds_are_refused(content):
    with pytest.raises(tf.errors.InvalidArgumentError, match="bits a pixel"):
        decode(content)
