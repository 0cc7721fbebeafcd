"""What the recipes learn: each runs in its quick form, and those for small sets reach what their docstrings state."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

import cvapps
from pipelines import recipe as recipes
from pipelines.train import train
from tests.pipelines import shared_sets
from tests.pipelines.data.coco_folders import coco_folder
from tests.pipelines.data.label_folders import label_folder, scene, write_pair

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("home")]

SHORT = dict(epochs="40", schedule__drop_epochs="(20, 30)")
LEARNED = {  # {recipe: (set, changes, least accuracy of the held-out pictures)}
    "lenet5_mnist": ("mnist", {}, 0.98),
    "resnet18_fashion": ("fashion_mnist", {}, 0.82),
    "resnet20_cifar10": ("cifar10", SHORT, 0.72),
}
SETS = {
    "mnist": lambda folder: shared_sets.idx_set(folder / "mnist"),
    "fashion_mnist": lambda folder: shared_sets.idx_set(folder / "fashion_mnist"),
    "cifar10": lambda folder: shared_sets.cifar10(folder / "cifar10"),
}


def changed(name, **changes):
    """The recipe with some fields replaced, given as they are typed after --set."""
    recipe = recipes.load(name)
    for path, text in changes.items():
        recipe = recipes.override(recipe, path.replace("__", "."), text)
    return recipe


@pytest.fixture
def photographs(tmp_path, rng):
    """Two classes of eight JPEG files, one reddish and one bluish."""
    for kind, (name, colour) in enumerate({"red": (255, 80, 60), "blue": (40, 90, 255)}.items()):
        (tmp_path / "photographs" / name).mkdir(parents=True)
        for i in range(8):
            pixels = np.clip(rng.normal(colour, 40, (250 + 10 * kind, 260, 3)), 0, 255).astype("uint8")
            Image.fromarray(pixels).save(tmp_path / "photographs" / name / f"{i}.jpg")
    return f"folder:{tmp_path / 'photographs'}"


@pytest.fixture
def sources(tmp_path, photographs, rng):
    """For each task a few files as its recipes read them."""
    scenes, rooms, outlines = (tmp_path / name for name in ("scenes", "rooms", "outlines"))
    label_folder(scenes, count=5, held_out=2, size=(260, 260))
    for split in ("train", "val"):
        for i in range(4):
            pixels, labels = scene(rng, (240, 320))
            write_pair(rooms / split, str(i), pixels, 1000 + 500 * labels.astype("uint16"))
            write_pair(outlines / split, str(i), pixels, (labels == 1).astype("uint8"))
    coco = coco_folder(tmp_path / "coco")
    return {
        "classification": photographs, "segmentation": f"folder:{scenes}", "depth": f"folder:{rooms}",
        "edges": f"folder:{outlines}", "object_masks": f"coco:{coco}", "detection": f"coco:{coco}",
    }  # fmt: skip


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", recipes.names())
def test_the_quick_form_runs(name, sources):
    recipe = recipes.quick(recipes.load(name))
    source = sources[cvapps.model_info(recipe.model).task]
    size = tuple(min(side, 512) for side in recipe.data.size)  # those of COCO have 1024
    data = dataclasses.replace(recipe.data, source=source, size=size, max_bad=0.0, batch=2)
    loss = "cross_entropy" if recipe.loss.startswith("separation") else recipe.loss  # which is for two classes
    # processors are minutes slower in float16
    precision = "float32" if recipe.precision == "mixed_float16" else recipe.precision
    # first weights are fetched or another run's, so this begins with random ones, whose gradients can be enormous
    optimizer = dataclasses.replace(recipe.optimizer, clip_norm=1.0) if recipe.initial else recipe.optimizer
    changes = dict(data=data, epoch_steps=2, initial="", loss=loss, precision=precision, optimizer=optimizer)
    shorter = dataclasses.replace(recipe, **changes)
    result = train(name, shorter).result
    assert np.isfinite(result["loss"])
    assert np.isfinite(result["val_loss"])


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("name", LEARNED)
def test_it_learns_what_its_docstring_states(name, shared_data, tmp_path):
    source, changes, least = LEARNED[name]
    np.savez(tmp_path / "set.npz", **SETS[source](shared_data))
    result = train(name, changed(name, data__source=f"arrays:{tmp_path / 'set.npz'}", **changes)).result
    assert result["val_accuracy"] >= least
