"""The library itself in an MLflow model folder, so that the model loads where there is no checkout."""

import shutil
from pathlib import Path

from pipelines.home import CHECKOUT

LOADER = '''"""Loads the model of this folder with the cvapps that it was saved by."""

import cvapps.registry
from mlflow.keras.load import _load_pyfunc

cvapps.registry.list_models()  # imports every family, so that Keras knows the layers that it lacks itself
'''


def add_library(folder: Path) -> dict[str, str]:
    """Writes `code/` with cvapps and what loads a model by it; says what MLflow's Python flavor must know."""
    shutil.copytree(CHECKOUT / "cvapps", folder / "code" / "cvapps", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "code" / "cvapps_loader.py").write_text(LOADER)
    return {"loader_module": "cvapps_loader", "code": "code"}
