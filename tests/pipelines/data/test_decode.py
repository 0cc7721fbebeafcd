"""One decoder against Pillow: exactly for what is stored without loss, to the decoder's rounding for JPEG."""

import io
import resource

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipelines.data.decode import MAX_SIDE, decode_and_crop, decode_image, fit, image_size, resize
from tests.pipelines import hostile
from tests.pipelines.data.samples import encoded, photo, pillow, png
from tests.tolerances import EXACT, JPEG_DECODER, SAME_MATH

ENCODED = [tf.TensorSpec([], tf.string)]


@pytest.fixture(scope="module")
def decode():
    """The decoder as a graph, as it always runs."""
    return tf.function(decode_image, input_signature=ENCODED)


@pytest.fixture(scope="module")
def size_of():
    """The size check as a graph."""
    return tf.function(image_size, input_signature=ENCODED)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_png_is_exact(decode, size_of, mode):
    content = encoded(Image.fromarray(photo()).convert(mode))
    np.testing.assert_allclose(decode(content), pillow(content), **EXACT)
    assert size_of(content).numpy().tolist() == [60, 90]


def test_alpha_is_dropped_and_the_colour_kept(decode):
    image = Image.fromarray(photo())
    image.putalpha(0)
    np.testing.assert_allclose(decode(encoded(image)), photo(), **EXACT)
    palette = Image.fromarray(photo()).convert("P")
    content = encoded(palette, transparency=0)
    np.testing.assert_allclose(decode(content), np.asarray(palette.convert("RGB")), **EXACT)


@pytest.mark.parametrize(("color", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)], ids=["grey", "rgb", "grey_a", "rgba"])
def test_of_sixteen_bits_the_upper_eight_are_kept(decode, color, channels):
    values = np.random.default_rng(0).integers(0, 65536, (5, 7, channels), dtype=np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    upper = (values >> 8).astype(np.uint8)
    wanted = upper[..., :3] if channels >= 3 else np.repeat(upper[..., :1], 3, -1)
    np.testing.assert_allclose(decode(png(7, 5, 16, color, rows)), wanted, **EXACT)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["baseline", "progressive"])
def test_jpeg(decode, size_of, mode, options):
    content = encoded(Image.fromarray(photo(61, 93)).convert(mode), "JPEG", **options)
    assert np.abs(pillow(content).astype(int) - photo(61, 93)).mean() < 100  # Pillow has read something like it
    np.testing.assert_allclose(decode(content).numpy().astype(int), pillow(content).astype(int), **JPEG_DECODER)
    assert size_of(content).numpy().tolist() == [61, 93]


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP"])
def test_a_single_pixel(decode, form):
    content = encoded(np.full((1, 1, 3), 200, np.uint8), form)
    image = decode(content)
    np.testing.assert_allclose(image.numpy().astype(int), pillow(content).astype(int), **JPEG_DECODER)
    assert fit(image, (32, 32)).shape == (32, 32, 3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a JPEG, PNG, GIF or BMP"),
        (b"hello", "not a JPEG, PNG, GIF or BMP"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "not a JPEG, PNG, GIF or BMP"),
        (b"\xff\xd8\xff", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "does not begin with its header"),
        (b"GIF89a", "no frame"),
        (b"BM", "no pixels"),
        (png(0, 5, 8, 2, b""), "no pixels"),
    ],
    ids=["nothing", "text", "webp", "jpeg", "png", "gif", "bmp", "no_columns"],
)
def test_what_is_no_picture_is_refused_with_the_reason(decode, content, reason):
    with pytest.raises(tf.errors.InvalidArgumentError, match=reason):
        decode(content)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP"])
def test_a_truncated_picture_is_refused(decode, form):
    content = encoded(photo(), form)
    for kept in (0.2, 0.6, 0.98):
        with pytest.raises(tf.errors.InvalidArgumentError):
            decode(content[: int(kept * len(content))])


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP"])
def test_no_change_of_bytes_does_worse_than_an_error(decode, form):
    content, random = encoded(photo(30, 40), form), np.random.default_rng(0)
    outcomes = set()
    for _ in range(60):
        changed = bytearray(content)
        for place in random.integers(0, len(changed), 3):
            changed[place] = random.integers(256)
        try:
            outcomes.add(decode(bytes(changed)).dtype)
        except (tf.errors.InvalidArgumentError, tf.errors.ResourceExhaustedError):
            outcomes.add("refused")
    assert "refused" in outcomes
    assert outcomes <= {tf.uint8, "refused"}


@pytest.mark.parametrize("case", hostile.BOMBS)
def test_a_bomb_is_refused_before_it_is_decoded(decode, case):
    content, reason = hostile.BOMBS[case]
    assert len(content) < 100_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(tf.errors.InvalidArgumentError, match=reason):
        decode(content)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes; decoded it has 0.4 GB


def test_scans_are_bounded_by_the_pixels_that_they_pass(decode):
    """A small picture may have many; each walk over the largest costs a tenth of a second."""
    few, many = hostile.repeated_scans(64, 1000), hostile.repeated_scans(4096, 100)
    assert decode(few).shape == (64, 64, 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?s)a JPEG of.*106.*scans over.*16777216"):
        decode_and_crop(many, lambda size: tf.constant([0, 0, 8, 8]))


