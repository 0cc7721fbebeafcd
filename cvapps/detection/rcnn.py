"""R-CNN: a classifier of proposals, one after another, with a support vector machine and a box regressor by class.

Girshick et al. 2013, arXiv:1311.2524, sections 2.1 to 2.3 and appendices A to C. The work is done in five steps, of
which the network sees only the first two:

1. a classifier of ImageNet; its weights begin (`cvapps.analysis.transplant`) a row with 1 + K classes;
2. `fine_tune`: that row trained on warped proposals, class 0 the background;
3. `extract`: the features of all regions, on disk;
4. a linear support vector machine by class, with hard negatives;
5. a ridge regression by class, from features to the way to the true box.

    network = cvapps.create_model("alexnet_two_tower", num_classes=1 + 20)
    transplant(network, cvapps.create_model("alexnet_two_tower", weights=...))
    rcnn = RCNN(network).fit(examples, folder)
    rcnn.predict(image, selective_search(image))

Deviations: the regions' ends aren't rounded to whole pixels before the warp; a score is the logistic function of the
machine's, so that it lies in [0, 1] and the order is kept.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
from keras import ops

from cvapps.detection.rcnn_features import FeatureCache
from cvapps.detection.rcnn_heads import box_regressors, support_vector_machines
from cvapps.detection.rcnn_regions import Example, Labelled, all_labelled, finite_boxes
from cvapps.detection.rcnn_settings import Settings
from cvapps.detection.rcnn_warping import WarpedRegions, warp
from cvapps.detection.sliding_window import kept, patch_of
from cvapps.ops import boxes as box_ops
from cvapps.ops import coding

CHUNK = 32  # regions that are warped and looked at together


def fine_tune(
    network: keras.Model,
    examples: Sequence[Example],
    settings: Settings | None = None,
    batches: int = 1000,
    epochs: int = 1,
    rate: float = 1e-3,
    seed: int = 0,
) -> keras.callbacks.History:
    """Trains a classifier of 1 + K classes on warped regions: 32 with an object and 96 without in a batch.

    By SGD of momentum 0.9 with a tenth of the rate that ImageNet begins with (section 2.3). Raises ValueError as
    `all_labelled` and `WarpedRegions` do.
    """
    side, classes = shape_of(network)
    regions = all_labelled(examples, classes)
    data = WarpedRegions(examples, regions, side, settings or Settings(), batches, seed)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.SGD(rate, momentum=0.9), loss, metrics=["accuracy"])
    return network.fit(data, epochs=epochs, verbose=0)


def shape_of(network: keras.Model) -> tuple[int, int]:
    """The side of the pictures of a classifier, and its number of classes without the background.

    Raises ValueError for other than a classifier of squares of one size.
    """
    height, width = patch_of(network)
    outputs = network.output_shape if isinstance(network.output_shape, tuple) else ()
    if height != width or len(outputs) != 2 or outputs[1] < 2:
        raise ValueError(f"expected a classifier of squares, background and more; {network.name} is {outputs}")
    return height, outputs[1] - 1


class RCNN:
    """The detector. `network` is a classifier with 1 + K classes, of which the layers in `settings` are read."""

    def __init__(self, network: keras.Model, settings: Settings | None = None):
        self.settings = settings or Settings()
        self.side, self.classes = shape_of(network)
        layers = {"svm": self.settings.svm_layer, "box": self.settings.box_layer}
        known = [layer.name for layer in network.layers]
        if missing := sorted({*layers.values()} - {*known}):
            raise ValueError(f"{network.name} has no layer {missing}; its last are {known[-12:]}")
        self.network = network
        self.features = keras.Model(
            network.input, {key: network.get_layer(name).output for key, name in layers.items()}
        )
        self.machines: tuple[np.ndarray, np.ndarray] | None = None
        self.regressors: tuple[np.ndarray, np.ndarray] | None = None

    def fit(
        self,
        examples: Sequence[Example],
        folder: str | Path,
        progress: Callable[[Iterable], Iterable] = iter,
        **fine_tuning,
    ) -> "RCNN":
        """All steps from the fine-tuning on: features go to `folder`, which must have room for them.

        `fine_tuning` are the settings of `fine_tune`. Raises ValueError where a class has no true box or no negative.
        """
        fine_tune(self.network, examples, self.settings, **fine_tuning)
        return self.fit_heads(examples, folder, progress)

    def fit_heads(
        self, examples: Sequence[Example], folder: str | Path, progress: Callable[[Iterable], Iterable] = iter
    ) -> "RCNN":
        """The steps after the fine-tuning. After an interruption it goes on with the features that are in `folder`."""
        regions = all_labelled(examples, self.classes)
        cache = self.extract(examples, regions, folder, progress)
        self.machines = support_vector_machines(cache, regions, self.settings, progress)
        self.regressors = box_regressors(cache, regions, self.settings)
        return self

    def extract(
        self,
        examples: Sequence[Example],
        regions: Sequence[Labelled],
        folder: str | Path,
        progress: Callable[[Iterable], Iterable] = iter,
    ) -> FeatureCache:
        """The features of all regions, in files in `folder`."""
        read = [self.settings.svm_layer, self.settings.box_layer, self.settings.context, self.settings.fill]
        identity = json.dumps([self.fingerprint(), read])
        widths = {name: int(np.prod(x.shape[1:])) for name, x in self.features.output.items()}
        cache = FeatureCache(folder, regions, widths, identity)
        cache.fill(lambda i: self.look(examples[i].image, regions[i].boxes), progress)
        return cache

    def fingerprint(self) -> list[float]:
        """Numbers that are others for other weights: of each its sum and its sum of squares."""
        values = [np.asarray(w, "float64") for w in self.network.get_weights()]
        return [float(number) for w in values for number in (w.sum(), np.square(w).sum())]

    def look(self, image: np.ndarray, boxes: np.ndarray) -> dict[str, np.ndarray]:
        """The features of a picture's regions: (H, W, 3), (P, 4) -> {"svm": (P, D), "box": (P, E)}."""
        found: dict[str, list[np.ndarray]] = {name: [] for name in self.features.output}
        for start in range(0, len(boxes), CHUNK):
            part = boxes[start : start + CHUNK]
            # the last chunk is filled up, so that one graph is compiled for all
            part = np.concatenate([part, np.repeat(part[:1], min(CHUNK, len(boxes)) - len(part), axis=0)])
            pictures = warp(image, part, self.side, self.settings.context, self.settings.fill)
            for name, values in self.features.predict_on_batch(pictures).items():
                found[name].append(np.asarray(values, "float32").reshape(len(part), -1))
        return {name: np.concatenate(parts)[: len(boxes)] for name, parts in found.items()}

    def predict(self, image: np.ndarray, proposals: np.ndarray) -> dict[str, np.ndarray]:
        """RGB (H, W, 3), (P, 4) -> {"boxes": (1, D, 4), "scores": (1, D), "classes": (1, D)}, class -1 for none.

        Of each class the 100 best regions, moved by the class's regressor, after suppression by itself. Raises
        ValueError before `fit`, and where there are no proposals.
        """
        if self.machines is None or self.regressors is None:
            raise ValueError("this R-CNN has not learned yet: fit it, or load one")
        proposals = finite_boxes(proposals, "proposals")
        if not len(proposals):
            raise ValueError("the picture has no proposals")
        features = self.look(image, proposals)
        scores = features["svm"] @ self.machines[0] + self.machines[1]
        best = np.argsort(-scores, axis=0, kind="stable")[: self.settings.per_class]
        found = []
        for kind in range(self.classes):
            chosen = best[:, kind]
            ways = features["box"][chosen] @ self.regressors[0][:, kind] + self.regressors[1][kind]
            moved = coding.decode_deltas(ways.astype("float32"), proposals[chosen], coding.RPN)
            found.append(ops.convert_to_numpy(box_ops.clip(moved, image.shape[:2])))
        margins = np.take_along_axis(scores, best, axis=0).T.ravel()
        likely = (1 / (1 + np.exp(-np.clip(margins, -50, 50)))).astype("float32")
        kinds = np.repeat(np.arange(self.classes, dtype="int32"), len(best))
        return kept(np.concatenate(found), likely, kinds, self.settings.overlap, self.settings.count)

    def save(self, folder: str | Path) -> None:
        """Writes the whole detector: the network, the machines and regressors, the settings."""
        if self.machines is None or self.regressors is None:
            raise ValueError("this R-CNN has not learned yet: fit it before it is saved")
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.network.save(folder / "network.keras")
        (machines, biases), (ways, offsets) = self.machines, self.regressors
        np.savez(folder / "heads.npz", machines=machines, biases=biases, ways=ways, offsets=offsets)
        (folder / "settings.json").write_text(json.dumps(asdict(self.settings)))

    @classmethod
    def load(cls, folder: str | Path) -> "RCNN":
        """The detector that `save` has written. Raises FileNotFoundError where there is none."""
        folder = Path(folder)
        settings = json.loads((folder / "settings.json").read_text())
        settings = replace(Settings(**settings), fill=tuple(settings["fill"]))
        found = cls(keras.models.load_model(folder / "network.keras", compile=False), settings)
        with np.load(folder / "heads.npz") as heads:
            found.machines = heads["machines"], heads["biases"]
            found.regressors = heads["ways"], heads["offsets"]
        return found
