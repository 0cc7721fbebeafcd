"""Which versions of a model are served: the latest, or what TensorFlow Serving's own model configuration file says."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2


@dataclass(frozen=True)
class Policy:
    """Versions to serve of those that are there, and names for some of them."""

    latest: int = 1  # this many of the highest
    every: bool = False
    only: frozenset[int] = frozenset()
    labels: Mapping[str, int] = field(default_factory=dict)

    def choose(self, present: Iterable[int]) -> set[int]:
        """The versions to serve, of those present."""
        present = set(present)
        if self.every:
            return present
        if self.only:
            return present & self.only
        return set(sorted(present)[-self.latest :])


def read_policies(path: Path) -> dict[str, Policy]:
    """Policies by model name from a `ModelServerConfig` in text format, the file given to `--model_config_file`.

    Only names, version policies and labels are read: the folders are those below the served base, since the paths in
    the file are usually a container's. Raises ValueError, naming the file, where it can't be read.
    """
    try:
        config = text_format.Parse(path.read_text(), model_server_config_pb2.ModelServerConfig())
    except text_format.ParseError as error:
        raise ValueError(f"{path} is not a model configuration: {error}") from error
    try:
        return policies_of(config)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def policies_of(config: model_server_config_pb2.ModelServerConfig) -> dict[str, Policy]:
    """Policies by model name. Raises ValueError for a configuration without models or with one named twice."""
    policies: dict[str, Policy] = {}
    for model in config.model_config_list.config:
        if not model.name:
            raise ValueError("every model needs a name")
        if model.name in policies:
            raise ValueError(f"the model {model.name!r} is listed multiple times")
        choice = model.model_version_policy
        policies[model.name] = Policy(
            latest=choice.latest.num_versions or 1,
            every=choice.HasField("all"),
            only=frozenset(choice.specific.versions),
            labels=dict(model.version_labels),
        )
    if not policies:
        raise ValueError("there is no model in the model_config_list")
    return policies
