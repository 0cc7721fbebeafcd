"""The graph that is served: pictures in several forms, one validation transform, one network, named answers.

`serving_default` takes `image_bytes`, string [N] of JPEG, PNG, GIF or BMP; `pixels` float32 and `pixels_uint8` uint8
[N, H, W, 3] of any size. Each gives what the task's endpoint answers. Of classifiers `classify` is TensorFlow Serving's
own form: `inputs`, string [N] of serialized tf.Example with the feature `image_bytes`, to `classes` string and `scores`
float32 [N, C], in the order of the classes. An empty batch gives empty answers.

Refused with InvalidArgument: more pictures at once than MAX_BATCH_PIXELS allows, files that decode to more than
MAX_DECODED_PIXELS together, pictures without a pixel, and what `decode_image` refuses. All of it is found out before
anything is decoded. One such picture fails its whole batch, as any error in TensorFlow Serving does.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from pipelines.data.decode import MAGIC, MAX_PIXELS, decode_image, pixel_count
from pipelines.endpoints import Endpoint, Outputs

MAX_BATCH_PIXELS = 1 << 24  # as the network sees them: 334 pictures of 224 x 224, 16,384 of 32 x 32
MAX_DECODED_PIXELS = 2 * MAX_PIXELS  # of a request's files together: 11 photographs of 12 million; seconds of work
DECODED_AT_ONCE = 4  # pictures


def max_batch(size: tuple[int, int]) -> int:
    """How many pictures of height and width `size` the network takes at once; more would be a way to exhaust memory."""
    return max(1, MAX_BATCH_PIXELS // (size[0] * size[1]))


def network(model: keras.Model, endpoint: Endpoint, frozen: bool) -> tf.types.experimental.PolymorphicFunction:
    """One tf.function that holds the network: float32 [N, h, w, 3], int32 [N, 2] -> named answers.

    The second are the pictures' heights and widths as they came. The network's weights are constants where `frozen`,
    else the model's variables.
    """
    outputs = _frozen(model) if frozen else lambda images: model(images, training=False)

    pictures, sides = tf.TensorSpec((None, *endpoint.size, 3), tf.float32), tf.TensorSpec((None, 2), tf.int32)

    @tf.function(input_signature=[pictures, sides], autograph=False)
    def answer(images: tf.Tensor, sizes: tf.Tensor) -> Outputs:
        count = tf.shape(images)[0]
        missing = tf.maximum(1 - count, 0)
        # fused kernels refuse an empty batch, so it is computed as a batch of one and cut; and only of sizes that are
        # known behind the padding do they add a shortcut of another stride
        images = tf.ensure_shape(tf.pad(images, [[0, missing], [0, 0], [0, 0], [0, 0]]), pictures.shape)
        sizes = tf.pad(sizes, [[0, missing], [0, 0]], constant_values=1)
        return {name: values[:count] for name, values in endpoint.answer(outputs(images), sizes).items()}

    return answer


def _frozen(model: keras.Model) -> Callable[[tf.Tensor], Any]:
    """The model as a function of pictures alone, its weights as they are now."""
    state = model.trainable_variables, model.non_trainable_variables
    weights = [[tf.constant(v.numpy()) for v in part] for part in state]

    def outputs(images: tf.Tensor) -> Any:
        return model.stateless_call(*weights, images, training=False)[0]

    return outputs


def signatures(answer: Callable[[tf.Tensor, tf.Tensor], Outputs], endpoint: Endpoint) -> dict[str, Callable]:
    """The ways in by name, each a tf.function over the same `answer`."""
    size = endpoint.size
    most = max_batch(size)

    def taken(picture: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """As the network sees it, and the height and width that it came with."""
        return endpoint.prepare(picture), tf.shape(picture)[:2]

    def refuse_many(batch: tf.Tensor) -> tf.Tensor:
        count = tf.shape(batch)[0]
        bounded = tf.debugging.Assert(count <= most, ["a batch of", count, f"pictures; at most {most} are taken"])
        with tf.control_dependencies([bounded]):
            return tf.identity(batch)

    def refuse_much(encoded: tf.Tensor) -> tf.Tensor:
        def total() -> tf.Tensor:
            claimed = tf.map_fn(pixel_count, encoded, fn_output_signature=tf.int64)
            return tf.reduce_sum(tf.minimum(claimed, MAX_DECODED_PIXELS + 1))  # what headers claim could overflow

        few = tf.shape(encoded)[0] <= MAX_DECODED_PIXELS // MAX_PIXELS  # one by one they are bounded already
        pixels = tf.cond(few, lambda: tf.constant(0, tf.int64), total)
        limit = f"pixels to decode; at most {MAX_DECODED_PIXELS} are taken at once"
        with tf.control_dependencies(
            [tf.debugging.Assert(pixels <= MAX_DECODED_PIXELS, ["a batch of", pixels, limit])]
        ):
            return tf.identity(encoded)

    def each(transform: Callable, batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """`transform` on every element: [N, ...] -> float32 [N, h, w, 3], int32 [N, 2]."""
        prepared = tf.TensorSpec((*size, 3), tf.float32), tf.TensorSpec((2,), tf.int32)
        return tf.map_fn(transform, batch, fn_output_signature=prepared, parallel_iterations=DECODED_AT_ONCE)

    def as_it_is(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The same of a batch of which each picture stays as it is, without a loop over them."""
        return tf.ensure_shape(tf.cast(batch, tf.float32), (None, *size, 3)), tf.tile([size], [tf.shape(batch)[0], 1])

    def from_pixels(batch: tf.Tensor) -> Outputs:
        shape = tf.shape(batch)
        filled = tf.debugging.Assert(tf.reduce_min(shape[1:3]) > 0, ["pictures without a pixel; shape:", shape], 4)
        with tf.control_dependencies([filled]):
            batch = refuse_many(batch)
        if endpoint.cropped:
            return answer(*each(taken, batch))
        same = tf.reduce_all(shape[1:3] == size)
        return answer(*tf.cond(same, lambda: as_it_is(batch), lambda: each(taken, batch)))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)  # two signatures share its graph
    def from_bytes(encoded: tf.Tensor) -> Outputs:
        known = tf.reduce_any([tf.strings.substr(encoded, 0, len(magic)) == magic for magic in MAGIC], axis=0)
        unknown = ["not a JPEG, PNG, GIF or BMP picture; counted from 0, number", tf.where(~known)[:, 0]]
        pictures = tf.debugging.Assert(tf.reduce_all(known), unknown, 10)
        with tf.control_dependencies([pictures]):
            return answer(*each(lambda one: taken(decode_image(one)), refuse_much(refuse_many(encoded))))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def serving_default(image_bytes: tf.Tensor) -> Outputs:
        return from_bytes(image_bytes)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32)], autograph=False)
    def pixels(pixels: tf.Tensor) -> Outputs:
        return from_pixels(pixels)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)], autograph=False)
    def pixels_uint8(pixels: tf.Tensor) -> Outputs:
        return from_pixels(pixels)

    ways: dict[str, Callable] = dict(serving_default=serving_default, pixels=pixels, pixels_uint8=pixels_uint8)
    if not endpoint.examples:
        return ways
    key = endpoint.examples

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def examples(inputs: tf.Tensor) -> Outputs:
        parsed = tf.io.parse_example(inputs, {"image_bytes": tf.io.FixedLenFeature([], tf.string)})
        scores = from_bytes(parsed["image_bytes"])[key]
        return dict(classes=tf.tile([endpoint.labels], [tf.shape(scores)[0], 1]), scores=scores)

    return {**ways, "classify": examples}
