"""What every detector of many objects answers with: boxes, scores and classes in rows of a fixed number."""

import keras
from keras import ops

from cvapps.detection.samples import taken


def best_rows(boxes, scores, classes, kept, filled):
    """The candidates that were kept: (N, M, 4), (N, M), int32 (N, M); int32 and bool (N, D) -> what `rows_spec` says.

    A row that isn't filled has class -1 and zeros.
    """
    return {
        "boxes": ops.where(filled[..., None], taken(boxes, kept), 0.0),
        "scores": ops.where(filled, ops.take_along_axis(scores, kept, axis=1), 0.0),
        "classes": ops.where(filled, ops.take_along_axis(classes, kept, axis=1), -1),
    }


def rows_spec(pictures, count):
    """{"boxes": (N, D, 4), "scores": (N, D), "classes": int32 (N, D)} of N pictures, or None, and D rows for each.

    Told to Keras rather than traced: JAX can't reshape what has an unknown number of rows.
    """
    return {
        "boxes": keras.KerasTensor((pictures, count, 4), "float32"),
        "scores": keras.KerasTensor((pictures, count), "float32"),
        "classes": keras.KerasTensor((pictures, count), "int32"),
    }
