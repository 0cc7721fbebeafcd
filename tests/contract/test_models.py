"""The properties that every registered model has: one small row of each family by default, all rows under `-m slow`."""

import inspect
import re
from collections import Counter
from dataclasses import replace
from functools import cache, partial

import keras
import numpy as np
import psutil
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal

import cvapps
from cvapps.classification.alexnet import Conv, pool, response
from cvapps.detection.box_heads import DenseHead
from cvapps.detection.detectors_two_stage import MASK_RCNN_FPN
from cvapps.detection.mask_heads import FullyConvolutional, MaskBranch
from tests import tolerances
from tests.backends import call
from tests.contract.tasks import TASKS, principal, trained

TENSORFLOW = keras.backend.backend() == "tensorflow"
DEFAULT_ROWS = (
    "alexnet", "darknet53", "densenet40_k12_cifar", "extraction", "googlenet", "hrnet_w18_small_v2",
    "inception_resnet_v2", "inception_v3", "inception_v4", "lenet5", "mlp", "mobilenet_v1_x0_25", "mobilenet_v2_x0_35",
    "n4_patch", "nasnet_mobile", "resnet110_v2_cifar", "resnet18", "resnet20_cifar", "shufflenet_v1_g2_x0_25",
    "shufflenet_v2_x0_5", "simple_convnet", "vgg11",
    # label maps
    "deconvnet", "fcn32s_alexnet", "n4", "pidnet_s", "pspnet50", "segnet_basic", "unet",
    # boundaries, depths, masks of patches
    "deepmask", "eigen2014", "eigen_fergus_alexnet", "hed", "sharpmask",
    # detectors
    "mask_rcnn_resnet50_fpn", "retinanet_resnet50", "single_object_resnet50",
)  # fmt: skip
TOWER = (Conv(8, 11, 4, 2), Conv(16, 5, 1, 2), Conv(24, 3, 1, 1), Conv(24, 3, 1, 1), Conv(16, 3, 1, 1))
TRUNK = dict(convolutions=TOWER, between=(pool, response))
SMALL = {  # settings of a row by default: a block of each kind shows what the others would, in a fraction of the time
    "alexnet": dict(dense=(64, 64)),
    "darknet53": dict(depths=(1, 1, 1, 1, 1), width=8),
    "deconvnet": dict(widths=(16, 8, 8, 8, 8), dense=(32, 32)),
    "densenet40_k12_cifar": dict(depths=(3, 3, 3)),
    "deepmask": dict(mask_size=8, upsampling=2),
    "eigen2014": dict(trunk=TRUNK, hidden=32),
    "eigen_fergus_alexnet": dict(trunk=TRUNK, hidden=32, width=16),
    "extraction": dict(stages=(((7, 8),), ((3, 16),), *(((1, 16), (3, 32)),) * 3)),
    "fcn32s_alexnet": dict(dense=(64, 64), skips=("pool2", "pool1")),
    "hed": dict(depths=(1, 1, 1, 1, 1), widths=(8, 8, 16, 16, 16)),
    "hrnet_w18_small_v2": dict(modules=(1, 1, 1), depth=1),
    "inception_resnet_v2": dict(depths=(1, 1, 1)),
    "inception_v3": dict(pool_widths=(32,), inner_widths=(128,), depth=1),
    "inception_v4": dict(depths=(1, 1, 1)),
    "mask_rcnn_resnet50_fpn": dict(
        backbone="resnet18",
        propose=replace(MASK_RCNN_FPN.propose, width=8, before=(40, 60), after=(20, 30)),
        head=DenseHead((16, 16)),
        sampling=replace(MASK_RCNN_FPN.sampling, count=24),
        mask=MaskBranch(MASK_RCNN_FPN.mask.regions, FullyConvolutional((8, 8))),
        detections=8,
    ),
    "n4": dict(maps=8, hidden=16),
    "nasnet_mobile": dict(depth=1, penultimate=192, stem=16),
    "pidnet_s": dict(width=16, pyramid_width=16, head_width=16),  # of 8 oneDNN writes where it should not
    "pspnet50": dict(backbone="resnet18"),
    "resnet110_v2_cifar": dict(depths=(2, 2, 2)),
    "retinanet_resnet50": dict(backbone="resnet18", detections=8),
    "single_object_resnet50": dict(backbone="resnet18", reduce=8, dense=(16,)),
    "segnet_basic": dict(widths=(8, 8, 8, 8)),
    "sharpmask": dict(backbone="vgg11", encoding=128),  # of narrow maps some places are dark in every picture
    "shufflenet_v1_g2_x0_25": dict(depths=(2, 2, 2)),
    "shufflenet_v2_x0_5": dict(depths=(2, 2, 2)),
    "unet": dict(width=4, depth=2),
    "vgg11": dict(dense=(64, 64)),
}
# settings of every row, by beginnings of names: scores that begin at zero would stop the first step
STARTS = {"fcn": dict(score_initializer="he_normal"), "hed": dict(score_initializer="he_normal")}
DEFAULT_CASES = [f"{name}:small" if name in SMALL else name for name in DEFAULT_ROWS]
# sides of the small picture where 64 leave too little, by beginnings of names: maps need some places, and detectors
# pictures in which each of their anchors has room
LARGE = {
    "alexnet": 99, "deconvnet": 224, "eigen": 100, "faster_rcnn_vgg16": 192, "inception_resnet": 107,
    "inception_v3": 107, "inception_v4": 139, "mobilenet_v2": 96, "n4": 95, "shufflenet_v2": 96, "ssd300": 300,
    "ssd512": 512, "unet_padded": 64, "unet": 188, "yolo_v1": 448, "yolo_v3": 224, "zfnet": 99,
}  # fmt: skip
UNPADDED = ("alexnet", "inception_", "zfnet")  # beginnings of names: their layers take places away
PLACES = ("alexnet", "vgg", "zfnet")  # fc6 has a weight for each place; features take any size
LONG = (  # beginnings of names: XLA takes a minute for their graphs, a SavedModel half of one
    "deconvnet", "deepmask", "eigen_fergus", "fcn32s", "googlenet", "hed", "hrnet", "inception_", "mask_rcnn",
    "mobilenet_v2", "nasnet", "pidnet", "pspnet", "retinanet", "sharpmask", "shufflenet_v1", "vgg",
)  # fmt: skip
WIDE = ("fcn8s", "fcn16s", "fcn32s", "ssd", "yolo_v1")  # maps: in float64 XLA took more than 13 minutes for fcn8s
XLA_NEEDS = {  # bytes of the machine
    "deconvnet": 20 * 2**30,  # takes 17.5 GB and half an hour
    "nasnet_large": 32 * 2**30,  # with 18.8 GB taken its compiler was killed on a machine of 24
}
ONE_SIZE = {
    "deepmask": "a window as large as the patch",
    "deepmask_resnet50": "a window as large as the patch",
    "sharpmask": "a window as large as the patch",
    "eigen2014": "a weight for each place of the last map",
    "eigen_fergus_alexnet": "a weight for each place of the last map",
    "eigen_fergus_vgg": "a weight for each place of the last map",
    "fast_rcnn_vgg16": "bins of whole places of a map of known size",
    "faster_rcnn_vgg16": "bins of whole places of a map of known size",
    "lenet5": "F6 reads one place of C5",
    "mlp": "a weight for each pixel",
    "n4_patch": "a weight for each place of the last map",
    "perceptron": "a weight for each pixel",
    "simple_convnet": "the logits have a weight for each place",
    "single_object_resnet50": "a weight for each place of the last map",
    "single_object_vgg16": "a weight for each place of the last map",
    "unet": "only sides that leave every pooling an even map",
    "yolo_v1": "a weight for each place of the last map",
}
OTHER_TASKS = {*cvapps.list_models()} - {*cvapps.list_models(task="classification")}
NO_FEATURES = dict.fromkeys({*ONE_SIZE, *OTHER_TASKS}, "not a backbone")
EVERY = 2000  # more anchors than a small picture has
FEW = 20  # proposals: XLA gives each place for one all layers of the heads, filled or not, and 2,000 took it 22 GB
LAYER_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def rows(exceptions=(), default=DEFAULT_CASES):
    """The names of all rows but the exceptions, all but the default ones marked slow.

    A default row of SMALL comes twice: in its small form, as "name:small", and slow as it is.
    """
    names = [name for name in cvapps.list_models() if name not in exceptions]
    cases = [*(case for case in DEFAULT_CASES if info(case).name in names), *names]
    return [pytest.param(case, marks=() if case in default else pytest.mark.slow) for case in dict.fromkeys(cases)]


