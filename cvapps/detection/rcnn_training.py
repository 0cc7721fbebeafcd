"""What R-CNN learns, step by step: warped regions, features on disk, a support vector machine and a regressor by class.

Girshick et al. 2013, arXiv:1311.2524, sections 2.1 to 2.3 and appendices A to C; the constants that the paper leaves
open are those of the authors' code, rbgirshick/rcnn (`Settings`).
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import ops

from cvapps.metrics.proposals import box_iou
from cvapps.ops import coding
from cvapps.ops.regions import roi_align

CHUNK = 32  # regions that are warped and looked at together


@dataclass(frozen=True)
class Example:
    """A picture to learn from: RGB (H, W, 3) in [0, 255], true boxes (G, 4), classes (G,) from 0, proposals (P, 4).

    Rows of class -1 are none.
    """

    image: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray
    proposals: np.ndarray


@dataclass(frozen=True)
class Settings:
    """The paper's numbers: `svm_layer` and `box_layer` are AlexNet's names of the layers that are read."""

    svm_layer: str = "fc7_relu"
    box_layer: str = "pool5"
    context: int = 16  # pixels of the warped region that show what is around the box
    fill: tuple[float, float, float] = (123.675, 116.28, 103.53)  # beyond the picture: the mean pixel
    foreground: float = 0.5  # overlap of a region that has the object's class in fine-tuning
    positives: int = 32
    negatives: int = 96
    unlike: float = 0.3  # overlap below which a region is a negative of the class's machine
    norm: float = 20.0  # that the features have on average
    cost: float = 1e-3  # of a margin's violation
    positive_cost: float = 2.0  # times as much for an object
    bias: float = 10.0  # the feature that stands for the intercept
    hard: float = -1.0001  # scores of negatives that are added
    easy: float = -1.2  # scores of negatives that are dropped
    retrain: int = 2000  # negatives that are added before the next training
    regressed: float = 0.6  # overlap above which a region teaches the regressor
    ridge: float = 1000.0
    overlap: float = 0.3  # that suppresses
    per_class: int = 100  # candidates of a class before suppression
    count: int = 100  # boxes in an answer


def finite_boxes(boxes, what: str) -> np.ndarray:
    """Boxes as float32 (P, 4). Raises ValueError for another shape, for NaN, and for a box without area."""
    boxes = np.asarray(boxes, "float32")
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"expected {what} (P, 4), not {boxes.shape}")
    wrong = ~((boxes[:, 2:] > boxes[:, :2]).all(1) & np.isfinite(boxes).all(1))
    if wrong.any():
        number = int(np.argmax(wrong))
        raise ValueError(f"expected {what} x1 y1 x2 y2 with an area; number {number} is {boxes[number].tolist()}")
    return boxes


def warp(image, boxes, side: int, context: int, fill) -> np.ndarray:
    """Each region stretched to a square with `context` of its pixels around the box: (P, 4) -> float32 (P, s, s, 3).

    What lies beyond the picture has the colour `fill`. Bilinear without smoothing, appendix A. Raises ValueError for
    a picture that isn't RGB, and for a context that leaves no pixel to the box.
    """
    image = np.asarray(image, "float32")
    if image.ndim != 3 or image.shape[-1] != 3 or 0 in image.shape:
        raise ValueError(f"expected a picture of (height, width, 3), not {image.shape}")
    if not 0 <= 2 * context < side:
        raise ValueError(f"expected a context under half of {side} pixels, not {context}")
    boxes = np.asarray(boxes, "float32")
    grown = boxes + (boxes[:, 2:] - boxes[:, :2])[:, [0, 1, 0, 1]] * np.array([-1, -1, 1, 1], "float32") * (
        context / (side - 2 * context)
    )
    fill = np.asarray(fill, "float32")
    found = roi_align((image - fill)[None], grown[None], 1, side, sampling=1, aligned=True)
    return ops.convert_to_numpy(found)[0] + fill


@dataclass(frozen=True)
class Labelled:
    """The regions of a picture, its true boxes first: how much each overlaps which.

    boxes (P, 4); truth: the first so many are true boxes; overlaps (P, K) the largest by class; matched (P,) the number
    of the true box that a region overlaps most, -1 without any; classes (truth,).
    """

    boxes: np.ndarray
    truth: int
    overlaps: np.ndarray
    matched: np.ndarray
    classes: np.ndarray

    @property
    def largest(self) -> np.ndarray:
        """Each region's largest overlap: (P,)."""
        return self.overlaps.max(1)

    @property
    def kinds(self) -> np.ndarray:
        """The class of each region's matched box, -1 without any: (P,)."""
        return np.where(self.matched >= 0, np.append(self.classes, -1)[self.matched], -1)