def test_scans_are_counted_wherever_the_frame_hides(decode):
    """Neither a thumbnail's frame, nor segments past which the walk doesn't go, nor a stray byte hide the scans."""
    bomb = hostile.repeated_scans(4096, 100)
    comment = b"\xff\xfe\0\x0b\xff\xd8\xff\xc0\0\x0b\x08\0\x10"
    for before in (comment, 100 * b"\xff\xfe\0\x02", b"\0", b"\xff\xff"):
        with pytest.raises(tf.errors.InvalidArgumentError, match="scans over"):
            decode(bomb[:20] + before + bomb[20:])  # behind the JFIF segment


def test_a_side_that_would_make_resizing_large_is_refused(decode):
    content = png(MAX_SIDE + 1, 1, 8, 0, bytes(MAX_SIDE + 2))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"65535 a side"):
        decode(content)


def test_max_pixels_is_the_callers_to_choose():
    content = encoded(photo(60, 90))
    assert decode_image(content, 60 * 90).shape == (60, 90, 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than 5399 pixels"):
        decode_image(content, 60 * 90 - 1)


def test_the_graph_has_no_python_in_it(decode):
    def operations(graph):
        library = graph.as_graph_def().library.function
        return {node.op for node in graph.as_graph_def().node} | {node.op for f in library for node in f.node_def}

    found = operations(decode.get_concrete_function().graph)
    assert {"DecodeJpeg", "DecodePng", "DecodeGif"} <= found
    assert not [name for name in found if "PyFunc" in name]


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize("box", [(0, 0, 60, 90), (7, 11, 20, 33), (30, 41, 30, 49)])
def test_decode_and_crop_is_decode_then_crop(form, box):
    content = encoded(photo(), form)
    top, left, height, width = box
    part = decode_and_crop(content, lambda size: tf.constant(box))
    wanted = decode_image(content)[top : top + height, left : left + width]
    assert part.shape == wanted.shape
    # at the border of the part a JPEG's chroma has no neighbour to be interpolated with
    np.testing.assert_allclose(part[1:-1, 1:-1], wanted[1:-1, 1:-1], **EXACT)


def test_decode_and_crop_of_a_turned_picture():
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(photo(), "JPEG", exif=exif)
    seen = []
    part = decode_and_crop(content, lambda size: (seen.append(size), tf.constant([10, 20, 30, 40]))[1])
    assert [size.numpy().tolist() for size in seen] == [[90, 60]]
    np.testing.assert_allclose(part, decode_image(content)[10:40, 20:60], **EXACT)


def pillow_resize(image, size, box=None):
    """Pillow's bilinear filter in floating point, from a box of the picture."""
    channels = [Image.fromarray(image[..., c].astype(np.float32)) for c in range(3)]
    return np.stack([np.asarray(c.resize(size[::-1], Image.Resampling.BILINEAR, box)) for c in channels], -1)


SIZES = [(60, 90), (131, 57), (8, 8), (1, 1), (3, 700), (224, 224)]


@pytest.mark.parametrize("sides", SIZES, ids=str)
def test_resize_is_antialiased_bilinear(sides):
    image = photo(*sides)
    for size in ((32, 32), (24, 48), (300, 20)):
        np.testing.assert_allclose(resize(image, size) / 255, pillow_resize(image, size) / 255, **SAME_MATH)


@pytest.mark.parametrize("sides", SIZES, ids=str)
def test_fit_is_resizing_the_shorter_side_and_cutting_the_centre(sides):
    image = photo(*sides)
    for size, eval_crop in (((32, 32), 1.0), ((24, 48), 0.875), ((64, 64), 0.875)):
        scale = max(size[0] / sides[0], size[1] / sides[1]) / eval_crop
        low = [(side - target / scale) / 2 for side, target in zip(sides, size, strict=True)]
        box = (low[1], low[0], sides[1] - low[1], sides[0] - low[0])
        got = fit(image, size, eval_crop).numpy()
        np.testing.assert_allclose(got / 255, pillow_resize(image, size, box) / 255, **SAME_MATH)


def test_fit_in_whole_numbers_is_resize_then_crop():
    whole = resize(photo(128, 192), (64, 96))
    np.testing.assert_allclose(fit(photo(128, 192), (56, 56), 56 / 64) / 255, whole[4:60, 20:76] / 255, **SAME_MATH)


def test_fit_of_a_long_thin_picture_needs_no_memory_for_what_is_cut():
    image = np.zeros((2, 60_000, 3), np.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert fit(image, (224, 224)).shape == (224, 224, 3)  # resized whole it would be 224 x 6,720,000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_pillow_reads_the_hand_made_png():
    content = png(7, 5, 8, 0, b"".join(b"\0" + bytes(range(7)) for _ in range(5)))
    with Image.open(io.BytesIO(content)) as image:
        assert image.size == (7, 5)
