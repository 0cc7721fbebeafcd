"""Records what tensorflow-addons computes, for `tests/parity/test_addons.py` to hold our own parts against.

`make parity-addons` runs this in an environment of its own (requirements.txt in this folder: Python 3.11, TensorFlow
2.15.1, tensorflow-addons 0.23.0, Keras 2.15.0, NumPy 1.26.4), since no later TensorFlow can import tensorflow-addons:

    .venv-addons/bin/python tests/parity/addons/record.py

Each function of CASES gives one `<name>.npz` beside this file, below 50 KB: inputs, settings and results. Inputs are
seeded and everything runs on the CPU, so a second run on the same machine writes the same bytes.
"""

import os
from functools import partial
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa

FOLDER = Path(__file__).parent
VERSIONS = [f"tensorflow {tf.__version__}", f"tensorflow-addons {tfa.__version__}", f"numpy {np.__version__}"]
LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3, 4], np.int32)  # one class has a single member


def normal(rng, *shape):
    """Normal noise, float32."""
    return rng.normal(size=shape).astype(np.float32)


def with_gradient(loss, y_true, y_pred):
    """The mean loss and its gradient by `y_pred`."""
    y_pred = tf.constant(y_pred)
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        value = tf.reduce_mean(loss(y_true, y_pred))
    return {"loss": value.numpy(), "gradient": tape.gradient(value, y_pred).numpy()}


def triplet(loss, labels, rng):
    """A triplet loss by each distance, with margins that leave some triplets active and some not."""
    arrays = {"labels": rng.permutation(labels), "embeddings": normal(rng, len(labels), 6)}
    metrics = {"euclidean": ("L2", 1.0), "squared": ("squared-L2", 0.5), "angular": ("angular", 0.2)}
    for distance, (metric, margin) in metrics.items():
        call = partial(loss, margin=margin, distance_metric=metric)
        found = with_gradient(call, arrays["labels"], arrays["embeddings"])
        arrays |= {f"{distance}_{key}": value for key, value in found.items()} | {f"{distance}_margin": margin}
    return arrays


def triplet_semihard(rng):
    """Semi-hard mining."""
    return triplet(tfa.losses.triplet_semihard_loss, LABELS, rng)


def triplet_hard(rng):
    """The batch's hardest; without the class of one member, whose anchor tensorflow-addons counts and we do not."""
    return triplet(tfa.losses.triplet_hard_loss, LABELS[LABELS < 4], rng)


def contrastive(rng):
    """Pairs by distance, some beyond the margin."""
    same, distances = rng.integers(0, 2, 32).astype(np.float32), rng.uniform(0, 2, 32).astype(np.float32)
    found = with_gradient(partial(tfa.losses.contrastive_loss, margin=1.2), same, distances)
    return {"same": same, "distances": distances, "margin": 1.2, **found}


def npairs(rng):
    """Classes repeat, so some targets are shared by several columns."""
    labels, similarities = rng.permutation(LABELS), normal(rng, len(LABELS), len(LABELS))
    found = with_gradient(tfa.losses.npairs_loss, labels, similarities)
    return {"labels": labels, "similarities": similarities, **found}


def lifted_structure(rng):
    """Some pairs beyond the margin."""
    labels, embeddings = rng.permutation(LABELS), normal(rng, len(LABELS), 6)
    found = with_gradient(partial(tfa.losses.lifted_struct_loss, margin=1.0), labels, embeddings)
    return {"labels": labels, "embeddings": embeddings, "margin": 1.0, **found}


def boxes(rng):
    """IoU and GIoU; boxes `y1 x1 y2 x2`. The last four pairs: equal, inside, apart, both empty in one place."""
    corners = rng.uniform(0, 60, (2, 40, 2))
    y_true, y_pred = np.concatenate([corners, corners + rng.uniform(2, 40, (2, 40, 2))], axis=-1).astype(np.float32)
    y_true[-4:] = [[3, 4, 20, 30], [0, 0, 50, 60], [0, 0, 5, 5], [7, 7, 7, 7]]
    y_pred[-4:] = [[3, 4, 20, 30], [10, 20, 30, 40], [40, 50, 45, 60], [7, 7, 7, 7]]
    arrays = {"y_true": y_true, "y_pred": y_pred}
    for mode in ("iou", "giou"):
        each = partial(tfa.losses.giou_loss, mode=mode)
        arrays[f"{mode}_each"] = each(y_true, y_pred).numpy()
        # without the pairs whose edges coincide: there the derivative is a convention
        arrays[f"{mode}_gradient"] = with_gradient(each, y_true[:-4], y_pred[:-4])["gradient"]
    return arrays