def labelled(example: Example, classes: int, number: int) -> Labelled:
    """The regions of the picture of that number. Raises ValueError, naming it, for truth that makes no sense."""
    kinds = np.asarray(example.classes)
    boxes = np.asarray(example.boxes, "float32").reshape(-1, 4)
    if kinds.shape != boxes.shape[:1] or (kinds.size and not (kinds.min() >= -1 and kinds.max() < classes)):
        raise ValueError(
            f"picture {number}: expected a class from 0 to {classes - 1}, or -1, for each of {len(boxes)} boxes, "
            f"not {kinds.tolist()}"
        )
    boxes, kinds = finite_boxes(boxes[kinds >= 0], f"picture {number}'s true boxes"), kinds[kinds >= 0].astype(int)
    proposals = finite_boxes(example.proposals, f"picture {number}'s proposals")
    if not len(proposals):
        raise ValueError(f"picture {number} has no proposals")
    regions = np.concatenate([boxes, proposals])
    iou = box_iou(regions, boxes)
    overlaps = np.zeros((len(regions), classes))
    for column, kind in zip(iou.T, kinds, strict=True):
        overlaps[:, kind] = np.maximum(overlaps[:, kind], column)
    matched = iou.argmax(1) if len(boxes) else np.full(len(regions), -1)
    return Labelled(regions, len(boxes), overlaps, np.where(iou.max(1, initial=0) > 0, matched, -1), kinds)


def all_labelled(examples: Sequence[Example], classes: int) -> list[Labelled]:
    """The regions of every picture. Raises ValueError, naming them, for classes without a true box."""
    found = [labelled(examples[i], classes, i) for i in range(len(examples))]
    counts = sum((np.bincount(x.classes, minlength=classes) for x in found), np.zeros(classes, int))
    if not found or not counts.all():
        missing = np.flatnonzero(counts == 0).tolist()
        raise ValueError(f"expected a true box of each class in {len(found)} pictures; classes {missing} have none")
    return found


class WarpedRegions(keras.utils.PyDataset):
    """Batches of fine-tuning: so many regions with an object, of any class, and so many of background.

    Drawn from all pictures, each mirrored or not: float32 (B, s, s, 3) and int32 (B,), 0 the background. Section 2.3;
    the batch is in random order. Raises ValueError where no region is background.
    """

    def __init__(self, examples, regions: Sequence[Labelled], side: int, settings: Settings, batches: int, seed=0):
        super().__init__()
        self.examples, self.regions, self.side, self.settings = examples, regions, side, settings
        self.batches, self.seed, self.epoch = batches, seed, 0
        objects = [x.largest >= settings.foreground for x in regions]
        self.foreground, self.background = (
            np.array([(i, j) for i, some in enumerate(kind) for j in np.flatnonzero(some)], int).reshape(-1, 2)
            for kind in (objects, [~x for x in objects])
        )
        if not len(self.background):
            raise ValueError(f"expected regions that overlap objects less than {settings.foreground}; there are none")

    def __len__(self):
        return self.batches

    def on_epoch_end(self):
        """The next epoch draws others."""
        self.epoch += 1

    def __getitem__(self, number):
        random = np.random.default_rng((self.seed, self.epoch, number))
        drawn = [
            pool[random.integers(len(pool), size=count)]
            for pool, count in ((self.foreground, self.settings.positives), (self.background, self.settings.negatives))
        ]
        rows = random.permutation(np.concatenate(drawn))
        pictures = np.empty((len(rows), self.side, self.side, 3), "float32")
        for i in np.unique(rows[:, 0]):  # each picture is read once
            here = rows[:, 0] == i
            boxes = self.regions[i].boxes[rows[here, 1]]
            pictures[here] = warp(self.examples[i].image, boxes, self.side, self.settings.context, self.settings.fill)
        mirrored = random.random(len(rows)) < 0.5
        pictures[mirrored] = pictures[mirrored, :, ::-1]
        kinds = [
            self.regions[i].kinds[j] if self.regions[i].largest[j] >= self.settings.foreground else -1 for i, j in rows
        ]
        return pictures, np.array(kinds, "int32") + 1


