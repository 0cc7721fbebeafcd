"""A small exported classifier and pictures with known answers, no two of which could be taken for each other."""

import shutil
from pathlib import Path

import keras
import numpy as np

from pipelines.endpoints import classification
from pipelines.saved_model import write_saved_model
from tests.pipelines import hostile
from tests.pipelines.data.samples import encoded
from tests.stress.serving_load import NEAR, Asked

NAME, SIZE, CLASSES = "colours", (32, 32), 10
HOSTILE_PART = 0.1


def write(base: Path) -> keras.Model:
    """Version 1 below `base`; its answers depend on every picture's colour, and are far apart."""
    keras.utils.set_random_seed(0)
    image = keras.Input((*SIZE, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1)(image)
    for width in (16, 32, 64):
        x = keras.layers.Conv2D(width, 3, 2, "same", activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(CLASSES, kernel_initializer=keras.initializers.RandomNormal(stddev=4.0))(x)
    model = keras.Model(image, x, name=NAME)
    names = tuple(f"class {i}" for i in range(CLASSES))
    write_saved_model(model, base / NAME / "1", classification(names, SIZE, 1.0), name=NAME, metadata={})
    return model


def add_version(base: Path, number: int) -> None:
    """The same again as a newer version, by a rename."""
    draft = base / NAME / f".{number}.writing"
    shutil.copytree(base / NAME / "1", draft)
    draft.rename(base / NAME / str(number))


def pictures(model: keras.Model, count: int) -> list[Asked]:
    """Pictures of one colour each, and among them those of strangers, in an order of chance."""
    chance = np.random.default_rng(0)
    colours = chance.permutation(np.stack(np.meshgrid(*3 * [np.arange(0, 256, 17)]), -1).reshape(-1, 3))
    pixels = np.broadcast_to(colours[:, None, None], (len(colours), *SIZE, 3)).astype(np.uint8)
    answers = keras.ops.convert_to_numpy(keras.ops.softmax(model.predict(pixels, batch_size=256, verbose=0)))
    kept: list[int] = []
    for i in range(len(colours)):
        if not kept or np.abs(answers[kept] - answers[i]).max(-1).min() > 10 * NEAR:
            kept.append(i)
        if len(kept) == count:
            break
    assert len(kept) == count, f"only {len(kept)} pictures have answers that are far apart"
    good = [Asked(encoded(pixels[i]), answers[i]) for i in kept]
    strangers = [content for content, _ in hostile.REFUSED.values()]
    strangers += [hostile.random_bytes(500, seed, magic) for seed in range(40) for magic in MAGICS]
    bad = [Asked(strangers[i % len(strangers)], None) for i in range(int(count * HOSTILE_PART))]
    return [[*good, *bad][i] for i in chance.permutation(len(good) + len(bad))]


MAGICS = (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"BM")