def info(name):
    """The registry's row of a case, which may be a small form."""
    return cvapps.model_info(name.removesuffix(":small"))


every_row = pytest.mark.parametrize("name", rows())
every_backbone = pytest.mark.parametrize("name", rows(NO_FEATURES))
every_row_by_graph = pytest.mark.parametrize(
    "name", rows(default=[case for case in DEFAULT_CASES if not case.startswith(LONG)])
)
any_size = pytest.mark.parametrize("name", rows(ONE_SIZE))


def small_side(name):
    """The side of the small picture."""
    return next((side for beginning, side in LARGE.items() if name.startswith(beginning)), 64)


def small_shape(name):
    """The row's own picture size, at most as many pixels as are enough."""
    height, width, channels = info(name).input_shape
    return min(height, small_side(name)), min(width, small_side(name)), channels


def settings_of(name, **settings):
    """What makes the row small, with few classes, before `settings`."""
    small = SMALL[info(name).name] if name.endswith(":small") else {}
    start = next((start for beginning, start in STARTS.items() if name.startswith(beginning)), {})
    return {"input_shape": small_shape(name), **TASKS[info(name).task].settings, **start, **small, **settings}


def build(name, **settings):
    """The row at its small size and with few classes."""
    return cvapps.create_model(info(name).name, **settings_of(name, **settings))


