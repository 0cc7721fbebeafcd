"""A classifier as TensorFlow Serving wants it: encoded pictures or pixels in, labels and probabilities out, one folder.

`serving_default` takes `image_bytes`, string [N] of JPEG, PNG, GIF or BMP; `pixels` float32 and `pixels_uint8` uint8
[N, H, W, 3] of any size. Each gives `labels` string [N], `probabilities` float32 [N, C] and the best k = min(5, C) as
`top_labels` string, `top_probabilities` float32 and `top_classes` int32 [N, k]. `classify` is TensorFlow Serving's own
form: `inputs`, string [N] of serialized tf.Example with the feature `image_bytes`, to `classes` string and `scores`
float32 [N, C], in the order of the classes.

What Keras and TensorFlow write by themselves the C++ loader refuses, or it holds each weight twice. Here the model is
only in the closure of one function that all signatures call, and no Keras object is ever tracked. The weights are
constants of that function up to FREEZE_BELOW, and batch normalization is folded into the convolutions where the sample
then gives the same probabilities. `benchmarks/serving_graph.py` measures what both are worth.
"""

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from cvapps.analysis.surgery import fold_batch_norm
from pipelines.data.decode import MAGIC, decode_image, fit
from pipelines.publish import publishing
from pipelines.warmup import replay, write_warmup

TOP = 5
FREEZE_BELOW = 256 * 2**20  # bytes of weights; loading constants takes ten times that for a moment, variables twice
MAX_BATCH_PIXELS = 1 << 24  # of the pictures as the network sees them: 334 of 224 x 224, 16,384 of 32 x 32
DECODED_AT_ONCE = 4  # each may take what decode.MAX_PIXELS allows
SAME = dict(rtol=1e-5, atol=1e-6)  # of two probabilities that stand for the same answer
DESCRIPTION = Path("assets.extra", "cvapps.json")  # the folder that loaders leave alone
CLASSIFY = "tensorflow/serving/classify"


def write_saved_model(
    model: keras.Model,
    folder: Path,
    *,
    class_names: tuple[str, ...],
    size: tuple[int, int],
    eval_crop: float,
    name: str,
    metadata: dict[str, Any],
    version: int | None = None,
    sample: np.ndarray | None = None,
) -> Path:
    """Writes `folder`, whole or not at all, and gives it back.

    `size` (height, width) and `eval_crop` are the recipe's validation transform, `sample` pictures (N, H, W, 3) in
    [0, 255] like those to come; noise where there are none. `metadata`, anything JSON can hold, goes into
    assets.extra/cvapps.json beside labels, preprocessing, name and version. The version is known after registration only:
    `stamp` puts it in. Raises ValueError for a model, names or a size that do not belong together, FileExistsError for a
    folder with another content, OSError (ENOSPC) for a full disk.
    """
    _check(model, class_names, size)
    if sample is None:
        sample = np.random.default_rng(0).integers(0, 256, (2, *size, 3), np.uint8)
    images = np.stack([fit(tf.constant(picture), size, eval_crop) for picture in sample[:8]])
    served = _fastest(model, images)
    frozen = sum(np.prod(v.shape) * v.value.dtype.size for v in served.weights) < FREEZE_BELOW
    most = max(1, MAX_BATCH_PIXELS // (size[0] * size[1]))
    module = tf.Module()
    classify, module.variables_of_the_network = _classifier(served, size, class_names, frozen)
    description = dict(
        metadata, name=name, labels=list(class_names), size=list(size), eval_crop=eval_crop, max_batch=most,
        weights="constants" if frozen else "variables", batch_norm="kept" if served is model else "folded",
    )
    with publishing(folder) as temporary:
        try:
            tf.saved_model.save(module, str(temporary), signatures=_signatures(classify, size, eval_crop, most, class_names))
        except tf.errors.ResourceExhaustedError as error:
            raise OSError(errno.ENOSPC, error.message) from error
        (temporary / DESCRIPTION).parent.mkdir()
        (temporary / DESCRIPTION).write_text(json.dumps(description, indent=1, ensure_ascii=False) + "\n")
        stamp(temporary, version)
        picture = np.clip(np.rint(sample[0]), 0, 255).astype(np.uint8)
        write_warmup(temporary, name, picture, probabilities(model, fit(tf.constant(picture), size, eval_crop)[None])[0])
        replay(temporary)
    return Path(folder)


def probabilities(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """What the endpoint must answer: pictures (N, h, w, 3) of the network's own size -> float32 (N, C)."""
    return tf.nn.softmax(model(images, training=False)).numpy()


def describe(folder: Path) -> dict[str, Any]:
    """What `write_saved_model` noted beside a graph: name, version, labels, size, eval_crop, max_batch, and the rest."""
    return json.loads((Path(folder) / DESCRIPTION).read_text())


def stamp(folder: Path, version: int | None) -> None:
    """Notes the version, in the description and as the graph's own `meta_graph_version`, and the Classify method's name.

    tf.saved_model.save cannot set either; both are fields of saved_model.pb beside the graph.
    """
    description = describe(folder) | dict(version=version)
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=1, ensure_ascii=False) + "\n")
    file = folder / "saved_model.pb"
    saved = SavedModel.FromString(file.read_bytes())
    for graph in saved.meta_graphs:
        graph.meta_info_def.meta_graph_version = f"{description['name']}/{version or 'unregistered'}"
        graph.signature_def["classify"].method_name = CLASSIFY
    file.write_bytes(saved.SerializeToString(deterministic=True))  # so that exporting twice gives the same bytes
    (folder / "fingerprint.pb").unlink(missing_ok=True)  # a checksum of what was there before; nothing needs it