class FeatureCache:
    """Features of all regions of all pictures, (P, D) for each name, in files that are read where they are needed.

    What is there when it is made anew is kept: after an interruption it goes on with the first picture that isn't
    whole. Raises ValueError where the folder holds those of another network or of other regions.
    """

    def __init__(self, folder: str | Path, regions: Sequence[Labelled], widths: dict[str, int], identity: str):
        self.folder, self.starts = Path(folder), np.cumsum([0, *(len(x.boxes) for x in regions)])
        digest = hashlib.sha256(identity.encode())
        for x in regions:
            digest.update(x.boxes.tobytes())
        self.identity = digest.hexdigest()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state = self.folder / "state.json"
        known = json.loads(self.state.read_text()) if self.state.exists() else None
        if known and known["identity"] != self.identity:
            raise ValueError(f"{folder} has the features of another network or of other regions: remove it first")
        self.done = known["done"] if known else 0
        self.arrays = {
            name: np.lib.format.open_memmap(
                self.folder / f"{name}.npy",
                **(dict(mode="r+") if known else dict(mode="w+", dtype="float32", shape=(int(self.starts[-1]), width))),
            )
            for name, width in widths.items()
        }
        self._note()

    def _note(self):
        """Writes how many pictures are whole, by a name that is there or not."""
        for array in self.arrays.values():
            array.flush()
        new = self.state.with_suffix(".new")
        new.write_text(json.dumps({"identity": self.identity, "done": self.done}))
        os.replace(new, self.state)

    def fill(self, features: Callable[[int], dict[str, np.ndarray]], progress: Callable[[Iterable], Iterable] = iter):
        """Computes what is missing: `features` maps a picture's number to {name: (P, D)}."""
        for number in progress(range(self.done, len(self.starts) - 1)):
            for name, values in features(number).items():
                self.arrays[name][self.starts[number] : self.starts[number + 1]] = values
            self.done = number + 1
            self._note()

    def of(self, name: str, number: int) -> np.ndarray:
        """The features of a picture's regions: (P, D)."""
        return np.asarray(self.arrays[name][self.starts[number] : self.starts[number + 1]])

    def scale(self, name: str, norm: float) -> float:
        """What multiplies the features so that their mean length is `norm`."""
        array = self.arrays[name]
        total = sum(
            np.linalg.norm(array[i : i + 4096], axis=1).sum(dtype="float64") for i in range(0, len(array), 4096)
        )
        return norm * len(array) / total if total else 1.0


class Machine:
    """The linear support vector machine of a class, and the negatives that are hard for it."""

    def __init__(self, positives: np.ndarray, settings: Settings):
        self.positives, self.settings = positives, settings
        self.negatives = np.zeros((0, positives.shape[1]), "float32")
        self.weights, self.bias, self.added = np.zeros(positives.shape[1]), 0.0, 0

    def meet(self, features: np.ndarray) -> None:
        """Adds those of a picture's negatives (P, D) that aren't safely behind the margin: none is met twice."""
        hard = features[self.score(features) > self.settings.hard]
        self.negatives = np.concatenate([self.negatives, hard])
        self.added += len(hard)

    def score(self, features: np.ndarray) -> np.ndarray:
        """Distances from the boundary, in margins: (P, D) -> (P,)."""
        return features @ self.weights + self.bias

    def train(self) -> None:
        """Trains on the positives and the negatives so far, and drops the easy ones of these."""
        from sklearn.svm import LinearSVC

        if not len(self.negatives):
            return
        examples = np.concatenate([self.positives, self.negatives]).astype("float64")
        truth = np.repeat([1, 0], [len(self.positives), len(self.negatives)])
        machine = LinearSVC(
            loss="hinge",
            C=self.settings.cost,
            class_weight={1: self.settings.positive_cost},
            intercept_scaling=self.settings.bias,
            max_iter=100_000,
            random_state=0,
        ).fit(examples, truth)
        self.weights, self.bias, self.added = machine.coef_[0], float(machine.intercept_[0]), 0
        self.negatives = self.negatives[self.score(self.negatives) >= self.settings.easy]


