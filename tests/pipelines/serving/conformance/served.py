"""The models and the configuration that the cases are about."""

from pathlib import Path

from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from tests.pipelines.serving import models

LABELS = {"stable": 123, "canary": 124}


def configuration(base: str, only: int | None = None, **labels: int) -> ModelServerConfig:
    """Both models, every version of them; with `only` that version of half_plus_two and nothing else."""
    config = ModelServerConfig()
    for name in ("half_plus_two",) if only else ("half_plus_two", "typed"):
        model = config.model_config_list.config.add(name=name, base_path=f"{base}/{name}", model_platform="tensorflow")
        if only:
            model.model_version_policy.specific.versions.append(only)
        else:
            model.model_version_policy.all.SetInParent()
        if name == "half_plus_two":
            for label, version in labels.items():
                model.version_labels[label] = version
    return config


def write(folder: Path, there: str) -> Path:
    """The folder of models: half_plus_two 123 (x / 2 + 2, label stable) and 124 (+ 3, canary), typed 1; models.config.

    `there` is the folder's path as the server sees it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("half_plus_two", "typed"):
        (folder / name).mkdir()
    models.half_plus(folder / "half_plus_two" / "00000123", 2.0)
    models.half_plus(folder / "half_plus_two" / "124", 3.0)
    models.typed(folder / "typed" / "1")
    (folder / "models.config").write_text(text_format.MessageToString(configuration(there, **LABELS)))
    return folder
