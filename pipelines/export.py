"""From a trained model to the folder that is registered, and from the registry to the folder that is served."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipelines import tracking
from pipelines.endpoints import Endpoint
from pipelines.onnx_model import origin_of, said_origin, write_onnx
from pipelines.publish import publishing
from pipelines.saved_model import describe, stamp, write_saved_model
from pipelines.stock_ops import check_operations
from pipelines.warmup import replay


def package(
    model: keras.Model,
    folder: Path,
    endpoint: Endpoint,
    *,
    name: str,
    metadata: dict[str, Any],
    sample: np.ndarray,
) -> Path:
    """Writes the folder that gets registered: an MLflow model with the SavedModel in `serving/`, and labels.json.

    Replaces an older package. The arguments, and what is raised, are `write_saved_model`'s; no version is in it,
    because the registry gives that number later.
    """
    folder = Path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    tracking.write_mlflow_model(model, folder, np.clip(np.rint(sample), 0, 255).astype(np.uint8))
    (folder / "labels.json").write_text(json.dumps(list(endpoint.labels), indent=1, ensure_ascii=False) + "\n")
    write_saved_model(model, folder / "serving", endpoint, name=name, metadata=metadata, sample=sample)
    return folder


def export(uri: str, base: Path) -> Path:
    """A registered model, `models:/NAME@ALIAS` or `models:/NAME/VERSION`, to `base`/NAME/VERSION, ready to be served.

    The copy is loaded and asked its warm-up requests before it gets its name; it holds nothing but what the registry
    has, so exporting twice gives the same folder. Raises ValueError for a URI that the registry doesn't know, and for a
    model that fails its requests or has operations that a server should not run; FileExistsError where another model
    has that number, OSError (ENOSPC) for a full disk, ConnectionError where MLflow can't be reached.
    """
    with tempfile.TemporaryDirectory(prefix="cvapps-") as scratch:
        registered, name, version = tracking.fetch_model(uri, Path(scratch, "model"))
        served = Path(base) / name / str(version)
        with publishing(served) as temporary:
            shutil.copytree(registered / "serving", temporary, dirs_exist_ok=True)
            check_operations(temporary)
            stamp(temporary, name, version)
            replay(temporary, describe(temporary).get("rounding", Endpoint.rounding))  # older versions don't say
    return served


def export_onnx(uri: str, base: Path) -> Path:
    """A registered model to `base`/NAME/VERSION/model.onnx, as Triton's model repository has it.

    One that is there and says that it is of this model is left: tf2onnx gives other names each time. Raises what
    `export` raises, and what `write_onnx` does.
    """
    with tempfile.TemporaryDirectory(prefix="cvapps-") as scratch:
        registered, name, version = tracking.fetch_model(uri, Path(scratch, "model"))
        file = Path(base) / name / str(version) / "model.onnx"
        if not file.exists() or said_origin(file) != origin_of(registered, name, version):
            with publishing(file.parent) as temporary:
                write_onnx(registered, temporary / file.name, name, version)
    return file