def sigmoid_focal(rng):
    """From logits; summed over the last axis, as tensorflow-addons does it."""
    y_true, logits = rng.integers(0, 2, (12, 5)).astype(np.float32), 3 * normal(rng, 12, 5)
    settings = {"alpha": 0.25, "gamma": 2.0}
    loss = partial(tfa.losses.sigmoid_focal_crossentropy, from_logits=True, **settings)
    found = {"each": loss(y_true, logits).numpy(), **with_gradient(loss, y_true, logits)}
    return {"y_true": y_true, "logits": logits, **settings, **found}


def maxout(rng):
    """Three pieces of four units, on pictures and on vectors."""
    image, vector = normal(rng, 2, 3, 3, 12), normal(rng, 5, 12)
    layer = tfa.layers.Maxout(4)
    return {"image": image, "image_out": layer(image).numpy(), "vector": vector, "vector_out": layer(vector).numpy()}


def max_unpooling(rng):
    """TensorFlow's own pooling with argmax, then unpooling: 2x2 by 2, and 3x3 by 2 where windows share places."""
    arrays = {}
    for name, size, shape in (("apart", 2, (2, 6, 8, 3)), ("overlapping", 3, (2, 7, 9, 3))):
        image = normal(rng, *shape)
        pooled, argmax = tf.nn.max_pool_with_argmax(image, size, 2, "VALID")  # (row W + column) C + channel
        unpooled = tfa.layers.MaxUnpooling2D((size, size), (2, 2), "VALID")(pooled, argmax)
        found = {"image": image, "pooled": pooled.numpy(), "argmax": argmax.numpy(), "unpooled": unpooled.numpy()}
        arrays |= {f"{name}_{key}": value for key, value in found.items()}
    return arrays


def adaptive_pooling(rng):
    """To 3x4 from 6x8: tensorflow-addons needs sizes that divide."""
    image = normal(rng, 2, 6, 8, 3)
    average = tfa.layers.AdaptiveAveragePooling2D((3, 4))(image).numpy()
    return {"image": image, "average": average, "max": tfa.layers.AdaptiveMaxPooling2D((3, 4))(image).numpy()}


def normalization(rng):
    """Instance and group normalization with scale and offset, epsilon 1e-3."""
    image, scale, offset = normal(rng, 2, 5, 6, 8), normal(rng, 8), normal(rng, 8)
    arrays = {"image": image, "scale": scale, "offset": offset}
    for name, layer in (
        ("instance", tfa.layers.InstanceNormalization(epsilon=1e-3)),
        ("group", tfa.layers.GroupNormalization(4, epsilon=1e-3)),
    ):
        layer.build(image.shape)
        layer.set_weights([scale, offset])
        arrays[name] = layer(image).numpy()
    return arrays


def spectral_normalization(rng):
    """The kernel after one training step's two power iterations."""
    kernel, bias, u, image = normal(rng, 3, 3, 2, 4), normal(rng, 4), normal(rng, 1, 4), normal(rng, 1, 5, 5, 2)
    layer = tfa.layers.SpectralNormalization(tf.keras.layers.Conv2D(4, 3), power_iterations=2)
    layer.build(image.shape)
    layer.layer.set_weights([kernel, bias])
    layer.u.assign(u)
    found = {"output": layer(image, training=True).numpy(), "normalized": layer.layer.get_weights()[0]}
    return {"kernel": kernel, "bias": bias, "u": u, "image": image, **found}


def gaussian_blur(rng):
    """5x5, sigma 1.3; tensorflow-addons reflects at the edges."""
    image = normal(rng, 1, 12, 11, 3)
    return {"image": image, "blurred": tfa.image.gaussian_filter2d(image, 5, 1.3).numpy()}


def rotation(rng):
    """Counterclockwise about the centre, bilinear, zeros outside."""
    image, angles = normal(rng, 3, 9, 12, 2), np.array([0.3, -1.1, np.pi / 2], np.float32)
    return {"image": image, "angles": angles, "rotated": tfa.image.rotate(image, angles, "bilinear").numpy()}


def dense_warp(rng):
    """Each pixel is read at its place less the flow (rows, columns), bilinear; places outside are moved to the edge."""
    image, flow = normal(rng, 2, 7, 8, 3), 1.5 * normal(rng, 2, 7, 8, 2)
    return {"image": image, "flow": flow, "warped": tfa.image.dense_image_warp(image, flow).numpy()}


CASES = (
    triplet_semihard, triplet_hard, contrastive, npairs, lifted_structure, boxes, sigmoid_focal, maxout, max_unpooling,
    adaptive_pooling, normalization, spectral_normalization, gaussian_blur, rotation, dense_warp,
)  # fmt: skip

if __name__ == "__main__":
    for case in CASES:
        arrays = case(np.random.default_rng(list(case.__name__.encode())))
        path = FOLDER / f"{case.__name__}.npz"
        np.savez_compressed(path, versions=VERSIONS, **arrays)
        print(f"{path.name}: {len(arrays)} arrays, {path.stat().st_size} bytes")
