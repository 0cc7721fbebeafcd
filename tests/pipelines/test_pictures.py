"""Pictures show what they are given, whole and legible."""

import functools
import itertools
import sys

import keras
import numpy as np
import pytest
from keras import layers
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import cvapps
from cvapps.analysis import profile
from pipelines import pictures
from pipelines.blueprint import blueprint, numbered_place
from tests.tolerances import EXACT, SAME_MATH

DIGITS = tuple("0123456789")
build = functools.cache(cvapps.create_model)


def words(figure: Figure) -> list:
    """(text, its rectangle in pixels) for everything that is written on a figure."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    found = list(figure.texts) + ([figure._suptitle] if figure._suptitle else [])
    for axes in figure.axes:
        found += [*axes.texts, axes.title, axes.xaxis.label, axes.yaxis.label]
        if axes.axison:
            for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
                low, high = min(low, high), max(low, high)
                ticks = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=False)
                found += [label for place, label in ticks if low <= place <= high]
        found += axes.get_legend().get_texts() if axes.get_legend() else []
    found = list(dict.fromkeys(text for text in found if text.get_visible() and text.get_text()))
    return [(text.get_text(), text.get_window_extent()) for text in found]


def check_legible(figure: Figure) -> list[str]:
    """No word is cut by the figure's edge or lies on another; returns the words."""
    width, height = figure.canvas.get_width_height()
    found = words(figure)
    for text, box in found:
        inside = min(box.x0, box.y0) >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1
        assert inside, f"{text!r} is cut: {box} in {width} x {height}"
    for (one, a), (other, b) in itertools.combinations(found, 2):
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        along = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert min(across, along) <= 2, f"{one!r} lies on {other!r}"
    return [text for text, _ in found]


@pytest.fixture(autouse=True)
def _no_figure_stays_open():
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        assert pyplot.get_fignums() == []


def history(epochs):
    e = np.arange(epochs)
    return {
        "loss": list(2 * np.exp(-e / 6)),
        "accuracy": list(1 - 0.9 * np.exp(-e / 5)),
        "val_loss": list(2 * np.exp(-e / 6) + 0.02 * (e - 20) ** 2 / 100),
        "val_accuracy": list(0.9 - 0.8 * np.exp(-e / 5)),
        "learning_rate": list(0.1 * 0.9**e),
    }


# Curves.


@pytest.mark.parametrize("epochs", [1, 2, 30, 300])
def test_curves_show_the_history(epochs):
    given = history(epochs)
    figure = pictures.training_curves(given, "a run")
    check_legible(figure)
    loss, accuracy, rate = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["loss", "accuracy", "learning rate"]
    for axes, names in ((loss, ("loss", "val_loss")), (accuracy, ("accuracy", "val_accuracy"))):
        for line, name in zip(axes.lines, names, strict=False):
            np.testing.assert_allclose(line.get_xdata(), np.arange(1, epochs + 1), **EXACT)
            np.testing.assert_allclose(line.get_ydata(), given[name], **EXACT)
    np.testing.assert_allclose(rate.lines[0].get_ydata(), given["learning_rate"], **EXACT)
    best = [text.get_text() for text in loss.get_legend().get_texts()][-1]
    assert best == f"best {min(given['val_loss']):.4g}, epoch {np.argmin(given['val_loss']) + 1}"
    best = [text.get_text() for text in accuracy.get_legend().get_texts()][-1]
    assert best == f"best {max(given['val_accuracy']):.4g}, epoch {np.argmax(given['val_accuracy']) + 1}"


def test_curves_take_nan_and_what_is_missing():
    given = {
        "loss": [1.0, float("nan"), float("inf")],
        "val_loss": [float("nan")] * 3,
        "top5_accuracy": [0.1, 0.2, 0.3],
    }
    check_legible(pictures.training_curves(given))
    with pytest.raises(ValueError, match="no epoch"):
        pictures.training_curves({})
    with pytest.raises(ValueError, match="no epoch"):
        pictures.training_curves({"loss": []})


# Right and wrong.


