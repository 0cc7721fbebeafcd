"""GoogLeNet, and the parts that the later Inception networks share with it.

Szegedy et al. 2014, arXiv:1409.4842, Table 1 and section 5. The row is the table as printed: biases, 5x5 kernels, 3x3
pooling throughout. `norm="batch", kernel=3, last_pool=2` is the form of torchvision's weights (after TF-Slim's
Inception-v1). A pooling's last window may hang over the edge, as the table's sizes need.
Deviations: the two local response normalizations, which Figure 3 has and Table 1 has not, are left out (Simonyan &
Zisserman 2014, arXiv:1409.1556, section 4.1: no gain); an auxiliary classifier averages to 4x4 places whatever the
picture's size, as torchvision's does, where the paper has 5x5 windows of stride 3, which give 4x4 for 224x224.
"""

import keras
from keras import layers

from cvapps.blocks import Norm, Pixels, conv_norm, endpoint, picture
from cvapps.registry import Paper, register

AUXILIARY_WEIGHT = 0.3  # of an auxiliary classifier's loss in training (section 5)
EPSILON = 1e-3  # of batch normalization, in all published Inception weights


def max_pool(x, name):
    """Maximum of 3x3: shape kept."""
    return layers.MaxPooling2D(3, 1, "same", name=name)(x)


def overhanging_pool(x, size, name):
    """Maximum with stride 2: (N, H, W, C) -> (N, H/2, W/2, C), the last window one pixel over the edge if need be.

    Zeros may stand there because x is never negative.
    """
    x = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{name}_pad")(x)
    return layers.MaxPooling2D(size, 2, name=name)(x)


def convolution(x, filters, kernel, stride=1, padding="even", *, norm, name):
    """Convolution, normalization, ReLU: (N, H, W, C) -> (N, H/s, W/s, filters)."""
    return conv_norm(
        x, filters, kernel, stride, activation="relu", norm=norm, epsilon=EPSILON, padding=padding, name=name
    )


def chain(x, steps, name, norm):
    """Steps one after another: (N, H, W, C) -> (N, H/s, W/s, filters of the last).

    A step is a convolution, (filters, kernel) with stride and padding if need be; a list of such, side by side; or a
    pooling f(x, name).
    """
    for i, step in enumerate(steps, start=1):
        if callable(step):
            x = step(x, f"{name}_pool")
        elif isinstance(step, list):
            sides = [convolution(x, *side, norm=norm, name=f"{name}_{i}{'ab'[n]}") for n, side in enumerate(step)]
            x = layers.Concatenate(name=f"{name}_{i}")(sides)
        else:
            x = convolution(x, *step, norm=norm, name=f"{name}_{i}")
    return x


def mixed(x, branches, name, norm):
    """Branches side by side, each a `chain` of x: (N, H, W, C) -> (N, H/s, W/s, sum of the branches' filters)."""
    branches = [chain(x, steps, f"{name}_branch{b}", norm) for b, steps in enumerate(branches, start=1)]
    return layers.Concatenate(name=name)(branches)


def with_auxiliaries(model, auxiliaries):
    """A classifier with further logits {name: (N, num_classes)}, or as it is: logits, or a dict with "logits" first."""
    return keras.Model(model.input, {"logits": model.output, **auxiliaries}, name=model.name) if auxiliaries else model


def check_auxiliary(auxiliary, num_classes, input_shape):
    """Raises ValueError where auxiliary classifiers can't be had: for features alone, or an open size."""
    if auxiliary and (num_classes is None or None in input_shape):
        raise ValueError(
            f"auxiliary classifiers need num_classes and a known picture size, not {num_classes} and {input_shape}"
        )


def inception(x, widths, kernel, name, norm):
    """Figure 2(b), by the columns of Table 1: (N, H, W, C) -> (N, H, W, sum of the four branches)."""
    single, reduce_3, spatial_3, reduce_5, spatial_5, pooled = widths
    branches = (
        ((single, 1),),
        ((reduce_3, 1), (spatial_3, 3)),
        ((reduce_5, 1), (spatial_5, kernel)),
        (max_pool, (pooled, 1)),
    )
    return mixed(x, branches, name, norm)


def auxiliary_classifier(x, num_classes, name, norm):
    """Section 5: (N, H, W, C) -> float32 logits (N, num_classes)."""
    x = layers.AdaptiveAveragePooling2D(4, data_format="channels_last", name=f"{name}_pool")(x)
    x = convolution(x, 128, 1, norm=norm, name=name)
    x = layers.Flatten(name=f"{name}_flatten")(x)
    x = layers.Dense(1024, activation="relu", name=f"{name}_dense")(x)
    x = layers.Dropout(0.7, name=f"{name}_dropout")(x)
    return layers.Dense(num_classes, dtype="float32", name=f"{name}_logits")(x)


MODULES = {  # Table 1: 1x1; 3x3 reduce, 3x3; 5x5 reduce, 5x5; pool projection
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
AUXILIARIES = {"4a": "auxiliary1", "4d": "auxiliary2"}  # behind which module


def googlenet(
    kernel: int = 5,
    last_pool: int = 3,
    auxiliary: bool = False,
    dropout: float = 0.4,
    norm: Norm = "none",
    pixels: Pixels = "centred",
    num_classes: int | None = 1000,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    name: str = "googlenet",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, num_classes); or features {"C1": stride 2, ..., "C5": stride 32}.

    `kernel` is the side of the third branch's, `last_pool` that of the pooling before module 5a. With `auxiliary` the
    output is {"logits", "auxiliary1", "auxiliary2"}, whose losses train together with weights 1 and AUXILIARY_WEIGHT.
    Raises ValueError for a side under 31, and with `auxiliary` for an open size and without classes.
    """
    check_auxiliary(auxiliary, num_classes, input_shape)
    image, x = picture(input_shape, pixels, smallest=31)
    x = convolution(x, 64, 7, 2, norm=norm, name="stem1")
    features, logits = {"C1": x}, {}
    x = chain(overhanging_pool(x, 3, "pool1"), ((64, 1), (192, 3)), "stem2", norm)
    features["C2"] = x
    for module, widths in MODULES.items():
        if module.endswith("a"):
            before = int(module[0]) - 1
            x = overhanging_pool(x, last_pool if module == "5a" else 3, f"pool{before}")
        x = inception(x, widths, kernel, f"inception{module}", norm)
        features[f"C{module[0]}"] = x
        if auxiliary and module in AUXILIARIES:
            logits[AUXILIARIES[module]] = auxiliary_classifier(x, num_classes, AUXILIARIES[module], norm)
    return with_auxiliaries(endpoint(image, features, num_classes, name, dropout), logits)


SZEGEDY_2014 = Paper(
    "Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich",
    2014,
    "Going Deeper with Convolutions",
    "https://arxiv.org/abs/1409.4842",
)
register("classification", googlenet, {"googlenet": {}}, SZEGEDY_2014, systems=[16])