@cache
def pictures(name, count=3):
    """Random whole pixels in [0, 255], float32."""
    random = np.random.default_rng(0)
    return random.integers(0, 256, (count, *small_shape(name))).astype("float32")


def values(variables):
    """Copies of the variables as arrays."""
    return [v.numpy().copy() for v in variables]


def without_chance(defaults):
    """Settings that leave nothing to draw, for XLA draws other numbers: no dropout, every region."""
    found = {"dropout": 0.0} if "dropout" in defaults else {}
    head = defaults.get("head")
    if hasattr(head, "dropout"):
        found["head"] = replace(head, dropout=0.0)
    elif callable(head) and "dropout" in inspect.signature(head).parameters:
        found["head"] = partial(head, dropout=0.0)
    if "sampling" in defaults:
        found["sampling"] = replace(defaults["sampling"], count=2 * FEW, fraction=1.0)  # the true boxes are among them
        propose, few = defaults["propose"], {"count": FEW}
        if hasattr(propose, "sampling"):
            few = {"sampling": replace(propose.sampling, count=EVERY, fraction=1.0), "after": (FEW, FEW)}
        found["propose"] = replace(propose, **few)
    return found


def inputs(model, name, x=None):
    """What the model takes of random pictures, or of x."""
    return TASKS[info(name).task].inputs(model, pictures(name) if x is None else x)


def outputs(model, x, training=False):
    """The model's outputs as a list of arrays, each as wide as the model made it."""
    return [ops.convert_to_numpy(y) for y in keras.tree.flatten(call(model, x, training))]


def numbers(model, name, x=None):
    """The outputs that are continuous in the picture: of a detector those from which its few best boxes are chosen."""
    return outputs(TASKS[info(name).task].numbers(model), inputs(model, name, x))


def normalize_pictures(model, name):
    """Moving statistics become those of the pictures, as a trained model's would be.

    By their first ones a hundred layers of random weights let numbers grow to 1e5, where a gate flips at a rounding.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    call(model, inputs(model, name), training=True)


def assert_reordered(found, expected):
    """The same sums in another order, of random weights, which let the numbers grow from block to block."""
    scale = max(1.0, np.abs(expected).max())
    assert_allclose(found / scale, expected / scale, **tolerances.REORDERED)


def train(model, name, optimizer, settings=None, run_eagerly=TENSORFLOW, **compile_settings):
    """One step on a batch of three; returns its loss. `settings` are those that `build` was given.

    Eagerly on TensorFlow, where tracing a graph takes longer than a step of it.
    """
    row, x, settings = info(name), inputs(model, name), settings_of(name, **(settings or {}))
    given = keras.tree.map_structure(ops.convert_to_numpy, call(TASKS[row.task].numbers(model), x))
    targets = TASKS[row.task].targets(given, small_shape(name))
    learner = trained(model, row, settings, optimizer, run_eagerly=run_eagerly, **compile_settings)
    return float(learner.train_on_batch(x, targets, return_dict=True)["loss"])


def test_the_default_rows_are_one_of_each_family():
    """A new family without a default row would be tested by nobody's `make test`."""
    every = [info(name) for name in cvapps.list_models()]
    tasks = dict(classification=108, segmentation=17, depth=3, edges=1, object_masks=3, detection=13)
    assert Counter(row.task for row in every) == tasks
    assert len(every) == len(rows()) - len(SMALL) == sum(tasks.values())
    assert {info(name).builder for name in DEFAULT_ROWS} == {row.builder for row in every}
    assert set(SMALL) <= set(DEFAULT_ROWS)
    assert set(ONE_SIZE) <= {row.name for row in every}
    for beginning in (*LARGE, *STARTS, *LONG, *UNPADDED, *PLACES):
        assert any(row.name.startswith(beginning) for row in every)


