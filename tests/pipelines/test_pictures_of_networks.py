"""Diagrams show the whole network, legibly."""

import keras
import pytest
from keras import layers

import cvapps
from pipelines.blueprint import blueprint
from pipelines.pictures_of_networks import architecture_diagram
from tests.pipelines.legible import check_legible

pytestmark = pytest.mark.usefixtures("no_figure_stays_open")
SLOW = pytest.mark.slow
LONG = [pytest.param("resnet152", marks=SLOW), pytest.param("se_resnet50", marks=SLOW)]


@pytest.mark.parametrize("name", ["lenet5", "mlp", "resnet20_cifar", "plain20", "resnet50", *LONG])
def test_diagram_is_legible_and_complete(name):
    model = cvapps.create_model(name)
    written = check_legible(architecture_diagram(model))
    plan = blueprint(model)
    assert sum(box.parameters for box in plan.boxes) == model.count_params()
    assert f"{model.count_params():,} parameters" in written
    assert plan.boxes[-1].title == "logits"
    assert all(any(text.startswith(box.title) for text in written) for box in plan.boxes)


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
    check_legible(architecture_diagram(model))


def test_diagram_of_a_model_without_names_of_ours():
    parts = [keras.Input((32, 32, 3))]
    for _ in range(50):
        parts += [layers.Conv2D(8, 3, padding="same"), layers.BatchNormalization(), layers.ReLU()]
    model = keras.Sequential([*parts, layers.Flatten(), layers.Dense(10, activation="softmax")])
    boxes = blueprint(model).boxes
    assert sum(box.count for box in boxes) == 1 + 50 + 2
    assert boxes[1].lines == ("3×3 conv, 8 · BN · relu",)
    assert boxes[-1].lines == ("dense, 10 · softmax",)
    check_legible(architecture_diagram(model))


def test_diagram_needs_a_graph():
    class Own(keras.Model):
        pass

    with pytest.raises(TypeError, match="functional"):
        architecture_diagram(Own())
