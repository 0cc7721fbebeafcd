"""What R-CNN learns of features: a support vector machine and a box regressor by class.

Girshick et al. 2013, arXiv:1311.2524, section 2.3 and appendices B and C.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from keras import ops

from cvapps.detection.rcnn_features import FeatureCache
from cvapps.detection.rcnn_regions import Labelled
from cvapps.detection.rcnn_settings import Settings
from cvapps.ops import coding


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
