"""Pictures in groups by how a network sees them: a layer's codes, a map of them in the plane, the map's clusters.

Nguyen, Yosinski & Clune 2016, arXiv:1602.03616, algorithm 1: principal components, t-SNE (van der Maaten & Hinton 2008)
to two dimensions, k-means there.
"""

import keras
import numpy as np
from keras import ops

from cvapps.visualization.networks import in_float32, read

COMPONENTS = 50
PERPLEXITY = 30.0  # scikit-learn's; a third of the pictures where there are few
FEW = 1000  # up to here the sums over all pairs take less time than the approximation, whose threads wait on each other


def codes(model: keras.Model, images: np.ndarray, layer: str, batch_size: int) -> np.ndarray:
    """What a layer answers to each picture, as a vector: [N, H, W, C] -> [N, D]. ValueError without the layer."""
    reader = read(in_float32(model), (layer,))
    found = []
    for first in range(0, len(images), batch_size):
        answer = reader(ops.convert_to_tensor(images[first : first + batch_size]), training=False)[layer]
        found.append(ops.convert_to_numpy(answer).reshape(answer.shape[0], -1))
    return np.concatenate(found)


def clusters(vectors: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors [N, D] -> their places in the plane [N, 2], each one's cluster [N], the clusters' centres [count, 2].

    N is at least 4 and at least `count`.
    """
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    number = len(vectors)
    components = min(COMPONENTS, number - 1, vectors.shape[1])
    reduced = PCA(components, random_state=seed).fit_transform(vectors.astype("float64"))
    perplexity = min(PERPLEXITY, (number - 1) / 3)
    method = "exact" if number <= FEW else "barnes_hut"
    places = TSNE(2, perplexity=perplexity, init="pca", method=method, random_state=seed).fit_transform(reduced)
    found = KMeans(count, n_init=10, random_state=seed).fit(places)
    return places, found.labels_, found.cluster_centers_