def answers(classes, count, seed=0):
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, classes, count)
    return labels, np.where(draw.random(count) < 0.8, labels, draw.integers(0, classes, count))


@pytest.mark.parametrize("classes", [2, 3, 10, 20, 21, 50, 51, 100])
def test_confusion_matrix_counts(classes):
    labels, predicted = answers(classes, 1500)
    names = [f"a class named {i}" for i in range(classes)]
    figure = pictures.confusion_matrix(labels, predicted, names)
    written = check_legible(figure)
    counts = np.zeros((classes, classes))
    for truth, seen in zip(labels, predicted, strict=True):
        counts[truth, seen] += 1
    axes = figure.axes[0]
    drawn = np.asarray(axes.images[0].get_array())
    np.testing.assert_allclose(drawn, counts / counts.sum(axis=1, keepdims=True), **SAME_MATH)
    right = int((labels == predicted).sum())
    assert axes.get_title() == f"{right:,} of 1,500: {right / 1500:.2%} right"
    assert set(names) <= set(written)
    if classes <= 20:
        inside = {(round(t.get_position()[1]), round(t.get_position()[0])): int(t.get_text()) for t in axes.texts}
        assert inside == {(i, j): int(counts[i, j]) for i, j in np.argwhere(counts)}
    else:
        wrong = counts - np.diag(np.diag(counts))
        assert f"{int(wrong.max()):>4}  " in written[0]


def test_confusion_matrix_of_nothing_and_of_an_absent_class():
    check_legible(pictures.confusion_matrix(np.array([], int), np.array([], int), ["a", "b"]))
    figure = pictures.confusion_matrix(np.array([0, 0]), np.array([0, 1]), ["a", "b", "never seen"])
    np.testing.assert_allclose(np.asarray(figure.axes[0].images[0].get_array())[2], 0, **EXACT)
    with pytest.raises(ValueError, match=r"label must lie in 0\.\.1, not 0\.\.2"):
        pictures.confusion_matrix(np.array([0, 2]), np.array([0, 1]), ["a", "b"])
    with pytest.raises(ValueError, match="prediction must lie in"):
        pictures.confusion_matrix(np.array([0, 1]), np.array([-1, 1]), ["a", "b"])


def shown(figure):
    return [axes for axes in figure.axes if axes.images]


def test_worst_mistakes_are_the_worst_in_order():
    draw = np.random.default_rng(3)
    images = np.stack([np.full((8, 8, 3), i, "float32") for i in range(40)])
    labels = draw.integers(0, 10, 40)
    probabilities = draw.dirichlet(np.ones(10), 40)
    cross_entropy = [
        (-np.log(probabilities[i, labels[i]]), i) for i in range(40) if probabilities[i].argmax() != labels[i]
    ]
    expected = [i for _, i in sorted(cross_entropy, reverse=True)][:16]
    figure = pictures.worst_mistakes(images, labels, probabilities, DIGITS)
    check_legible(figure)
    assert [int(axes.images[0].get_array()[0, 0, 0]) for axes in shown(figure)] == expected
    for axes, i in zip(shown(figure), expected, strict=True):
        seen = probabilities[i].argmax()
        assert axes.get_title() == f"seen: {seen} ({probabilities[i, seen]:.3f})"
        assert axes.texts[0].get_text() == f"true: {labels[i]} ({probabilities[i, labels[i]]:.3f})"


@pytest.mark.parametrize("wrong", [0, 1, 2, 3, 5, 16, 32])
def test_worst_mistakes_of_any_number_fit(wrong):
    probabilities = np.tile([0.9, 0.1], (40, 1))
    labels = np.array([1] * wrong + [0] * (40 - wrong))
    names = ("the Norwegian elkhound of the north", "$x$ and a long name behind it")
    figure = pictures.worst_mistakes(np.zeros((40, 6, 9, 1)), labels, probabilities, names, count=32)
    written = check_legible(figure)
    assert len(shown(figure)) == wrong
    assert wrong or written == ["no mistakes"]


