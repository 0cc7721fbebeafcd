"""Each property of a part once, over every layer, loss and op of the library. A new part adds one row."""

import importlib
import inspect
import pkgutil

import keras
import numpy as np
import pytest
from keras import ops

import cvapps.layers
import cvapps.losses
import cvapps.metrics
import cvapps.ops
from cvapps.layers.activation import Maxout
from cvapps.layers.convolution import TableConv2D
from cvapps.layers.cropping import CropLike
from cvapps.layers.deformable import DeformableConv2D
from cvapps.layers.fourier import FFTConv2D
from cvapps.layers.normalization import BatchNormalization, LocalResponseNormalization, ScaledUnitNormalization
from cvapps.layers.pooling import BedOfNails, MaxPoolingWithSwitches, MaxUnpooling
from cvapps.layers.rescaling import Rescaling
from cvapps.layers.resizing import AdaptiveAveragePooling2D, ResizeLike
from cvapps.losses import boundary, depth, detection, edges, embedding, object_masks, segmentation
from cvapps.ops import (
    anchors,
    boxes,
    channels,
    coding,
    interpolation,
    matching,
    pooling,
    region_reading,
    regions,
    roi_pool,
    sampling,
    suppression,
    upsampling,
)
from tests.backends import compiled, gradient
from tests.tolerances import EXACT, HALF, REORDERED

RNG = np.random.default_rng(0)
IMAGE = RNG.normal(size=(2, 6, 8, 4)).astype("float32")
SMALL = RNG.normal(size=(2, 3, 4, 4)).astype("float32")
SWITCHES = np.asarray(pooling.max_pool_with_argmax(IMAGE, 2, 2)[1])
PLACES = RNG.uniform(-2, 9, (2, 12, 2)).astype("float32")
CORNERS = RNG.uniform(0, 30, (2, 8, 2))
BOXES, OTHERS = np.concatenate([CORNERS, CORNERS + RNG.uniform(5, 30, (2, 8, 2))], axis=-1).astype("float32")
PAIR = np.stack([BOXES, OTHERS])
OVERLAP = np.asarray(boxes.iou(PAIR[:, :, None], PAIR[::-1, None]))
SHIFTS = np.random.default_rng(2).normal(size=(8, 4)).astype("float32")
VALID = np.arange(8) < np.array([[5], [0]])
MATCHED = np.array([[0, -1, -2, 3, 0, -1, -1, -2], [-1] * 8], "int32")
REGIONS = np.stack([BOXES, OTHERS])
CLASSES = np.array([0, 1, 0, 2, 1, 2, 0, 1])
VECTORS = RNG.normal(size=(8, 5)).astype("float32")
SIGNS = np.array([1, -1, 1, 1, -1, 1, -1, 1], "float32")
VECTORS /= np.linalg.norm(VECTORS, axis=-1, keepdims=True)
LABELS = np.where(RNG.uniform(size=(8, 3, 4)) < 0.2, 255, RNG.integers(0, 3, (8, 3, 4)))
LOGITS = RNG.normal(size=(8, 3, 4, 3)).astype("float32")

DEPTHS = np.random.default_rng(1).uniform(-1, 9, (8, 5, 6)).astype("float32")

