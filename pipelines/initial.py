"""First weights of a run that doesn't begin with random ones: those of layers of the same name in another network."""

import logging
from pathlib import Path

import keras

import cvapps
from cvapps.analysis import transplant
from cvapps.analysis.graph import leaves
from pipelines.recipe import Recipe
from pipelines.runs import latest_finished

LOG = logging.getLogger(__name__)
TRUNKS = {"hed": "vgg16"}  # rows without a `backbone` whose layers are named as another row's


def begin_with(model: keras.Model, recipe: Recipe) -> None:
    """Gives `model` the recipe's first weights: "imagenet", those of a run, or a .keras file.

    "run:RECIPE" means the last weights of that recipe's newest finished run, "best:RECIPE" those of its best epoch,
    "imagenet" what is published for the row itself, its `backbone` or its trunk. Raises ValueError where nobody
    publishes such weights and where no layer takes any, FileNotFoundError for a run or a file that isn't there.
    """
    if recipe.initial:
        take_weights(model, _source(recipe), recipe.initial)


def _source(recipe: Recipe) -> keras.Model:
    kind, _, name = recipe.initial.partition(":")
    if recipe.initial == "imagenet":
        defaults = {**cvapps.model_info(recipe.model).defaults, **recipe.settings}
        return cvapps.create_model(defaults.get("backbone", TRUNKS.get(recipe.model, recipe.model)), weights="imagenet")
    if kind in ("run", "best"):
        folder = latest_finished(name)
        path = folder.best if kind == "best" else folder.model
    else:
        path = Path(recipe.initial)
    if path.suffix != ".keras":
        expected = "'imagenet', 'run:RECIPE', 'best:RECIPE' or a .keras file"
        raise ValueError(f"initial must be {expected}, not {recipe.initial!r}")
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}")
    return keras.saving.load_model(path, compile=False)


def take_weights(model: keras.Model, source: keras.Model, title: str) -> list[str]:
    """The names of the layers of `model` that take the weights of `source`'s layer of that name.

    A dense layer's weights fit the convolution that looks at the same values (Long et al. 2015, arXiv:1411.4038,
    section 3.1). Layers that fit nowhere keep what they have, and are logged. Raises ValueError where none fits.
    """
    theirs = [layer.name for layer in leaves(source) if layer.weights]
    taken = transplant(model, source)
    new = [layer.name for layer in leaves(model) if layer.weights and layer.name not in taken]
    other = [name for name in new if name in theirs]
    if not taken:
        raise ValueError(f"no layer of {model.name} takes weights from {title}: it has {sorted(theirs)[:5]}...")
    LOG.warning("%s: %d layers of %s begin with its weights, %d anew", title, len(taken), model.name, len(new))
    if other:
        LOG.warning("of another shape there, so begun anew: %s", ", ".join(other))
    return taken
