"""Faster R-CNN's alternating training: a recipe's detector in the paper's four steps instead of by one joint loss.

    python -m pipelines alternate faster_rcnn_digits_on_photographs --set epoch_steps=750
    python -m pipelines alternate RECIPE --begin 3    # where an earlier try stopped in the third step

Ren et al. 2015, arXiv:1506.01497, section 3.2. Each step is a run of its own with the recipe's epochs and schedule,
RECIPE_step1 to 4, of which the last one's model is the detector; an unfinished step goes on from its checkpoint.
As in the authors' code (rbgirshick/py-faster-rcnn, tools/train_faster_rcnn_alt_opt.py) the proposal network's own
layers begin anew in the third step, and the head's go on in the fourth. Proposals are of the picture as it is augmented
in that very step, and as many as in prediction.

Measured by the first command with seed 0, where every part takes as many steps as in the recipe's epoch of joint
training: AP 0.699, AP50 0.927, AP75 0.836 after 18 minutes of one CPU core; the joint training has 0.715, 0.927 and
0.848 after 8.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import keras

from cvapps import create_model
from cvapps.analysis import transplant
from cvapps.detection.proposals import Given, ProposalNetwork
from cvapps.detection.two_stage import proposer
from cvapps.training import JointlyTrained
from pipelines.recipe import Recipe
from pipelines.runs import RunFolder, latest_finished
from pipelines.tasks import detection
from pipelines.train import train

HEADS = ("box_head", "mask_head")
PROPOSALS = ("rpn",)


def learn_proposals(model: keras.Model, recipe: Recipe, data: detection.DetectionData):
    """Step 1: the proposal network with its convolutions."""
    freeze(layer for layer in model.layers if layer.name in HEADS)
    return detection.learning(detection.spec_of(recipe, data).proposal_learner(model), model)


def learn_regions(model: keras.Model, recipe: Recipe, data: detection.DetectionData, first: Path):
    """Step 2: Fast R-CNN with convolutions of its own, on the proposals of the first step's network."""
    boxes = proposer(keras.saving.load_model(first, compile=False))
    boxes.trainable = False
    spec = replace(detection.spec_of(recipe, data), propose=Given(boxes.output.shape[1]))
    fast = create_model(recipe.model, **{key: value for key, value in vars(spec).items() if key != "name"})
    transplant(fast, model)  # the recipe's first weights
    given = {"image": model.input, "proposals": boxes(model.input)}
    learner = spec.learner(fast)
    terms = [metric.name for metric in learner.joint_terms]
    learner = JointlyTrained(keras.Model(model.input, learner(given), name=model.name), learner.joint_loss, terms=terms)
    return detection.learning(learner, keras.Model(model.input, fast(given), name=model.name))


def learn_proposals_again(model: keras.Model, recipe: Recipe, data: detection.DetectionData, second: Path):
    """Step 3: the proposal network's own layers, on the convolutions of the second step, which are shared from here."""
    transplant(model, keras.saving.load_model(second, compile=False).get_layer(recipe.model))
    freeze(layer for layer in model.layers if layer.name not in PROPOSALS)
    return learn_proposals(model, recipe, data)


def learn_heads(model: keras.Model, recipe: Recipe, data: detection.DetectionData, third: Path):
    """Step 4: what judges the proposals of the third step; the losses of what proposes are shown and move nothing."""
    transplant(model, keras.saving.load_model(third, compile=False))
    freeze(layer for layer in model.layers if layer.name not in HEADS)
    return detection.objective(model, recipe, data)


def freeze(layers: Iterable[keras.Layer]) -> None:
    """Makes the layers untrainable, as parts of a detector whose turn it isn't."""
    for layer in layers:
        layer.trainable = False


STEPS: tuple[Callable, ...] = (learn_proposals, learn_regions, learn_proposals_again, learn_heads)


def alternate(name: str, recipe: Recipe, begin: int = 1) -> RunFolder:
    """The four steps from number `begin` on; returns the last one's folder.

    Raises ValueError for a model without a proposal network, FileNotFoundError where the step before `begin` has no
    finished run.
    """
    if not isinstance(detection.places(recipe).get("propose"), ProposalNetwork):
        raise ValueError(f"{recipe.model} has no proposal network to take turns with, as a Faster R-CNN has")
    if recipe.strategy == "multiworker":
        raise ValueError("each step begins with the run before it, which the first of several workers alone has")
    folders = [latest_finished(f"{name}_step{begin - 1}")] if begin > 1 else []
    for number, step in enumerate(STEPS[begin - 1 :], start=begin):
        before = [folder.model for folder in folders[-1:]]
        task = replace(detection.TASK, objective=lambda *run, step=step, before=before: step(*run, *before))
        train(f"{name}_step{number}", recipe, task)
        folders.append(latest_finished(f"{name}_step{number}"))
    return folders[-1]