# (constructor, inputs)
LAYERS = {
    "BatchNormalization": (lambda: BatchNormalization(momentum=0.8), [IMAGE]),
    "LocalResponseNormalization": (lambda: LocalResponseNormalization(3, 0.5, 0.6, 1.5, of="mean"), [IMAGE]),
    "ScaledUnitNormalization": (lambda: ScaledUnitNormalization(3.0), [IMAGE]),
    "TableConv2D": (lambda: TableConv2D(((0, 1), (2, 3), (0, 1, 2, 3)), 3), [IMAGE]),
    "DeformableConv2D": (lambda: DeformableConv2D(3, 3, padding="same", offset_groups=2, modulated=True), [IMAGE]),
    "FFTConv2D": (lambda: FFTConv2D(3, 3, padding="same", activation="relu"), [IMAGE]),
    "CropLike": (CropLike, [IMAGE, SMALL]),
    "Maxout": (lambda: Maxout(2), [IMAGE]),
    "MaxPoolingWithSwitches": (lambda: MaxPoolingWithSwitches(3, 2), [IMAGE]),
    "MaxUnpooling": (MaxUnpooling, [SMALL, SWITCHES, IMAGE]),
    "AdaptiveAveragePooling2D": (lambda: AdaptiveAveragePooling2D((4, 3), data_format="channels_last"), [IMAGE]),
    "Rescaling": (lambda: Rescaling([0.5, 2.0, 3.0, 0.1], [0.1, 0.2, 0.3, 0.4]), [IMAGE]),
    "ResizeLike": (lambda: ResizeLike(align_corners=True), [SMALL, IMAGE]),
    "BedOfNails": (lambda: BedOfNails(3), [IMAGE]),
}
# (constructor with settings that are not the defaults, y_true, y_pred)
LOSSES = {
    "ScaleInvariantLog": (lambda: depth.ScaleInvariantLog(0.25, 2.0), DEPTHS, np.abs(DEPTHS[::-1, ..., None]) + 1),
    "BoundaryAwareCrossentropy": (  # of the classes alone
        lambda: boundary.BoundaryAwareCrossentropy((0.5, 1.0, 2.5), hardest=(0.4, 20)),
        LABELS,
        LOGITS,
    ),
    "ClassBalancedCrossentropy": (
        lambda: edges.ClassBalancedCrossentropy(reduction="sum"),
        np.where(LABELS == 255, 255, LABELS % 2),
        LOGITS[..., :1],
    ),
    "IoU": (lambda: detection.IoU(reduction="sum"), BOXES, OTHERS),
    "GIoU": (lambda: detection.GIoU(reduction="sum"), BOXES, OTHERS),
    "TripletSemiHard": (lambda: embedding.TripletSemiHard(0.5, "euclidean"), CLASSES, VECTORS),
    "TripletHard": (lambda: embedding.TripletHard(0.5, "squared"), CLASSES, VECTORS),
    "Contrastive": (lambda: embedding.Contrastive(1.5), CLASSES % 2, np.abs(VECTORS[:, 0])),
    "NPairs": (lambda: embedding.NPairs(reduction="sum"), CLASSES, VECTORS @ VECTORS.T),
    "LiftedStructure": (lambda: embedding.LiftedStructure(0.5), CLASSES, VECTORS),
    "SegmentationCrossentropy": (
        lambda: segmentation.SegmentationCrossentropy((0.5, 1.0, 2.5), 0.3),
        LABELS,
        LOGITS,
    ),
    "ObjectMask": (
        lambda: object_masks.ObjectMask(0.5),
        {"mask": np.sign(RNG.normal(size=(8, 4, 4))).astype("float32"), "score": SIGNS},
        {
            "logits": RNG.normal(size=(8, 4, 4, 1)).astype("float32"),
            "score": RNG.normal(size=(8, 1)).astype("float32"),
        },
    ),
}
CLASS_MAPS = RNG.integers(0, 4, (2, 6, 8)).astype("int32")
# (constructor with settings that are not the defaults, y_true, y_pred)
METRICS = {
    name: (lambda name=name: getattr(cvapps.metrics, name)(4, ignore=254, name="own"), CLASS_MAPS, IMAGE)
    for name in ("ConfusionMatrix", "PixelAccuracy", "MeanAccuracy", "MeanIoU", "FrequencyWeightedIoU")
}
METRICS["DepthErrors"] = (lambda: cvapps.metrics.DepthErrors("own"), DEPTHS, np.abs(DEPTHS[::-1, ..., None]) + 1)
# (function, inputs, the type of its first output for half inputs, where None is the inputs' own)
OPS = {
    "plus": (boxes.plus, [SHIFTS[None, :, :1], SHIFTS[None, None, :, 1]], None),
    "area": (boxes.area, [BOXES], "float32"),
    "intersection": (boxes.intersection, [BOXES, OTHERS], "float32"),
    "enclosure": (boxes.enclosure, [BOXES, OTHERS], "float32"),
    "iou": (boxes.iou, [BOXES, OTHERS], "float32"),
    "giou": (boxes.giou, [BOXES, OTHERS], "float32"),
    "channel_shuffle": (lambda x: channels.channel_shuffle(x, 2), [IMAGE], None),
    "max_pool_with_argmax": (lambda x: pooling.max_pool_with_argmax(x, 3, 2), [IMAGE], None),
    "bed_of_nails": (lambda x: upsampling.bed_of_nails(x, 3), [IMAGE], None),
    "sample_bilinear": (interpolation.sample_bilinear, [IMAGE, PLACES], None),
    "is_empty": (boxes.is_empty, [BOXES], "bool"),
    "clip": (lambda x: boxes.clip(x, (20, 25)), [BOXES], "float32"),
    "inside": (lambda x: boxes.inside(x, (30, 35)), [BOXES], "bool"),
    "to_cxcywh": (boxes.to_cxcywh, [BOXES], "float32"),
    "from_cxcywh": (boxes.from_cxcywh, [BOXES], "float32"),
    "to_xywh": (boxes.to_xywh, [BOXES], "float32"),
    "from_xywh": (boxes.from_xywh, [BOXES], "float32"),
    "points": (lambda stride: anchors.points((3, 4), stride), [np.array([8, 16], "float32")], "float32"),
    "tile": (lambda cell: anchors.tile(cell, (3, 4), 8), [anchors.SSD300[8]], "float32"),
    "overlap_in_cell": (lambda x, y: matching.overlap_in_cell(x, y, 16), [BOXES, PAIR], "float32"),
    "match_threshold": (lambda x, y: matching.match_threshold(x, y, 0.1, 0.3), [OVERLAP, VALID], "int32"),
    "match_proposals": (lambda x, y: matching.match_proposals(x, y, 0.1, 0.3), [OVERLAP, VALID], "int32"),
    "match_low_quality": (lambda x, y: matching.match_low_quality(x, y, 0.1, 0.3), [OVERLAP, VALID], "int32"),
    "match_bipartite": (lambda x, y: matching.match_bipartite(x, y, 0.3), [OVERLAP, VALID], "int32"),
    "match_points": (lambda *x: matching.match_points(*x, 4, 20, 9), [PLACES[0] * 6, PAIR, VALID], "int32"),
    "take_matched": (matching.take_matched, [PAIR, MATCHED], None),
    "sample": (lambda x: ops.sort(sampling.sample(x, 8, 1, 7)[0]), [MATCHED], "int32"),  # XLA draws otherwise: all
    "hard_negatives": (lambda x, y: sampling.hard_negatives(x, y, 1), [OVERLAP[..., 0], MATCHED], "bool"),
    "encode_deltas": (lambda x, y: coding.encode_deltas(x, y, coding.HEAD), [BOXES, OTHERS], "float32"),
    "decode_deltas": (lambda x, y: coding.decode_deltas(x, y, coding.HEAD), [SHIFTS, OTHERS], "float32"),
    "encode_cell": (lambda x, y: coding.encode_cell(x, y, 16, (60, 70)), [BOXES, OTHERS[..., :2]], "float32"),
    "decode_cell": (lambda x, y: coding.decode_cell(x, y, 16, (60, 70)), [SHIFTS, OTHERS[..., :2]], "float32"),
    "encode_logistic": (lambda x, y: coding.encode_logistic(x, y, 64), [BOXES, OTHERS], "float32"),
    "decode_logistic": (lambda x, y: coding.decode_logistic(x, y, 64), [SHIFTS, OTHERS], "float32"),
    "encode_sides": (lambda x, y: coding.encode_sides(x, y, 16), [BOXES, OTHERS[..., :2]], "float32"),
    "decode_sides": (lambda x, y: coding.decode_sides(x, y, 16), [SHIFTS, OTHERS[..., :2]], "float32"),
    "centreness": (coding.centreness, [np.abs(SHIFTS)], "float32"),
    "max_unpool": (lambda x, switches: pooling.max_unpool(x, switches, (6, 8)), [SMALL, SWITCHES], None),
    "nms": (
        lambda boxes, scores, classes, valid: suppression.nms(boxes, scores, valid, 0.1, 5, classes),
        [REGIONS, PLACES[:, :8, 0], np.stack([CLASSES, CLASSES[::-1]]).astype("int32"), PLACES[:, :8, 1] < 8],
        "int32",
    ),
    "roi_pool": (lambda x, boxes: roi_pool.roi_pool(x, boxes, 8, 3), [IMAGE, REGIONS], None),
    "roi_align": (lambda x, boxes: regions.roi_align(x, boxes, 8, 3, 3, True), [IMAGE, REGIONS], None),
    "means_of_bins": (
        lambda x, boxes: region_reading.means_of_bins(
            [x], [8], ops.zeros_like(boxes[..., 0], dtype="int32"), boxes, 3, 2, False
        ),
        [IMAGE, REGIONS],
        None,
    ),
    "pyramid_roi_align": (
        lambda x, small, boxes: regions.pyramid_roi_align({"P3": x, "P4": small}, boxes, 3, 1, True),
        [IMAGE, SMALL, REGIONS],
        None,
    ),
    "pyramid_levels": (lambda boxes: regions.pyramid_levels(boxes, 2, 4, side=16), [BOXES], "int32"),
    "paste_masks": (
        lambda masks, boxes: regions.paste_masks(masks, boxes, 20, 30),
        [RNG.uniform(size=(2, 8, 5, 5)).astype("float32"), REGIONS],
        "float32",
    ),
}
TABLES = {  # arrays of NumPy made of numbers: values for the tables of detectors
    "centred": lambda: anchors.centred([(10, 13), (16, 30)]),
    "rectangles": lambda: anchors.rectangles((128, 256, 512), (0.5, 1, 2)),
    "octaves": lambda: anchors.octaves(32),
    "priors": lambda: anchors.priors((8,), (30, 60), ((2,),))[8],
}
every_layer = pytest.mark.parametrize("name", LAYERS)
every_loss = pytest.mark.parametrize("name", LOSSES)
every_metric = pytest.mark.parametrize("name", METRICS)
every_op = pytest.mark.parametrize("name", OPS)
halves = pytest.mark.parametrize("dtype", ["float16", "bfloat16"])