def support_vector_machines(
    cache: FeatureCache,
    regions: Sequence[Labelled],
    settings: Settings,
    progress: Callable[[Iterable], Iterable] = iter,
) -> tuple[np.ndarray, np.ndarray]:
    """One linear machine by class, in one pass over the pictures: weights (D, K) of the unscaled features, biases (K,).

    Positives are the true boxes; negatives the regions that overlap none of the class by 0.3, from the second picture
    on those alone that violate the margin. Section 2.3 and appendix B. Raises ValueError where a class has no negative.
    """
    _scikit_learn()
    classes, name = regions[0].overlaps.shape[1], "svm"
    scale = cache.scale(name, settings.norm)
    positives: list[list[np.ndarray]] = [[] for _ in range(classes)]
    for i, x in enumerate(regions):
        true = cache.of(name, i)[: x.truth] * scale
        for kind in range(classes):
            positives[kind].append(true[x.classes == kind])
    machines = [Machine(np.concatenate(some), settings) for some in positives]
    last = len(regions) - 1
    for i in progress(range(len(regions))):
        features = cache.of(name, i) * scale
        for kind, machine in enumerate(machines):
            machine.meet(features[regions[i].overlaps[:, kind] < settings.unlike])
            if i in (0, last) or machine.added > settings.retrain:
                machine.train()
    lacking = [kind for kind, machine in enumerate(machines) if not machine.weights.any()]
    if lacking:
        raise ValueError(
            f"expected regions that overlap objects less than {settings.unlike}: classes {lacking} have none"
        )
    return np.stack([x.weights for x in machines], axis=1) * scale, np.array([x.bias for x in machines])


def box_regressors(
    cache: FeatureCache, regions: Sequence[Labelled], settings: Settings
) -> tuple[np.ndarray, np.ndarray]:
    """From features to the way to the true box, by class: weights (D, K, 4), biases (K, 4) of the unscaled features.

    Ridge regression on the regions that overlap a true box by more than 0.6, appendix C, with the intercept free. The
    authors' decorrelation of the targets changes nothing in a solution that is linear in them, and is left out.
    """
    _scikit_learn()
    from sklearn.linear_model import Ridge

    classes, name = regions[0].overlaps.shape[1], "box"
    scale = cache.scale(name, settings.norm)
    weights = np.zeros((cache.arrays[name].shape[1], classes, 4), "float32")
    biases = np.zeros((classes, 4), "float32")
    for kind in range(classes):
        features, ways = [], []
        for i, x in enumerate(regions):
            chosen = np.flatnonzero((x.largest > settings.regressed) & (x.kinds == kind))
            features.append(cache.of(name, i)[chosen] * scale)
            way = coding.encode_deltas(x.boxes[x.matched[chosen]], x.boxes[chosen], coding.RPN)
            ways.append(ops.convert_to_numpy(way))
        fitted = Ridge(settings.ridge).fit(np.concatenate(features).astype("float64"), np.concatenate(ways))
        weights[:, kind], biases[kind] = fitted.coef_.T * scale, fitted.intercept_
    return weights, biases


def _scikit_learn():
    """Raises ImportError, saying what to install, without the package."""
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise ImportError("R-CNN's machines and regressors are scikit-learn's: pip install 'cvapps[rcnn]'") from error
