"""A finished run into the registry."""

from pipelines import tracking
from pipelines.runs import latest_finished


def register(name: str, alias: str) -> int:
    """Registers the newest finished run of recipe `name` under the same name; the new version's number.

    Raises FileNotFoundError where no run of the recipe is finished.
    """
    folder = latest_finished(name)
    figures = {key: f"{value:.6g}" for key, value in folder.result.items() if isinstance(value, float)}
    return tracking.register_model(
        folder.package, name, folder.result["run_id"], alias=alias, tags={"recipe": name, **figures}
    )
