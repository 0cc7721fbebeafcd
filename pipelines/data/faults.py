"""What goes wrong as batches are read, although the data was whole when it was opened."""

from contextlib import contextmanager

import tensorflow as tf

from pipelines.data.audit import reason_of

KINDS = (
    tf.errors.NotFoundError,
    tf.errors.PermissionDeniedError,
    tf.errors.DataLossError,
    tf.errors.InvalidArgumentError,
)


@contextmanager
def reading_faults_named():
    """A block in which TensorFlow's error from within a data set becomes a ValueError that names what was read."""
    try:
        yield
    except KINDS as error:
        if "IteratorGetNext" not in str(error):
            raise
        raise ValueError(
            f"the data can't be read any more: {reason_of(error)}; when it can be, the same command goes on from the "
            "last checkpoint"
        ) from error
