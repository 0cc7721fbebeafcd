"""Keras 3.15.1's `fit` on several workers: the two functions that fail there, replaced (keras-team/keras#20585).

Both are Keras' own affair and may change with every release, so another release is refused: run the tests of
`strategy=multiworker` with it, without `cure` first, and then raise KNOWN or delete this file.
"""

import keras
from keras.src import tree
from keras.src.backend.tensorflow import trainer
from tensorflow.compiler.xla.tsl.protobuf.coordination_config_pb2 import CoordinatedJob
from tensorflow.python.eager import context

KNOWN = "3.15.1"
_reduce_per_replica = trainer.reduce_per_replica


def cure() -> None:
    """Replaces the two functions. Raises ValueError for a release of Keras for which it isn't known to be right."""
    if keras.__version__ != KNOWN:
        raise ValueError(
            f"strategy=multiworker needs Keras {KNOWN}, of which two private functions are replaced, not "
            f"{keras.__version__}; see {__name__}"
        )
    trainer.TensorFlowTrainer._maybe_symbolic_build = _maybe_symbolic_build
    trainer.reduce_per_replica = _reduce_over_workers


def _maybe_symbolic_build(model, iterator=None, data_batch=None):
    """Builds from a batch of this worker; Keras would reduce it over all, a tuple, which `Strategy.reduce` refuses."""
    if model._distribute_strategy is None:
        return
    strategy = model.distribute_strategy
    for _, _, batches in iterator or ():
        data_batch = tree.map_structure(lambda x: strategy.experimental_local_results(x)[0], next(batches))
        break
    with strategy.scope():
        model._symbolic_build(data_batch=data_batch)


def _reduce_over_workers(values, strategy, reduction):
    """The mean over replicas; Keras would also take the mean over the first axis, which a step's figures don't have."""
    if trainer._collective_all_reduce_multi_worker(strategy) and reduction in ("auto", "mean"):
        return tree.map_structure(lambda value: strategy.reduce("MEAN", value, axis=None), values)
    return _reduce_per_replica(values, strategy, reduction)


def watch(jobs: dict[str, int], leader: str, lost_after: int, started_within: int) -> None:
    """Has TensorFlow's coordination service notice a lost worker after so many seconds; before the strategy is made.

    `jobs` is {name: workers}, `leader` the device of the worker that watches. By itself MultiWorkerMirroredStrategy
    waits an hour for workers that do not come.
    """
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader=leader,
        coordinated_jobs=[CoordinatedJob(name=name, num_tasks=count) for name, count in jobs.items()],
        heartbeat_timeout_in_ms=1000 * lost_after,
        cluster_register_timeout_in_ms=1000 * started_within,
    )