def public(package, kind):
    """Names of a package's own public functions or serializable classes."""
    found = set()
    for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            if kind(value) and value.__module__ == module.__name__ and not name.startswith("_"):
                registered = keras.saving.get_registered_name(value).startswith("cvapps>")
                if registered or not inspect.isclass(value):
                    found.add(name)
    return found


def is_float(value):
    """Whether a tensor holds floats."""
    return "float" in keras.backend.standardize_dtype(value.dtype)


def call(layer, inputs):
    """A layer takes one tensor, or a list."""
    return layer(inputs[0] if len(inputs) == 1 else list(inputs))


def listed(outputs):
    """The outputs of a part as a list of tensors."""
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def squares(outputs):
    """A scalar that depends on every float output."""
    return sum(ops.sum(ops.square(ops.cast(y, "float32"))) for y in listed(outputs) if is_float(y))


def check_gradient(function, x):
    """The derivative is finite and not all zero."""
    found = gradient(function, x)
    assert np.isfinite(found).all()
    assert np.abs(found).max() > 0


@pytest.mark.parametrize(
    ("package", "kind", "rows"),
    [
        (cvapps.layers, inspect.isclass, LAYERS),
        (cvapps.losses, inspect.isclass, LOSSES),
        (cvapps.metrics, inspect.isclass, METRICS),
        (cvapps.ops, inspect.isfunction, {**OPS, **TABLES}),
    ],
    ids=["layers", "losses", "metrics", "ops"],
)
def test_every_part_has_a_row(package, kind, rows):
    assert public(package, kind) == set(rows)