@every_row
def test_layers_are_named_by_hand(name):
    """The names are words joined by `_`, unique, and the same in a second build, as automatic ones would not be."""
    first, second = ([layer.name for layer in build(name).operations] for _ in range(2))
    assert first == second
    assert len(set(first)) == len(first) > 2
    assert [n for n in first if not LAYER_NAME.fullmatch(n)] == []


@every_row
def test_gives_float32_under_the_row_name(name):
    model = build(name)
    assert model.name == info(name).name
    channels = TASKS[info(name).task].channels
    if channels:
        y = principal(call(model, pictures(name)))
        assert (y.shape[0], y.shape[-1]) == (3, channels)
    for y in numbers(model, name):
        assert y.dtype == np.float32
        assert np.isfinite(y).all()
        # the picture decides, but where the last ReLUs, of SharpMask two, are dead by chance
        assert np.mean(np.ptp(y.reshape(3, -1), axis=0) > 0) > 0.99


@every_row
def test_keras_file_is_bit_equal(name, tmp_path):
    model = build(name)
    train(model, name, keras.optimizers.SGD(0.01))  # so that no weight has its first value
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert [op.name for op in loaded.operations] == [op.name for op in model.operations]
    assert [(v.path, v.dtype) for v in loaded.weights] == [(v.path, v.dtype) for v in model.weights]
    for a, b in zip(values(model.weights), values(loaded.weights), strict=True):
        assert_array_equal(a, b)
    x = inputs(model, name)
    for a, b in zip(outputs(model, x), outputs(loaded, x), strict=True):
        assert_array_equal(a, b)


@every_row
def test_one_step_moves_every_trainable_weight(name):
    model = build(name)
    before = values(model.trainable_variables)
    assert np.isfinite(train(model, name, keras.optimizers.SGD(1.0)))
    moved = [np.any(old != new) for old, new in zip(before, values(model.trainable_variables), strict=True)]
    assert [v.path for v, m in zip(model.trainable_variables, moved, strict=True) if not m] == []


@pytest.mark.usefixtures("float64")
@every_row
def test_batch_of_three_is_three_batches_of_one(name):
    """In float64, for depth magnifies roundings: through wide_resnet101_2 to 2e-4 in float32."""
    model = build(name)
    normalize_pictures(model, name)
    alone = zip(*(numbers(model, name, pictures(name)[i : i + 1]) for i in range(3)), strict=True)
    for together, parts in zip(numbers(model, name), alone, strict=True):
        assert_reordered(np.concatenate(parts), together)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@every_row
def test_trains_in_mixed_precision(name, policy):
    keras.config.set_dtype_policy(policy)
    model = build(name)
    # small: 154 layers leave float16's range by a step of 1e-3, SSD's, with a first loss of thousands, by one of 1e-4
    optimizer = keras.optimizers.SGD(1e-5)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0  # the batch's statistics: the first moving ones normalize too little for float16
    if policy == "mixed_float16":
        # where the scale ends that halves at each overflow: plain56's first gradients leave float16's range with 2**7
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=1.0)
    before = values(model.trainable_variables)
    assert np.isfinite(train(model, name, optimizer))
    after = values(model.trainable_variables)
    assert any(np.any(old != new) for old, new in zip(before, after, strict=True))  # no step lost to an overflow
    assert {str(v.dtype) for v in model.weights} == {"float32"}
    assert all(np.isfinite(v).all() for v in values(model.weights))
    normalize_pictures(model, name)  # anew: a map pooled to one place hardly varies, so the step moved it by far
    for y in numbers(model, name):
        assert y.dtype == np.float32
        assert np.isfinite(y).all()
    assert {op.compute_dtype for op in model.layers} > {policy.removeprefix("mixed_")}


