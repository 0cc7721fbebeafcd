"""Augmentations of a picture and its objects together: "ssd_crop", "scale_crop(0.5, 2.0)", "flip", "mosaic", "mixup".

Each is a pure function of its arguments and a seed, int [2], as in `augment`. What crops chooses a window of the
picture, through which the picture, the boxes and the masks are then looked at once (see `letterbox`): it maps boxes of
the picture, float32 [K, 4], and the picture's height and width to the window, float32 [4] of whole numbers, and which
of the objects are still there, bool [K]. What changes a picture, and what mixes a batch, take the truth as batches have
it, padded (see `detection`), pictures float32 [H, W, 3] in 0..255.
"""

from collections.abc import Callable

import tensorflow as tf

from pipelines.data import augment
from pipelines.data.augment import uniform
from pipelines.data.letterbox import move, sample_mask, scale_of, show, whole
from pipelines.data.plan import Tables, fold_in

LEAST_PART, LEAST_SIDE = 0.25, 2.0  # of an object's box that must be seen, and pixels of the frame on each side of it
RULES, TRIES = (0.1, 0.3, 0.5, 0.7, 0.9, 0.0), 50  # SSD's least IoU of a part with an object, the last one any
LEAST_CROP = 0.3  # of the window's side
Truth = dict[str, tf.Tensor]


def areas(boxes: tf.Tensor) -> tf.Tensor:
    """Square pixels, 0 of what is inverted: [..., 4] -> [...]."""
    return tf.reduce_prod(tf.maximum(boxes[..., 2:] - boxes[..., :2], 0), -1)


