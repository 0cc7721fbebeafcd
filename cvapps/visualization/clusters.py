"""Pictures in groups by how a network sees them: a layer's codes, a map of them in the plane, the map's clusters.

Nguyen, Yosinski & Clune 2016, arXiv:1602.03616, algorithm 1: principal components, t-SNE (van der Maaten & Hinton 2008)
to two dimensions, k-means there.
"""

import math

import keras
import numpy as np
from keras import ops

from cvapps import backend
from cvapps.visualization.explained import in_batches
from cvapps.visualization.networks import in_float32, read

COMPONENTS = 50
PERPLEXITY = 30.0  # scikit-learn's; a third of the pictures where there are few
FEW = 1000  # up to here the sums over all pairs take less time than the approximation, whose threads wait on each other

LARGEST = 2**31  # bytes of all codes, which the components take in float64


def codes(model: keras.Model, images: np.ndarray, layer: str, batch_size: int) -> np.ndarray:
    """What a layer answers to each picture, as a vector: [N, H, W, C] -> [N, D].

    Raises ValueError without the layer, and where the codes would take more memory than `LARGEST`.
    """
    reader = read(in_float32(model), (layer,))
    one = reader(ops.convert_to_tensor(images[:1]), training=False)[layer]
    length = math.prod(one.shape[1:])
    if len(images) * length * 8 > LARGEST:
        raise ValueError(
            f"{len(images)} codes of {length} values take {len(images) * length * 8 / 2**30:.3g} GiB, expected at most "
            f"{LARGEST / 2**30:.3g}: look at fewer pictures, or at a layer of fewer values than {layer}"
        )
    answer = backend.compiled(lambda some: ops.reshape(reader(some, training=False)[layer], (-1, length)))
    return in_batches(answer, batch_size, images)


def clusters(vectors: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors [N, D] -> their places in the plane [N, 2], each one's cluster [N], the clusters' centres [count, 2].

    N is at least 4. Raises ValueError for fewer different vectors than clusters or than two, as equal ones have no map;
    ImportError without scikit-learn.
    """
    try:
        from sklearn.cluster import KMeans
        from sklearn.decomposition import PCA
        from sklearn.manifold import TSNE
    except ImportError as error:
        raise ImportError("clusters need scikit-learn: pip install 'cvapps[facets]'") from error

    different, least = len(np.unique(vectors, axis=0)), max(count, 2)
    if different < least:
        raise ValueError(f"expected at least {least} different codes for {count} clusters, got {different}")
    number = len(vectors)
    components = min(COMPONENTS, number - 1, vectors.shape[1])
    reduced = PCA(components, random_state=seed).fit_transform(vectors.astype("float64"))
    perplexity = min(PERPLEXITY, (number - 1) / 3)
    method = "exact" if number <= FEW else "barnes_hut"
    places = TSNE(2, perplexity=perplexity, init="pca", method=method, random_state=seed).fit_transform(reduced)
    found = KMeans(count, n_init=10, random_state=seed).fit(places)
    return places, found.labels_, found.cluster_centers_