@every_layer
def test_a_layer_saves_and_loads_bit_equal(name, tmp_path):
    build, inputs = LAYERS[name]
    symbols = [keras.Input(x.shape[1:], dtype=x.dtype.name, name=f"input{i}") for i, x in enumerate(inputs)]
    layer = build()
    model = keras.Model(symbols, call(layer, symbols))
    for weight in layer.weights:
        weight.assign(RNG.uniform(0.5, 1.5, weight.shape))
    model.save(tmp_path / "part.keras")
    again = keras.models.load_model(tmp_path / "part.keras")
    assert again.layers[-1].get_config() == layer.get_config()
    for found, expected in zip(listed(again(inputs)), listed(model(inputs)), strict=True):
        np.testing.assert_allclose(found, expected, **EXACT)


@every_layer
def test_a_layer_promises_the_shape_and_type_that_it_returns(name):
    build, inputs = LAYERS[name]
    layer = build()
    any_size = [keras.Input((None, None, x.shape[-1]), dtype=x.dtype.name) for x in inputs]
    known = [keras.Input(batch_shape=x.shape, dtype=x.dtype.name) for x in inputs]
    found = listed(call(layer, inputs))
    for promise, other, y in zip(listed(call(layer, known)), listed(call(layer, any_size)), found, strict=True):
        assert promise.shape == tuple(y.shape)
        assert (other.shape[0], other.shape[-1]) == (None, y.shape[-1])
        assert all(side in (None, now) for side, now in zip(other.shape[1:], y.shape[1:], strict=True))
        assert promise.dtype == other.dtype == keras.backend.standardize_dtype(y.dtype)