def test_worst_mistakes_of_no_picture():
    empty = pictures.worst_mistakes(np.zeros((0, 8, 8, 3)), np.zeros(0, int), np.zeros((0, 10)), DIGITS)
    assert check_legible(empty) == ["no mistakes"]


@pytest.mark.parametrize("count", [1, 3, 9, 33])
def test_batch_sheet_shows_pixels_and_labels(count):
    draw = np.random.default_rng(0)
    images = draw.uniform(-20, 280, (count, 16, 16, 3)).astype("float32")
    labels = draw.integers(0, 10, count)
    for given in (labels, np.eye(10)[labels], 0.9 * np.eye(10)[labels] + 0.01):
        figure = pictures.batch_sheet(images, given, DIGITS)
        check_legible(figure)
        assert [axes.get_title() for axes in shown(figure)] == [str(label) for label in labels[:32]]
    expected = np.clip(np.rint(images[0]), 0, 255)
    np.testing.assert_allclose(np.asarray(shown(figure)[0].images[0].get_array()), expected, **EXACT)


def test_batch_sheet_says_what_is_mixed():
    mixed = np.zeros((2, 10))
    mixed[0, 3], mixed[0, 7] = 0.7, 0.3
    mixed[1, 5] = 1
    figure = pictures.batch_sheet(np.zeros((2, 8, 8, 3)), mixed, DIGITS)
    check_legible(figure)
    assert [axes.get_title() for axes in shown(figure)] == ["0.70 3\n0.30 7", "5"]
    with pytest.raises(ValueError, match="empty"):
        pictures.batch_sheet(np.zeros((0, 8, 8, 3)), mixed[:0], DIGITS)


# The network.


@pytest.mark.parametrize("name", ["lenet5", "resnet20_cifar", "resnet50"])
def test_profile_bars_add_up_to_the_profile(name):
    table = profile(build(name))
    figures = [pictures.profile_table(rows, name) for rows in (table.rows, map(vars, table.rows), table.to_pandas())]
    check_legible(figures[0])
    for figure in figures:
        memory, parameters, operations = (sum(bar.get_width() for bar in axes.patches) for axes in figure.axes)
        np.testing.assert_allclose(memory, table.memory_kb, **SAME_MATH)
        np.testing.assert_allclose(parameters * 1e3, table.parameters, **SAME_MATH)
        np.testing.assert_allclose(operations * 1e6, table.multiply_adds, **SAME_MATH)


def test_profile_says_what_was_not_counted():
    row = {"name": "own", "memory_kb": 1.0, "parameters": 5, "multiply_adds": None}
    assert " ?" in words_of_axes(pictures.profile_table([row]), 2)
    with pytest.raises(ValueError, match="no row"):
        pictures.profile_table([])


def words_of_axes(figure, index):
    return [text.get_text() for text in figure.axes[index].texts]


SLOW = pytest.mark.slow
LONG = [pytest.param("resnet152", marks=SLOW), pytest.param("se_resnet50", marks=SLOW)]


@pytest.mark.parametrize("name", ["lenet5", "mlp", "resnet20_cifar", "plain20", "resnet50", *LONG])
def test_diagram_is_legible_and_complete(name):
    model = build(name)
    written = check_legible(pictures.architecture_diagram(model))
    plan = blueprint(model)
    assert sum(box.parameters for box in plan.boxes) == model.count_params()
    assert f"{model.count_params():,} parameters" in written
    assert plan.boxes[-1].title == "logits"
    assert all(any(text.startswith(box.title) for text in written) for box in plan.boxes)