def cut(boxes: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """Boxes cut at a window's edges, without an area where they are outside: [..., 4], [..., 4] -> [..., 4]."""
    low, high = tf.concat([window[..., :2]] * 2, -1), tf.concat([window[..., 2:]] * 2, -1)
    return tf.minimum(tf.maximum(boxes, low), high)


def fullest(boxes: tf.Tensor, kept: tf.Tensor, places: int) -> tf.Tensor:
    """Which objects take so many places, in their order: of the kept ones with an area those of the largest boxes.

    float32 [K, 4], bool [K] -> int32 [up to places].
    """
    size = tf.where(kept, areas(boxes), 0.0)
    order = tf.argsort(-size, stable=True)[:places]
    order = tf.boolean_mask(order, tf.gather(size, order) > 0)
    return tf.sort(order)


def visible(boxes: tf.Tensor, window: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """Which boxes are still objects in a window: LEAST_PART of them, LEAST_SIDE of the frame wide and high."""
    seen = cut(boxes, window)
    large = tf.reduce_min(seen[..., 2:] - seen[..., :2], -1) * scale >= LEAST_SIDE
    return large & (areas(seen) >= LEAST_PART * areas(boxes))


def scale_crop(
    boxes: tf.Tensor, sides: tf.Tensor, seed: tf.Tensor, size: tuple[int, int], least: float = 0.5, most: float = 2.0
) -> tuple[tf.Tensor, tf.Tensor]:
    """A random window in which the picture is larger than in its letterbox by a factor from `least` to `most`.

    Scale jitter. Where the window is wider or higher than the picture, it has the picture at a random place.
    """
    factor = least + (most - least) * uniform([], seed)
    scale = scale_of(whole(sides), size) * factor
    extent = tf.maximum(tf.round(tf.constant(size, tf.float32) / scale), 1)
    room = tf.cast(sides, tf.float32) - extent
    first = tf.round(uniform([2], fold_in(seed, 1)) * room)[::-1]
    window = tf.concat([first, first + extent[::-1]], 0)
    return window, visible(boxes, window, scale_of(window, size))


def expand(
    boxes: tf.Tensor, sides: tf.Tensor, seed: tf.Tensor, size: tuple[int, int], most: float = 4.0
) -> tuple[tf.Tensor, tf.Tensor]:
    """Half of the time a window up to `most` times as wide and high, with the picture anywhere in it.

    Liu et al. 2015, arXiv:1512.02325, section 3.6: small objects come of large ones.
    """
    window = wider(sides, seed, most)
    return window, visible(boxes, window, scale_of(window, size))


def iou_crop(boxes: tf.Tensor, sides: tf.Tensor, seed: tf.Tensor, size: tuple[int, int]) -> tuple[tf.Tensor, tf.Tensor]:
    """The whole picture, or a part that overlaps an object as much as one of the rules wants; see `part_of`."""
    return part_of(whole(sides), boxes, seed, size)


def ssd_crop(
    boxes: tf.Tensor, sides: tf.Tensor, seed: tf.Tensor, size: tuple[int, int], most: float = 4.0
) -> tuple[tf.Tensor, tf.Tensor]:
    """`expand`, then `iou_crop` of that: what SSD is trained with (section 3.6), but for its stretching to a square."""
    return part_of(wider(sides, seed, most), boxes, fold_in(seed, 2), size)


def wider(sides: tf.Tensor, seed: tf.Tensor, most: float) -> tf.Tensor:
    """What `expand` looks at: float32 [4]."""
    draws = uniform([4], seed)
    picture = whole(sides)
    extent = tf.round(picture[2:] * (1 + (most - 1) * draws[0]))
    first = -tf.floor(draws[1:3] * (extent - picture[2:] + 1))
    return tf.where(draws[3] < 0.5, tf.concat([first, first + extent], 0), picture)


def part_of(window: tf.Tensor, boxes: tf.Tensor, seed: tf.Tensor, size: tuple[int, int]) -> tuple[tf.Tensor, tf.Tensor]:
    """A part of a window by SSD's rules, and the objects whose centres are in it.

    As in the authors' code (sampler.cpp, ssd_pascal.py): for each of RULES up to TRIES parts are drawn, with sides of
    0.3 to 1 and ratios of 1:2 to 2:1 of the window's, until one overlaps any object by that IoU; of the parts that were
    found, and the whole window, one is drawn. Unlike there, a part without the centre of an object is none.
    """
    side, ratio, *place = tf.unstack(uniform([4, len(RULES), TRIES], seed))
    side = LEAST_CROP + (1 - LEAST_CROP) * side
    low, high = tf.maximum(0.5, side**2), tf.minimum(2.0, 1 / side**2)
    root = tf.sqrt(low + (high - low) * ratio)
    extent = tf.stack([side * root, side / root], -1) * (window[2:] - window[:2])
    extent = tf.maximum(tf.round(extent), 1)
    first = window[:2] + tf.floor(tf.stack(place, -1) * (window[2:] - window[:2] - extent + 1))
    parts = tf.concat([first, first + extent], -1)  # (rules, tries, 4)

    shared = areas(cut(boxes, parts[..., None, :]))
    iou = shared / (areas(boxes) + areas(parts)[..., None] - shared)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = tf.reduce_all((centres >= parts[..., None, :2]) & (centres < parts[..., None, 2:]), -1)
    enough = iou >= tf.constant(RULES, tf.float32)[:, None, None]
    fits = tf.reduce_any(enough, -1) & tf.reduce_any(inside, -1)  # (rules, tries)
    found = tf.reduce_any(fits, -1)
    candidates = tf.gather(parts, tf.argmax(tf.cast(fits, tf.int32), -1), batch_dims=1)
    candidates = tf.concat([window[None], tf.boolean_mask(candidates, found)], 0)
    count = tf.cast(tf.shape(candidates)[0], tf.float32)
    chosen = tf.gather(candidates, tf.cast(tf.floor(uniform([], fold_in(seed, 1)) * count), tf.int32))
    there = tf.reduce_all((centres >= chosen[:2]) & (centres < chosen[2:]), -1)
    seen = cut(boxes, chosen)
    large = tf.reduce_min(seen[:, 2:] - seen[:, :2], -1) * scale_of(chosen, size) >= LEAST_SIDE
    return chosen, there & large


def flip(image: tf.Tensor, truth: Truth, seed: tf.Tensor) -> tuple[tf.Tensor, Truth]:
    """Mirrored left to right, half of the time."""
    mirrored = uniform([], seed) < 0.5
    width = tf.cast(tf.shape(image)[1], tf.float32)
    x1, y1, x2, y2 = tf.unstack(truth["boxes"], axis=-1)
    boxes = tf.where((truth["classes"] >= 0)[:, None], tf.stack([width - x2, y1, width - x1, y2], -1), truth["boxes"])
    changed = {**truth, "boxes": tf.where(mirrored, boxes, truth["boxes"])}
    if "masks" in truth:
        changed["masks"] = tf.cond(mirrored, lambda: tf.reverse(truth["masks"], [2]), lambda: truth["masks"])
    return tf.cond(mirrored, lambda: tf.reverse(image, [1]), lambda: image), changed


def color_jitter(
    image: tf.Tensor,
    truth: Truth,
    seed: tf.Tensor,
    bright: float = 0.4,
    contrasty: float = 0.4,
    colorful: float = 0.4,
) -> tuple[tf.Tensor, Truth]:
    """Brightness, contrast and colour of the picture (see `augment.color_jitter`)."""
    return augment.color_jitter(image, seed, bright, contrasty, colorful), truth


def mosaic(
    images: tf.Tensor, labels: Truth, seed: tf.Tensor, part: float = 0.5, least: float = 1.0, most: float = 2.0
) -> tuple[tf.Tensor, Truth]:
    """That part of the pictures replaced by what a window sees of them and three neighbours, joined two by two.

    Bochkovskiy et al. 2020, arXiv:2004.10934, section 3.3. The window's sides are `least` to `most` of a picture's; it
    has the corner at which the four meet. Where there are more objects than places, the largest stay.
    """
    count, height, width, _ = images.shape
    places = labels["classes"].shape[1]
    draws = uniform([4, count], seed)
    frame = tf.constant([width, height], tf.float32)
    extent = tf.round((least + (most - least) * draws[0])[:, None] * frame)
    first = tf.floor(tf.transpose(draws[1:3]) * (2 * frame - extent + 1))
    windows = tf.concat([first, first + extent], 1)
    corners = tf.constant([[0, 0], [width, 0], [0, height], [width, height]], tf.float32)

    def joined(number: tf.Tensor) -> tuple[tf.Tensor, Truth]:
        four, window = (number + tf.range(4)) % count, windows[number]
        tiles = tf.gather(images, four)
        rows = [tf.concat([tiles[left], tiles[left + 1]], 1) for left in (0, 2)]
        boxes = tf.gather(labels["boxes"], four) + tf.tile(corners, [1, 2])[:, None]
        classes = tf.reshape(tf.gather(labels["classes"], four), [-1])
        boxes = tf.reshape(boxes, [-1, 4])
        kept = (classes >= 0) & visible(boxes, window, scale_of(window, (height, width)))
        moved = move(boxes, window, (height, width))
        masks = None
        if "masks" in labels:
            flat = tf.reshape(labels["masks"], [-1, height, width])

            def masks(chosen: tf.Tensor) -> tf.Tensor:
                return tf.map_fn(
                    lambda at: sample_mask(
                        flat[four[at // places] * places + at % places],
                        window - tf.tile(corners[at // places], [2]),
                        (height, width),
                    ),
                    chosen,
                    fn_output_signature=tf.TensorSpec((height, width), tf.uint8),
                )

        image = show(tf.concat(rows, 0), window, (height, width))
        return image, padded(moved, classes, fullest(moved, kept, places), places, masks)

    def whichever(number: tf.Tensor) -> tuple[tf.Tensor, Truth]:
        alone = images[number], {name: value[number] for name, value in labels.items()}
        return tf.cond(draws[3, number] < part, lambda: joined(number), lambda: alone)

    return tf.map_fn(whichever, tf.range(count), fn_output_signature=_row_spec(images, labels))


def mixup(
    images: tf.Tensor, labels: Truth, seed: tf.Tensor, part: float = 0.5, alpha: float = 32.0
) -> tuple[tf.Tensor, Truth]:
    """That part of the pictures blended with their neighbour by a weight from Beta(alpha, alpha), with both's objects.

    Zhang et al. 2019, arXiv:1902.04103, section 3.1, draw from Beta(1.5, 1.5) and weigh the objects' losses. Here, as
    with YOLO, every object counts in full, so the weights are near a half; where there are more objects than places,
    the largest stay.
    """
    count, places = labels["classes"].shape
    mixed = uniform([count], fold_in(seed, 2)) < part
    weight = tf.reshape(tf.where(mixed, augment.beta(count, seed, alpha), 1.0), (-1, 1, 1, 1))
    blended = images * weight + tf.roll(images, -1, 0) * (1 - weight)
    both = {name: tf.concat([value, tf.roll(value, -1, 0)], 1) for name, value in labels.items()}

    def united(number: tf.Tensor) -> Truth:
        boxes, classes = both["boxes"][number], both["classes"][number]
        allowed = mixed[number] | (tf.range(2 * places) < places)
        chosen = fullest(boxes, allowed & (classes >= 0), places)
        masks = (lambda chosen: tf.gather(both["masks"][number], chosen)) if "masks" in labels else None
        return padded(boxes, classes, chosen, places, masks)

    return blended, tf.map_fn(united, tf.range(count), fn_output_signature=_row_spec(images, labels)[1])


def padded(boxes: tf.Tensor, classes: tf.Tensor, chosen: tf.Tensor, places: int, masks: Callable | None) -> Truth:
    """Those objects, up to as many as there are places, as batches have them; `masks` gives those of the chosen."""
    missing = [[0, places - tf.size(chosen)]]
    truth = {
        "boxes": tf.ensure_shape(tf.pad(tf.gather(boxes, chosen), [*missing, [0, 0]]), (places, 4)),
        "classes": tf.ensure_shape(tf.pad(tf.gather(classes, chosen), missing, constant_values=-1), (places,)),
    }
    if masks:
        found = masks(chosen)
        found = tf.pad(found, [*missing, [0, 0], [0, 0]])
        truth["masks"] = tf.ensure_shape(found, (places, *found.shape[1:]))
    return truth


def _row_spec(images: tf.Tensor, labels: Truth) -> tuple[tf.TensorSpec, dict[str, tf.TensorSpec]]:
    """What one picture of a batch and its truth look like."""
    image = tf.TensorSpec(images.shape[1:], images.dtype)
    return image, {name: tf.TensorSpec(value.shape[1:], value.dtype) for name, value in labels.items()}


CROPS: dict[str, Callable] = {"scale_crop": scale_crop, "expand": expand, "iou_crop": iou_crop, "ssd_crop": ssd_crop}
PICTURES: dict[str, Callable] = {"flip": flip, "color_jitter": color_jitter}
BATCHES: dict[str, Callable] = {"mosaic": mosaic, "mixup": mixup}
PICTURES_TOGETHER = {"mosaic": 4, "mixup": 2}
TABLES: Tables = (CROPS, PICTURES, BATCHES)
