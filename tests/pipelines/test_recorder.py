"""What a training says has names that MLflow takes."""

from dataclasses import dataclass, field

import pytest
from mlflow.exceptions import MlflowException
from mlflow.utils.validation import _validate_metric_name

from pipelines.recorder import flatten, metric_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mAP@0.5", "mAP_0.5"),
        ("val/loss", "val/loss"),
        ("/a//b/", "a/b"),
        ("../x", "x"),
        ("..", "unnamed"),
        ("", "unnamed"),
        ("größe%", "gr__e_"),
        ("line\nbreak", "line_break"),
        ("a" * 400, "a" * 250),
    ],
)
def test_metric_name_is_what_mlflow_takes(name, expected):
    assert metric_name(name) == expected
    _validate_metric_name(metric_name(name))
    if name != expected and len(name) < 251 and name:
        with pytest.raises(MlflowException):
            _validate_metric_name(name)


def test_flatten():
    @dataclass
    class Inner:
        size: tuple = (32, 32)
        rate: float | None = None

    @dataclass
    class Outer:
        name: str = "x"
        inner: Inner = field(default_factory=Inner)
        extra: dict = field(default_factory=lambda: {"a": {"b": True}, "none": {}})

    assert flatten(Outer()) == {
        "name": "x",
        "inner.size": "(32, 32)",
        "inner.rate": "None",
        "extra.a.b": "True",
        "extra.none": "{}",
    }
