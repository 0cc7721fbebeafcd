"""A trained model against its held-out pictures."""

import keras

from pipelines.runs import RunFolder
from pipelines.tasks import task_of
from pipelines.tracked_run import open_run


def evaluate(folder: RunFolder) -> dict[str, float]:
    """Measures a finished run's model again, tracks the figures in its run, and returns them."""
    recipe = folder.recipe
    task = task_of(recipe)
    model = keras.saving.load_model(folder.model, compile=False)
    review = task.review(model, task.open_data(recipe), None)
    print(next(iter(review.tables.values())))
    run = open_run(folder.path.parent.name, {}, {}, folder.path.parent.name, folder.tracked)
    run.metrics({f"evaluate/{name}": value for name, value in review.figures.items()}, 0)
    review.track(run)
    run.finish("FINISHED")
    return review.figures