@every_layer
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_a_layer_computes_in_half_and_keeps_float32_weights(name, policy):
    build, inputs = LAYERS[name]
    reference = build()
    expected = listed(call(reference, inputs))
    keras.config.set_dtype_policy(policy)
    layer = build()
    call(layer, inputs)
    layer.set_weights(reference.get_weights())
    for y, exact in zip(listed(call(layer, inputs)), expected, strict=True):
        if is_float(y):
            assert keras.backend.standardize_dtype(y.dtype) == policy.removeprefix("mixed_")
            np.testing.assert_allclose(ops.cast(y, "float32"), exact, **HALF)
    assert {weight.dtype for weight in layer.weights} <= {"float32"}


@every_layer
def test_a_layer_has_gradients_and_compiles(name):
    build, (x, *rest) = LAYERS[name]
    layer = build()
    expected = listed(call(layer, [x, *rest]))
    check_gradient(lambda x: squares(call(layer, [x, *rest])), x)
    for found, y in zip(listed(compiled(lambda x: call(layer, [x, *rest]))(x)), expected, strict=True):
        np.testing.assert_allclose(found, y, **REORDERED)


@every_loss
def test_a_loss_is_rebuilt_from_its_configuration(name):
    build, y_true, y_pred = LOSSES[name]
    loss = build()
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    np.testing.assert_allclose(again(y_true, y_pred), loss(y_true, y_pred), **EXACT)


@every_loss
@halves
def test_a_loss_is_float32_whatever_the_policy(name, dtype):
    build, y_true, y_pred = LOSSES[name]
    expected = build()(y_true, y_pred)
    keras.config.set_dtype_policy(f"mixed_{dtype}")
    value = build()(y_true, keras.tree.map_structure(lambda y: ops.cast(y, dtype), y_pred))
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    np.testing.assert_allclose(value, expected, **HALF)


