"""Small SavedModels with known answers, written by TensorFlow alone: the server must not depend on our own export."""

import shutil
from pathlib import Path

import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

COLOURS = ["red", "green", "blue"]


def save(folder: Path, module: tf.Module, **signatures) -> Path:
    """Writes a SavedModel beside `folder` and renames it, so that a watching server never sees half of it."""
    temporary = folder.with_name(f".{folder.name}.writing")
    tf.saved_model.save(module, str(temporary), signatures=signatures)
    _name_methods(temporary / "saved_model.pb")
    temporary.rename(folder)
    return folder


def _name_methods(file: Path) -> None:
    """Says of signatures called classify... and regress... what they are: TensorFlow Serving asks for it."""
    saved = SavedModel.FromString(file.read_bytes())
    for name, signature in saved.meta_graphs[0].signature_def.items():
        if name.startswith(("classify", "regress")):
            signature.method_name = f"tensorflow/serving/{name.partition('_')[0]}"
    file.write_bytes(saved.SerializeToString())


def half_plus(folder: Path, addend: float) -> Path:
    """x / 2 + addend: as predict, as regress over examples, and as classify with scores and no classes."""
    module = tf.Module()
    module.half, module.addend = tf.Variable(0.5), tf.Variable(addend)

    def parsed(inputs):
        x = tf.io.parse_example(inputs, {"x": tf.io.FixedLenFeature([1], tf.float32)})["x"]
        return module.half * x + module.addend

    examples = [tf.TensorSpec([None], tf.string, "inputs")]
    return save(
        folder,
        module,
        serving_default=tf.function(
            lambda x: {"y": module.half * x + module.addend}, input_signature=[tf.TensorSpec([None], tf.float32, "x")]
        ),
        regress_x_to_y=tf.function(lambda inputs: {"outputs": parsed(inputs)}, input_signature=examples),
        classify_x_to_y=tf.function(lambda inputs: {"scores": parsed(inputs)}, input_signature=examples),
    )


def typed(folder: Path) -> Path:
    """Two inputs of different types and outputs of each kind that JSON has; `pair` has outputs of two batch sizes."""

    def several(number, text):
        return {
            "doubled": number * 2.0,
            "length": tf.strings.length(text),
            "text": text,
            "text_bytes": text,
            "long": tf.strings.length(text) > 3,
        }

    number = tf.TensorSpec([None, 2], tf.float32, "number")
    text = tf.TensorSpec([None], tf.string, "text")
    one = tf.TensorSpec([None], tf.int32, "n")
    return save(
        folder,
        tf.Module(),
        serving_default=tf.function(several, input_signature=[number, text]),
        length=tf.function(lambda text: {"length": tf.strings.length(text)}, input_signature=[text]),
        same=tf.function(
            lambda x: {"x": tf.identity(x)}, input_signature=[tf.TensorSpec([None, None], tf.float64, "x")]
        ),
        pixels=tf.function(
            lambda pixels: {"total": tf.reduce_sum(tf.cast(pixels, tf.int64), [1, 2, 3])},
            input_signature=[tf.TensorSpec([None, 8, 8, 3], tf.uint8, "pixels")],
        ),
        half=tf.function(lambda n: {"half": tf.cast(n, tf.float16)}, input_signature=[one]),
        pair=tf.function(lambda n: {"n": n + 0, "two": tf.constant([1, 2])}, input_signature=[one]),
        scalar=tf.function(lambda n: {"total": tf.reduce_sum(n)}, input_signature=[one]),
    )


def colours(folder: Path) -> Path:
    """PNG or JPEG bytes -> which of red, green and blue there is most of, in the form that the project exports."""
    names = tf.constant(COLOURS)

    def mean(encoded):
        return tf.reduce_mean(tf.cast(tf.io.decode_image(encoded, 3, expand_animations=False), tf.float32), [0, 1])

    def ranked(image_bytes):
        amounts = tf.map_fn(mean, image_bytes, fn_output_signature=tf.TensorSpec([3], tf.float32))
        probabilities = amounts / tf.reduce_sum(amounts, -1, keepdims=True)
        top, order = tf.math.top_k(probabilities, 3)
        return probabilities, top, tf.gather(names, order)

    def default(image_bytes):
        probabilities, top, labels = ranked(image_bytes)
        return {
            "labels": labels[:, 0],
            "probabilities": probabilities,
            "top_labels": labels,
            "top_probabilities": top,
        }

    def examples(inputs):
        parsed = tf.io.parse_example(inputs, {"image_bytes": tf.io.FixedLenFeature([], tf.string)})
        _, top, labels = ranked(parsed["image_bytes"])
        return {"classes": labels, "scores": top}

    return save(
        folder,
        tf.Module(),
        serving_default=tf.function(default, input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")]),
        classify=tf.function(examples, input_signature=[tf.TensorSpec([None], tf.string, "inputs")]),
    )


def corrupt(folder: Path, like: Path) -> Path:
    """A copy of a version with the end of its graph cut off."""
    shutil.copytree(like, folder)
    graph = folder / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[:-200])
    return folder