@pytest.mark.usefixtures("float64")
@every_row_by_graph
def test_xla_compiles_training(name):
    """The same loss of a step as without XLA, and the same update of all weights, in float64 but for WIDE rows.

    For depth magnifies roundings: where the pixels are rescaled in float32, as they are otherwise, XLA rounds once and
    not twice, and the update of plain56 differs by 5 percent.
    """
    if psutil.virtual_memory().total < XLA_NEEDS.get(name, 0):
        pytest.skip(f"XLA's compiler needs a machine of {XLA_NEEDS[name] / 2**30:g} GiB for {name}")
    precision = "float32" if name.startswith(WIDE) else "float64"
    keras.config.set_dtype_policy(precision)
    settings = without_chance(info(name).defaults)
    model = build(name, **settings)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Rescaling):
            layer.dtype_policy = precision
    weights, losses, updates = model.get_weights(), [], []
    for jit in (False, True):
        model.set_weights(weights)
        before = values(model.trainable_variables)
        eagerly = TENSORFLOW and not jit
        losses.append(train(model, name, keras.optimizers.SGD(1.0), settings, run_eagerly=eagerly, jit_compile=jit))
        after = values(model.trainable_variables)
        updates.append(np.concatenate([(new - old).ravel() for new, old in zip(after, before, strict=True)]))
    assert_allclose(losses[1], losses[0], **tolerances.PARITY)
    apart, size = np.linalg.norm(updates[1] - updates[0]), np.linalg.norm(updates[0])
    assert apart <= tolerances.PARITY["rtol"] * size


@pytest.mark.usefixtures("float64")
@pytest.mark.skipif(not TENSORFLOW, reason="a SavedModel is TensorFlow's")
@every_row_by_graph
def test_saved_model_is_equal(name, tmp_path):
    """In float64, as batches are compared."""
    import tensorflow as tf

    model = build(name)
    normalize_pictures(model, name)
    x = keras.tree.map_structure(tf.constant, inputs(model, name))
    module = tf.Module()
    module.weights = [v.value for v in model.variables]  # the raw variables: a Keras model in it would fail in C++
    specification = keras.tree.map_structure(lambda a: tf.TensorSpec((None, *a.shape[1:]), a.dtype), x)
    module.serve = tf.function(lambda given: model(given, training=False), input_signature=[specification])
    tf.saved_model.save(module, tmp_path / "saved")
    loaded = tf.saved_model.load(tmp_path / "saved")
    answers = (keras.tree.flatten(serve(x)) for serve in (loaded.serve, module.serve))
    for restored, graph, eager in zip(*answers, outputs(model, x), strict=True):
        assert_allclose(restored.numpy(), graph.numpy(), **tolerances.SAME_MATH)
        if TASKS[info(name).task].channels:  # graphs fuse kernels, which may choose other boxes
            assert_reordered(restored.numpy(), eager)


@every_backbone
def test_features_have_their_strides(name):
    model = build(name, num_classes=None)
    features = call(model, pictures(name))
    assert list(features) == sorted(features)
    height, width, _ = small_shape(name)
    unpadded = name.startswith(UNPADDED)  # as many places are missing whatever the size
    larger = build(name, num_classes=None, input_shape=(height + 64, width + 64, 3)).output if unpadded else {}
    for key, feature in features.items():
        stride = 2 ** int(key.removeprefix("C"))
        if unpadded:
            assert [larger[key].shape[i] - feature.shape[i] for i in (1, 2)] == [64 // stride] * 2
        else:
            assert tuple(feature.shape[1:3]) == (-(-height // stride), -(-width // stride))
        assert feature.shape[0] == 3
        assert np.isfinite(ops.convert_to_numpy(feature)).all()
    names, classifier = ([op.name for op in m.operations] for m in (model, build(name)))
    if name.startswith("hrnet"):  # its head joins all features: Keras sorts operations by their way to the outputs
        assert set(names) == {n for n in classifier[:-2] if not n.startswith("head")}
    else:
        assert names == classifier[: len(names)]


@pytest.mark.usefixtures("float64")
@any_size
def test_takes_any_picture_size(name):
    """One model with open sizes gives what a model made for the size gives; in float64, as batches are compared."""
    classes = {"num_classes": None} if name.startswith(PLACES) else {}
    opened = build(name, input_shape=(None, None, 3), **classes)
    normalize_pictures(opened, name)
    more = small_side(name) - 64
    for height, width in ((49 + more, 70 + more), (64 + more, 33 + more)):
        x = np.random.default_rng(1).uniform(0, 255, (2, height, width, 3)).astype("float32")
        made = build(name, input_shape=(height, width, 3), **classes)
        made.set_weights(opened.get_weights())
        for a, b in zip(numbers(opened, name, x), numbers(made, name, x), strict=True):
            assert_reordered(a, b)


@every_row
def test_whole_numbers_are_pixels_too(name):
    model = build(name)
    whole = inputs(model, name, pictures(name).astype("uint8"))
    for a, b in zip(outputs(model, whole), outputs(model, inputs(model, name)), strict=True):
        assert_array_equal(a, b)