@every_loss
def test_a_loss_has_a_value_per_example_gradients_and_compiles(name):
    build, y_true, y_pred = LOSSES[name]
    config = {**build().get_config(), "reduction": None}
    assert tuple(type(build()).from_config(config)(y_true, y_pred).shape) == (8,)
    loss = build()
    first, *rest = keras.tree.flatten(y_pred)

    def value(x):
        return loss(y_true, keras.tree.pack_sequence_as(y_pred, [x, *rest]))

    check_gradient(value, first)
    np.testing.assert_allclose(compiled(value)(first), loss(y_true, y_pred), **REORDERED)


def scores(metric, y_true, y_pred):
    """What a metric says of one batch, as numbers."""
    return [float(x) for x in keras.tree.flatten(metric(y_true, y_pred))]


@every_metric
def test_a_metric_is_rebuilt_from_its_configuration_and_starts_anew(name):
    build, y_true, y_pred = METRICS[name]
    metric = build()
    expected = scores(metric, y_true, y_pred)
    assert all(np.isfinite(expected))
    again = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert type(again) is type(metric)
    assert again.get_config() == metric.get_config()
    assert scores(again, y_true, y_pred) == expected
    metric.reset_state()
    assert scores(metric, y_true, y_pred) == expected


@every_metric
@halves
def test_a_metric_is_float32_whatever_the_policy(name, dtype):
    build, y_true, y_pred = METRICS[name]
    expected = scores(build(), y_true, y_pred)
    keras.config.set_dtype_policy(f"mixed_{dtype}")
    metric = build()
    np.testing.assert_allclose(scores(metric, y_true, ops.cast(y_pred, dtype)), expected, **HALF)
    assert {keras.backend.standardize_dtype(x.dtype) for x in keras.tree.flatten(metric.result())} == {"float32"}
    assert {variable.dtype for variable in metric.variables} == {"float32"}


@every_op
@halves
def test_an_op_s_type_for_half_inputs(name, dtype):
    function, inputs, expected = OPS[name]
    first = listed(function(*(ops.cast(x, dtype) if is_float(x) else x for x in inputs)))[0]
    assert keras.backend.standardize_dtype(first.dtype) == (expected or dtype)


@every_op
def test_an_op_has_gradients_and_compiles(name):
    function, (x, *rest), _ = OPS[name]
    expected = listed(function(x, *rest))
    if any(is_float(y) for y in expected):  # of whole numbers there is no derivative
        check_gradient(lambda x: squares(function(x, *rest)), x)
    for found, y in zip(listed(compiled(lambda x: function(x, *rest))(x)), expected, strict=True):
        np.testing.assert_allclose(found, y, **REORDERED)


@every_op
def test_an_op_works_in_a_functional_model_that_saves_and_loads(name, tmp_path):
    function, inputs, _ = OPS[name]
    symbols = [keras.Input(batch_shape=x.shape, dtype=x.dtype.name, name=f"input{i}") for i, x in enumerate(inputs)]
    model = keras.Model(symbols, function(*symbols))
    model.save(tmp_path / "op.keras")
    again = keras.models.load_model(tmp_path / "op.keras")
    for found, expected in zip(listed(again(inputs)), listed(function(*inputs)), strict=True):
        np.testing.assert_allclose(found, expected, **EXACT)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_needs_no_backend(name):
    values = TABLES[name]()
    assert type(values) is np.ndarray
    assert np.isfinite(values).all()


def test_losses_train_a_model_under_mixed_precision():
    """`compile` and `fit` take them by name of the class as any loss of Keras."""
    keras.config.set_dtype_policy("mixed_float16")
    model = keras.Sequential(
        [keras.Input((5,)), keras.layers.Dense(4), keras.layers.UnitNormalization(dtype="float32")]
    )
    model.compile("sgd", embedding.TripletSemiHard(), jit_compile=False)
    before = model.evaluate(VECTORS, CLASSES, batch_size=8, verbose=0)
    model.fit(VECTORS, CLASSES, batch_size=8, epochs=20, verbose=0)
    assert model.evaluate(VECTORS, CLASSES, batch_size=8, verbose=0) < before
