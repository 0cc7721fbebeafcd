"""Augmentations against NumPy, SciPy and Pillow, and the properties that a distribution must have."""

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps
from scipy import stats

from pipelines.data import augment, rand_augment
from pipelines.data.augment import TABLES, uniform
from pipelines.data.decode import decode_image
from pipelines.data.photometric import brightness, color, contrast, sharpness
from pipelines.data.plan import fold_in, plan
from tests.pipelines.data.samples import encoded, photo
from tests.tolerances import EXACT, GREY_LEVEL, REORDERED, SAME_MATH

IMAGE = tf.constant(photo(24, 30), tf.float32)
SEED = tf.constant([3, 4], tf.int64)


def seeds(count):
    return tf.stack([tf.zeros(count, tf.int64), tf.range(count, dtype=tf.int64)], -1)


@pytest.mark.parametrize("sides", [(375, 500), (500, 100), (2, 300), (1, 1)], ids=str)
def test_random_boxes(sides):
    size = tf.constant(sides)
    draw = tf.function(lambda seeds: tf.map_fn(lambda seed: augment.random_box(size, seed), seeds, tf.int32))
    boxes = draw(tf.cast(seeds(1500), tf.int32)).numpy()
    top, left, height, width = boxes.T
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] >= 1).all()
    assert ((top + height <= sides[0]) & (left + width <= sides[1])).all()
    if sides != (375, 500):
        return
    area, ratio = height * width / (375 * 500), width / height
    assert 0.079 < area.min() < 0.1
    assert (np.abs(np.log(ratio)) < np.log(4 / 3) + 0.02).all()
    # each draw that fits is even in area and in the logarithm of the ratio: small boxes all fit
    small = area < 0.5
    assert stats.kstest((area[small] - 0.08) / 0.42, "uniform").pvalue > 1e-3
    assert stats.kstest(np.log(ratio[small]) / np.log(16 / 9) + 0.5, "uniform").pvalue > 1e-3
    assert stats.kstest((top / np.maximum(375 - height, 1))[small], "uniform").pvalue > 1e-3


def test_a_picture_too_long_for_its_ratios_is_cut_in_the_centre():
    boxes = {tuple(augment.random_box(tf.constant([10, 1000]), seed).numpy()) for seed in seeds(20)}
    assert (0, 494, 10, 13) in boxes


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_random_resized_crop_is_box_then_resize(form):
    content = tf.constant(encoded(photo(), form))
    top, left, height, width = augment.random_box(tf.constant([60, 90]), SEED, 0.2).numpy()
    whole = decode_image(content)
    image = whole[top : top + height, left : left + width]
    wanted = tf.image.resize(image, (16, 20), antialias=True)
    got = augment.random_resized_crop(content, SEED, (16, 20), 0.2)
    inner = (slice(2, -2), slice(2, -2))  # the border of a JPEG's part is interpolated otherwise
    np.testing.assert_allclose(got[inner] / 255, wanted[inner] / 255, **SAME_MATH)
    pixels = augment.random_resized_crop(whole, SEED, (16, 20), 0.2)
    np.testing.assert_allclose(got[inner] / 255, pixels[inner] / 255, **SAME_MATH)


def test_pad_crop_moves_by_whole_pixels():
    offsets = set()
    padded = np.pad(IMAGE, ((2, 2), (2, 2), (0, 0)))
    places = {(y, x): padded[y : y + 24, x : x + 30] for y in range(5) for x in range(5)}
    for seed in seeds(200):
        moved = augment.pad_crop(IMAGE, seed, 2).numpy()
        offsets |= {place for place, wanted in places.items() if np.array_equal(moved, wanted)}
    assert offsets == set(places)


def test_shift_is_bilinear_and_repeats_the_edge():
    for seed in seeds(5):
        down, right = uniform([2], seed, -1, 1).numpy() * 0.2 * np.array([24, 30])
        wanted = scipy.ndimage.shift(IMAGE.numpy().astype(np.float64), (down, right, 0), order=1, mode="nearest")
        np.testing.assert_allclose(augment.shift(IMAGE, seed, 0.2) / 255, wanted / 255, **REORDERED)


def test_flip_is_half_of_the_time():
    flipped = [np.array_equal(augment.flip(IMAGE, seed), IMAGE[:, ::-1]) for seed in seeds(200)]
    assert not np.array_equal(IMAGE, IMAGE[:, ::-1])
    assert 70 < sum(flipped) < 130