@pytest.mark.parametrize(
    ("name", "depths"), [("resnet50", [3, 4, 6, 3]), pytest.param("resnet152", [3, 8, 36, 3], marks=SLOW)]
)
def test_blueprint_is_the_papers_table(name, depths):
    """He et al. 2015, Table 1: blocks by stage, outputs 56, 28, 14, 7; one projection a stage."""
    stages = {}
    for box in blueprint(build(name)).boxes:
        if box.title.startswith("stage"):
            stages.setdefault(box.title.split("_")[0], []).append(box)
    assert [sum(box.count for box in stage) for stage in stages.values()] == depths
    outputs = ["56 × 56 × 256", "28 × 28 × 512", "14 × 14 × 1024", "7 × 7 × 2048"]
    assert [stage[0].shape for stage in stages.values()] == outputs
    assert [[box.shortcut for box in stage] for stage in stages.values()] == [
        ["1×1 conv, 256", "identity"],
        ["1×1 conv, 512, /2", "identity"],
        ["1×1 conv, 1024, /2", "identity"],
        ["1×1 conv, 2048, /2", "identity"],
    ]
    convolutions = ["1×1 conv, 256 · BN · relu", "3×3 conv, 256 · BN · relu", "1×1 conv, 1024 · BN"]
    assert list(stages["stage4"][1].lines) == [*convolutions, "add · relu"]
    assert stages["stage4"][1].title == f"stage4_block2-{depths[2]}"


def test_blueprint_of_plain_nets_has_no_way_around():
    assert {box.shortcut for box in blueprint(build("plain20")).boxes} == {None}
    shortcuts = [box.shortcut for box in blueprint(build("resnet20_cifar")).boxes if box.shortcut]
    assert shortcuts == ["identity", "zero padding", "identity", "zero padding", "identity"]


def test_diagram_of_long_skips():
    x = image = keras.Input((64, 64, 3), name="image")
    features = []
    for i in range(4):
        x = layers.Conv2D(8, 3, padding="same", activation="relu", name=f"down{i}_conv")(x)
        features.append(x)
        x = layers.MaxPooling2D(name=f"down{i}_pool")(x)
    for i in reversed(range(4)):
        x = layers.Conv2DTranspose(8, 2, 2, name=f"up{i}_conv")(x)
        x = layers.Concatenate(name=f"up{i}_join")([x, features[i]])
        x = layers.Conv2D(8, 3, padding="same", name=f"up{i}_mix_conv")(x)
    model = keras.Model(image, x, name="unet")
    plan = blueprint(model)
    titles = [box.title for box in plan.boxes]
    assert titles == ["image", "down0", "down1", "down2", "down3", "up3", "up2", "up1", "up0"]
    assert {(titles[a], titles[b]) for a, b in plan.skips} == {("down0", "up0"), ("down1", "up1"), ("down2", "up2")}
    check_legible(pictures.architecture_diagram(model))


def test_diagram_of_a_model_without_names_of_ours():
    parts = [keras.Input((32, 32, 3))]
    for _ in range(50):
        parts += [layers.Conv2D(8, 3, padding="same"), layers.BatchNormalization(), layers.ReLU()]
    model = keras.Sequential([*parts, layers.Flatten(), layers.Dense(10, activation="softmax")])
    boxes = blueprint(model).boxes
    assert sum(box.count for box in boxes) == 1 + 50 + 2
    assert boxes[1].lines == ("3×3 conv, 8 · BN · relu",)
    assert boxes[-1].lines == ("dense, 10 · softmax",)
    check_legible(pictures.architecture_diagram(model))


def test_diagram_of_a_very_long_model_has_its_stages():
    x = image = keras.Input((8, 8, 3), name="image")
    for i in range(60):
        x = layers.Conv2D(4 + i, 1, name=f"stage{i // 20}_part{i}_conv")(x)
    boxes = blueprint(keras.Model(image, x)).boxes
    assert [box.title for box in boxes] == ["image", "stage0", "stage1", "stage2"]
    assert boxes[1].lines[-1] == "... 20 convolutions and dense layers in all"


def test_diagram_needs_a_graph():
    class Own(keras.Model):
        pass

    with pytest.raises(TypeError, match="functional"):
        pictures.architecture_diagram(Own())


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("stage2_block1_a_conv", "stage2_block1"),
        ("c1", "c1"),
        ("s2_mean", "s2"),
        ("stem_bn", None),
        ("conv2d_3", None),
        ("logits", None),
    ],
)
def test_place_of_a_name(name, place):
    assert numbered_place(name) == place
