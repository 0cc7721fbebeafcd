"""Run folders: `var/runs/<recipe>/<number>/`, one for each try to train; an unfinished one is resumed."""

import fcntl
import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines import recipe as recipes
from pipelines.checkpoint import write_atomically
from pipelines.home import home
from pipelines.recipe import Recipe


class Interrupted(KeyboardInterrupt):
    """The run was asked to stop by a signal; the same command goes on from its checkpoint."""

    def __init__(self, message: str, signal: int):
        super().__init__(message)
        self.signal = signal


@dataclass(frozen=True)
class RunFolder:
    """What one run keeps on disk."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        """The folder of the latest states."""
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """The trained model."""
        return self.path / "model.keras"

    @property
    def best(self) -> Path:
        """The model of the epoch that was best by the recipe's `keep_best`."""
        return self.path / "best.keras"

    @property
    def tracked(self) -> Path:
        """Which tracked run this is."""
        return self.path / "tracked.json"

    @property
    def package(self) -> Path:
        """The folder that gets registered."""
        return self.path / "package"

    @property
    def recipe(self) -> Recipe:
        """The recipe that made it."""
        return recipes.from_json((self.path / "recipe.json").read_text())

    @property
    def is_finished(self) -> bool:
        """Whether the run reached its end."""
        return (self.path / "finished.json").exists()

    @property
    def result(self) -> dict[str, Any]:
        """The last epoch's metrics and the tracked run's id. Raises FileNotFoundError while the run is not finished."""
        return json.loads((self.path / "finished.json").read_text())

    def finish(self, result: dict[str, Any]) -> None:
        """Marks the run as done: it is not resumed any more, and its checkpoints are not needed."""
        write_atomically(self.path / "finished.json", json.dumps(result, indent=1).encode())
        shutil.rmtree(self.checkpoints, ignore_errors=True)


def _folders(name: str) -> list[RunFolder]:
    """All runs of a recipe, oldest first."""
    numbers = sorted(int(p.name) for p in home("runs", name).glob("*") if p.name.isdigit())
    return [RunFolder(home("runs", name, str(number))) for number in numbers]


def latest_finished(name: str) -> RunFolder:
    """The newest finished run of a recipe. Raises FileNotFoundError, saying how to make one, where there is none."""
    for folder in reversed(_folders(name)):
        if folder.is_finished:
            return folder
    raise FileNotFoundError(
        f"no finished run of {name!r} below {home('runs')}; train one: python -m pipelines train {name}"
    )


@contextmanager
def open_run_folder(name: str, recipe: Recipe):
    """The folder of this recipe's unfinished run, or a new one; held by this process alone until the block ends.

    A run of the same recipe that another living process holds is left alone: a new folder is made beside it.
    """
    text = recipes.to_json(recipe)
    existing = _folders(name)
    fresh = home("runs", name, str(int(existing[-1].path.name) + 1 if existing else 1))
    unfinished = [f for f in existing if not f.is_finished and (f.path / "recipe.json").exists()]
    for folder in [f for f in reversed(unfinished) if f.recipe == recipe] + [RunFolder(fresh)]:
        folder.path.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder.path / "lock", os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        try:
            write_atomically(folder.path / "recipe.json", text.encode())
            yield folder
        finally:
            os.close(lock)
        return
    raise RuntimeError(f"another process took {fresh} at the same moment; run the command again")