@pytest.mark.parametrize(
    ("ours", "pillows"),
    [
        (brightness, ImageEnhance.Brightness),
        (contrast, ImageEnhance.Contrast),
        (color, ImageEnhance.Color),
        (sharpness, ImageEnhance.Sharpness),
    ],
)
def test_photometric_changes_are_pillows(ours, pillows):
    image = photo()
    for factor in (0.0, 0.4, 1.0, 1.7):
        wanted = np.asarray(pillows(Image.fromarray(image)).enhance(factor)).astype(float)
        np.testing.assert_allclose(ours(tf.constant(image, tf.float32), factor), wanted, **GREY_LEVEL)


def test_color_jitter_is_three_changes_in_some_order():
    orders, changes = set(), (brightness, contrast, color)
    for seed in seeds(30):
        factors = 1 + uniform([3], seed, -1, 1).numpy() * 0.4
        assert (np.abs(factors - 1) <= 0.4).all()
        order = tf.argsort(uniform([3], fold_in(seed, 1))).numpy()
        wanted = IMAGE
        for number in order:
            wanted = changes[number](wanted, factors[number])
        np.testing.assert_allclose(augment.color_jitter(IMAGE, seed) / 255, wanted / 255, **SAME_MATH)
        orders.add(tuple(order))
    assert len(orders) == 6


def test_pca_lighting_by_hand():
    np.testing.assert_allclose(augment.PCA_VECTORS.T @ augment.PCA_VECTORS, np.eye(3), rtol=0, atol=1e-3)  # 4 digits
    grey = tf.fill([4, 5, 3], 128.0)
    added = []
    for seed in seeds(500):
        amounts = tf.random.stateless_normal([3], seed, stddev=0.1).numpy()
        added.append(amounts)
        if len(added) < 5:
            wanted = 128 + sum(255 * augment.PCA_VALUES[i] * augment.PCA_VECTORS[:, i] * amounts[i] for i in range(3))
            got = augment.pca_lighting(grey, seed).numpy()
            np.testing.assert_allclose(got, np.broadcast_to(wanted, (4, 5, 3)), **SAME_MATH)
    assert stats.kstest(np.ravel(added) / 0.1, "norm").pvalue > 1e-3


def batch(count=12, classes=4):
    images = np.random.default_rng(0).uniform(0, 255, (count, 16, 20, 3)).astype(np.float32)
    return tf.constant(images), tf.one_hot(np.arange(count) % classes, classes)


def test_mixup_by_hand():
    images, labels = batch()
    mixed, soft = (part.numpy() for part in augment.mixup(images, labels, SEED, 0.4))
    weight = soft[np.arange(12), np.arange(12) % 4]
    weight_of_neighbour = soft[np.arange(12), (np.arange(12) - 1) % 4]
    np.testing.assert_allclose(weight + weight_of_neighbour, 1, **SAME_MATH)
    wanted = [weight[i] * images[i] + (1 - weight[i]) * images[i - 1] for i in range(12)]
    np.testing.assert_allclose(mixed / 255, np.stack(wanted) / 255, **SAME_MATH)
    assert np.ptp(weight) > 0.3  # a weight for each picture


def test_cutmix_takes_as_much_of_the_label_as_of_the_area():
    images, labels = batch(200)
    mixed, soft = (part.numpy() for part in augment.cutmix(images, labels, SEED))
    taken = (mixed != images.numpy()).all(-1)
    np.testing.assert_allclose(mixed[taken], np.roll(images, 1, 0)[taken], **EXACT)
    np.testing.assert_allclose(1 - taken.mean((1, 2)), soft[np.arange(200), np.arange(200) % 4], **SAME_MATH)
    np.testing.assert_allclose(soft.sum(1), 1, **SAME_MATH)
    for mask in taken:  # one box
        rows, columns = mask.any(1), mask.any(0)
        assert np.array_equal(mask, rows[:, None] & columns[None])
        assert all(np.abs(np.diff(line.astype(int))).sum() <= 2 for line in (rows, columns))
    assert 0.15 < taken.mean() < 0.5


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 3.0])
def test_beta(alpha):
    draws = augment.beta(4000, SEED, alpha).numpy()
    # not beyond: much of the distribution is nearer to 1 than float32 can say
    places = np.linspace(0.01, 0.99, 50)
    below = (draws[:, None] < places).mean(0)
    assert np.abs(below - stats.beta(alpha, alpha).cdf(places)).max() < 1.95 / np.sqrt(4000)  # Kolmogorov, 1 in 1000