def _check(model: keras.Model, class_names: tuple[str, ...], size: tuple[int, int]) -> None:
    """Raises ValueError where the parts of an endpoint do not belong together."""
    if len(model.output_shape) != 2 or model.output_shape[1] != len(class_names):
        raise ValueError(f"{model.name} gives {model.output_shape}; {len(class_names)} labels need (None, {len(class_names)})")
    expected = model.input_shape[1:]
    if len(expected) != 3 or any(e not in (None, s) for e, s in zip(expected, (*size, 3), strict=True)):
        raise ValueError(f"{model.name} takes pictures {expected}; the recipe gives it {(*size, 3)}")


def _fastest(model: keras.Model, images: np.ndarray) -> keras.Model:
    """The model with its batch normalization folded away, or the model itself where that changes the answers.

    Under half precision folding rounds elsewhere, which shows in the second digit; there the model stays as trained.
    """
    if any(layer.compute_dtype != "float32" for layer in model.layers):
        return model
    folded = fold_batch_norm(model)
    equal = np.allclose(probabilities(folded, images), probabilities(model, images), **SAME)
    return folded if equal else model


def _classifier(
    model: keras.Model, size: tuple[int, int], class_names: tuple[str, ...], frozen: bool
) -> tuple[Callable[[tf.Tensor], dict[str, tf.Tensor]], list[tf.Variable]]:
    """The one function that holds the weights, float32 (N, h, w, 3) -> named outputs; and the variables that it reads."""

    kept = [[keras.ops.convert_to_numpy(v) for v in part] for part in (model.trainable_variables, model.non_trainable_variables)]

    def logits(images: tf.Tensor) -> tf.Tensor:
        if not frozen:
            return model(images, training=False)
        return model.stateless_call(*[[tf.constant(v) for v in part] for part in kept], images, training=False)[0]

    @tf.function(input_signature=[tf.TensorSpec((None, *size, 3), tf.float32)], autograph=False)
    def classify(images: tf.Tensor) -> dict[str, tf.Tensor]:
        count = tf.shape(images)[0]
        # fused kernels refuse an empty batch, so it is computed as a batch of one and cut
        images = tf.pad(images, [[0, tf.maximum(1 - count, 0)], [0, 0], [0, 0], [0, 0]])
        scores = tf.nn.softmax(logits(images))[:count]
        best, classes = tf.math.top_k(scores, min(TOP, len(class_names)))
        labels = tf.gather(tf.constant(class_names), classes)
        return dict(
            labels=labels[:, 0], probabilities=scores, top_labels=labels, top_probabilities=best, top_classes=classes
        )

    return classify, list(classify.get_concrete_function().graph.variables)


def _signatures(
    classify: Callable, size: tuple[int, int], eval_crop: float, most: int, class_names: tuple[str, ...]
) -> dict[str, Callable]:
    """The four ways in, each a tf.function over the same `classify`."""

    def prepare(picture: tf.Tensor) -> tf.Tensor:
        """The validation transform; a picture of just that size is what it gives back, a millisecond later at 224."""
        if eval_crop != 1:
            return fit(picture, size, eval_crop)
        same = tf.reduce_all(tf.shape(picture)[:2] == size)
        return tf.cond(same, lambda: tf.cast(picture, tf.float32), lambda: fit(picture, size))

    def each(transform: Callable, batch: tf.Tensor) -> tf.Tensor:
        """`transform` on every element: [N, ...] -> float32 [N, h, w, 3]."""
        bounded = tf.debugging.Assert(
            tf.shape(batch)[0] <= most, ["a batch of", tf.shape(batch)[0], f"pictures is more than {most}"]
        )
        with tf.control_dependencies([bounded]):
            return tf.map_fn(
                transform, batch, fn_output_signature=tf.TensorSpec((*size, 3), tf.float32),
                parallel_iterations=DECODED_AT_ONCE,
            )

    def from_pixels(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        shape = tf.shape(pixels)
        filled = tf.debugging.Assert(tf.reduce_min(shape[1:3]) > 0, ["pictures without a pixel; shape:", shape])
        with tf.control_dependencies([filled]):
            return classify(each(prepare, pixels))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)  # two signatures share it
    def from_bytes(encoded: tf.Tensor) -> dict[str, tf.Tensor]:
        known = tf.reduce_any([tf.strings.substr(encoded, 0, len(magic)) == magic for magic in MAGIC], axis=0)
        pictures = tf.debugging.Assert(
            tf.reduce_all(known), ["not a JPEG, PNG, GIF or BMP picture, counted from 0:", tf.where(~known)[:, 0]]
        )
        with tf.control_dependencies([pictures]):
            return classify(each(lambda one: prepare(decode_image(one)), encoded))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def serving_default(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        return from_bytes(image_bytes)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32)], autograph=False)
    def pixels(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        return from_pixels(pixels)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)], autograph=False)
    def pixels_uint8(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        return from_pixels(pixels)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def examples(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_example(inputs, {"image_bytes": tf.io.FixedLenFeature([], tf.string)})
        scores = from_bytes(parsed["image_bytes"])["probabilities"]
        return dict(classes=tf.tile([class_names], [tf.shape(scores)[0], 1]), scores=scores)

    return dict(serving_default=serving_default, pixels=pixels, pixels_uint8=pixels_uint8, classify=examples)
