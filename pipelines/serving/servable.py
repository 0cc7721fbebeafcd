"""One loaded version of a model: a SavedModel in a session of its own, run by tensor name. Needs no project code."""

import logging
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2

from pipelines.serving.batching import Batches, Batching
from pipelines.serving.refusal import from_tensorflow

SERVE_TAG = "serve"
DEFAULT_SIGNATURE = "serving_default"


class Servable:
    """A SavedModel, loaded by its `serve` tag as TensorFlow Serving does; with `batching` it joins what runs together.

    Raises OSError for a missing or unreadable folder, tf.errors.OpError for damaged variables, RuntimeError for a
    SavedModel without that tag.
    """

    def __init__(self, name: str, version: int, folder: Path, batching: Batching | None = None):
        self.name = name
        self.version = version
        self.folder = folder
        graph = tf.Graph()
        config = tf.compat.v1.ConfigProto()
        config.gpu_options.allow_growth = True  # one process holds several versions, and a run may be training beside
        self._session = tf.compat.v1.Session(graph=graph, config=config)
        try:
            with graph.as_default():
                self._meta_graph = _load(self._session, folder)
        except BaseException:
            self._session.close()
            raise
        self.signatures = dict(self._meta_graph.signature_def)
        # A handful of signatures times the output filters in use; the bound keeps odd filters from piling up.
        self._prepared = lru_cache(maxsize=64)(self._prepare)
        self._run = Batches(self._run_alone, batching).run if batching else self._run_alone

    def run(self, feeds: Mapping[str, np.ndarray], fetches: Sequence[str]) -> list[np.ndarray]:
        """The values of the tensors `fetches` when the tensors `feeds` are given; safe from any number of threads.

        Raises Refusal with the failing operation's code.
        """
        return self._run(feeds, fetches)

    def _run_alone(self, feeds: Mapping[str, np.ndarray], fetches: Sequence[str]) -> list[np.ndarray]:
        try:
            return self._prepared(tuple(feeds), tuple(fetches))(*feeds.values())
        except tf.errors.OpError as error:
            raise from_tensorflow(error) from error

    def _prepare(self, feeds: tuple[str, ...], fetches: tuple[str, ...]):
        # The C++ callable behind Session.make_callable: 23 us a call where Session.run takes 160 us, and, like
        # TensorFlow Serving and unlike Session.run, it refuses another dtype rather than casting it.
        return self._session._make_callable_from_options(config_pb2.CallableOptions(feed=feeds, fetch=fetches))

    def close(self) -> None:
        """Frees the session; the servable must not be run afterwards."""
        self._prepared.cache_clear()
        self._session.close()


def _load(session: tf.compat.v1.Session, folder: Path):
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel(logging.ERROR)  # the loader for sessions is marked as old, but it is what a server needs
    try:
        return tf.compat.v1.saved_model.load(session, [SERVE_TAG], str(folder))
    finally:
        logger.setLevel(level)