def operation(name, strength, image=None):
    image = photo() if image is None else image
    return rand_augment.OPERATIONS[name](tf.constant(image, tf.float32), tf.constant(strength)).numpy()


def test_rand_augments_tables_are_pillows():
    flat = np.full((8, 8, 3), 77, np.uint8)
    for image in (photo(), photo(30, 30, 5) // 3 + 40, flat):
        picture = Image.fromarray(image)
        np.testing.assert_allclose(operation("equalize", 0.5, image), np.asarray(ImageOps.equalize(picture)), **EXACT)
        stretched = np.asarray(ImageOps.autocontrast(picture)).astype(float)
        np.testing.assert_allclose(operation("autocontrast", 0.5, image), stretched, **GREY_LEVEL)
    picture = Image.fromarray(photo())
    for strength in (-1.0, 0.25, 0.5, 1.0):
        bits, threshold = 8 - round(4 * abs(strength)), 256 * (1 - abs(strength))
        np.testing.assert_allclose(
            operation("posterize", strength), np.asarray(ImageOps.posterize(picture, bits)), **EXACT
        )
        inverted = np.asarray(ImageOps.solarize(picture, threshold))
        np.testing.assert_allclose(operation("solarize", strength), inverted, **EXACT)
    np.testing.assert_allclose(operation("identity", 1.0), photo(), **EXACT)


def test_rand_augments_geometry_is_scipys():
    image = photo().astype(np.float64)
    middle = np.array([29.5, 44.5])
    angle = np.radians(30) * 0.3
    matrices = {  # of (row, column)
        "rotate": ([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]], (0, 0)),
        "shear_x": ([[1, 0], [0.3 * 0.3, 1]], (0, 0)),
        "shear_y": ([[1, 0.3 * 0.3], [0, 1]], (0, 0)),
        "translate_x": (np.eye(2), (0, 150 / 331 * 0.3 * 90)),
        "translate_y": (np.eye(2), (150 / 331 * 0.3 * 60, 0)),
    }
    for name, (matrix, shift) in matrices.items():
        offset = middle - np.array(matrix) @ middle + shift
        options = dict(order=1, mode="grid-constant", cval=rand_augment.FILL)
        wanted = [scipy.ndimage.affine_transform(image[..., c], matrix, offset, **options) for c in range(3)]
        np.testing.assert_allclose(operation(name, 0.3) / 255, np.stack(wanted, -1) / 255, err_msg=name, **REORDERED)


def test_rand_augment_draws_evenly_and_stays_in_range():
    counts = np.zeros(len(rand_augment.OPERATIONS))
    for seed in seeds(400):
        counts += np.bincount(uniform([2], seed, 0, 14, tf.int32).numpy(), minlength=14)
    assert len(counts) == 14
    assert stats.chisquare(counts).pvalue > 1e-3
    function = tf.function(lambda seed: rand_augment.rand_augment(IMAGE, seed, 3, 30))
    results = [function(seed).numpy() for seed in seeds(60)]
    assert all(
        result.min() >= 0 and result.max() <= 255 and np.array_equal(result, np.rint(result)) for result in results
    )
    assert len({result.tobytes() for result in results}) > 50
    assert np.array_equal(function(SEED), function(SEED))


def test_names_and_parameters():
    chosen = plan(["random_resized_crop(0.2)", "flip", "pad_crop(2)", "mixup(0.4)", "cutmix"], TABLES)
    assert chosen.crop.keywords == {"least": 0.2}
    assert [change.keywords for change in chosen.pictures] == [{}, {"padding": 2}]
    assert [change.keywords for change in chosen.batches] == [{"alpha": 0.4}, {}]
    assert plan([], TABLES).picture(IMAGE, seed=SEED) is IMAGE


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["mixupp"], r"no augmentation is called 'mixupp'; the nearest names are \['mixup'"),
        (["flip("], "no augmentation is called"),
        (["pad_crop(4, 5)"], r"the parameters of pad_crop are \(padding: int = 4\)"),
        (["pad_crop(1.5)"], "padding: int"),
        (["pad_crop(__import__('os'))"], "padding: int"),
        (["mixup(True)"], "alpha: float"),
        (["flip", "random_resized_crop"], "the order of"),
        (["mixup", "flip"], "the order of"),
        (["random_resized_crop", "random_resized_crop"], "at most one"),
    ],
)
def test_a_plan_that_cannot_be(names, text):
    with pytest.raises(ValueError, match=text):
        plan(names, TABLES)
