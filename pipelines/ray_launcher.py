"""A recipe on several workers that Ray starts, places and starts again.

    pip install -r requirements-ray.txt
    python -m pipelines.ray_launcher RECIPE --workers 4 --set data.source=folder:/shared/imagenet
    python -m pipelines.ray_launcher RECIPE --workers 4 --gpus 8                 # accelerators of each worker

The checkout and CVAPPS_HOME have to be at the same paths on every machine, the latter shared, since the chief may be
begun again on another one. Where a worker is lost, Ray begins all anew, and they go on from the chief's newest
checkpoint. Without a cluster it makes one of this machine; Ray's processes listen on the machine's own address
beside loopback, and whoever reaches them may run code: keep others out.
"""

import os
from dataclasses import replace

import click

from pipelines.__main__ import changed_recipe, recipe_options
from pipelines.home import CHECKOUT, home
from pipelines.recipe import Recipe, from_json, to_json

TRIES = 10  # to begin anew after a worker was lost


def take_part(settings: dict[str, str]) -> None:
    """What Ray runs on each worker, with TF_CONFIG set to say which one it is."""
    from pipelines.quiet import start_tensorflow

    start_tensorflow()
    from pipelines.train import train

    train(settings["name"], from_json(settings["recipe"]))


def launch(name: str, recipe: Recipe, workers: int, gpus: int = 0) -> None:
    """Trains the recipe by so many workers of the Ray cluster. Raises what the training raises."""
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.tensorflow import TensorflowTrainer

    paths = {"PYTHONPATH": str(CHECKOUT), "CVAPPS_HOME": str(home()), "RAY_TRAIN_V2_ENABLED": "1"}
    kept = {key: os.environ[key] for key in ("MLFLOW_TRACKING_URI", "TFDS_DATA_DIR") if key in os.environ}
    ray.init(runtime_env={"env_vars": {**paths, **kept}}, ignore_reinit_error=True)
    trainer = TensorflowTrainer(
        take_part,
        train_loop_config={"name": name, "recipe": to_json(replace(recipe, strategy="multiworker"))},
        scaling_config=ScalingConfig(
            num_workers=workers,
            use_gpu=gpus > 0,
            resources_per_worker={"CPU": 1, **({"GPU": gpus} if gpus else {})},
        ),
        run_config=RunConfig(storage_path=str(home("ray")), failure_config=FailureConfig(max_failures=TRIES)),
    )
    trainer.fit()


@click.command()
@recipe_options
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1))
@click.option("--gpus", default=0, show_default=True, type=click.IntRange(0), help="Accelerators of each worker.")
def main(recipe, changes, quick, workers, gpus):
    """Train RECIPE by several workers of a Ray cluster, or go on where they stopped."""
    launch(recipe, changed_recipe(recipe, changes, quick), workers, gpus)


if __name__ == "__main__":
    main(prog_name="python -m pipelines.ray_launcher")
