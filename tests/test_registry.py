"""The door by name: what it gives, and what it says to a mistake."""

from dataclasses import dataclass, replace

import keras
import pytest

import cvapps
from cvapps import registry
from cvapps.registry import Paper, Row, builds, check_type, nearest, register


@pytest.fixture
def empty_table(monkeypatch):
    """A table without rows, in place of the real one."""
    monkeypatch.setattr(registry, "_ROWS", {})
    return registry._ROWS


def family(
    depth: int, width: float = 1.0, input_shape: tuple[int | None, int | None, int] = (8, 8, 3), name: str = "family"
) -> keras.Model:
    """A builder that builds nothing."""


NOBODY = Paper("Nobody", 1900, "Nothing", "https://example.org")


def test_names_are_sorted_and_found_by_pattern():
    names = cvapps.list_models()
    assert names == sorted(names)
    assert len(names) == 108 + 24 + 13
    assert cvapps.list_models("resnet*", task="classification") == [
        "resnet101", "resnet101_v2", "resnet110_cifar", "resnet110_v2_cifar", "resnet152", "resnet152_v2",
        "resnet164_v2_cifar", "resnet18", "resnet200_v2", "resnet20_cifar", "resnet32_cifar", "resnet34",
        "resnet44_cifar", "resnet50", "resnet50_v2", "resnet56_cifar",
    ]  # fmt: skip
    assert cvapps.list_models("ResNet*") == []  # names are small letters on every system
    assert cvapps.list_models("nothing*") == []


def test_info_tells_paper_size_and_systems():
    row = cvapps.model_info("resnet50")
    assert (row.task, row.paper.year, row.systems, row.input_shape) == ("classification", 2015, (21,), (224, 224, 3))
    assert "1512.03385" in row.paper.link
    assert row.defaults["depths"] == (3, 4, 6, 3)
    assert row.defaults["stride_on"] == "spatial"
    with pytest.raises(TypeError):
        row.settings["depths"] = ()


def test_every_row_answers_a_system_of_a_paper():
    for name in cvapps.list_models():
        row = cvapps.model_info(name)
        assert row.systems
        assert set(row.systems) <= set(range(1, 101))
        assert row.paper.link.startswith("https://")
        assert 1950 < row.paper.year < 2030
        assert set(row.settings) <= set(row.defaults)
        assert row.input_shape[-1] == 3


def test_settings_replace_the_rows_and_the_name_is_the_rows():
    model = cvapps.create_model("resnet20_cifar", num_classes=3, input_shape=(16, 24, 3))
    assert (model.name, model.output_shape, model.input_shape) == ("resnet20_cifar", (None, 3), (None, 16, 24, 3))
    assert cvapps.create_model("perceptron", name="mine").name == "mine"


@pytest.mark.parametrize(
    "door", [cvapps.create_model, cvapps.model_info, lambda name: cvapps.changes(name, "resnet50")]
)
def test_an_unknown_model_names_the_nearest(door):
    with pytest.raises(ValueError, match=r"no model is called 'resnet51'.*resnet50"):
        door("resnet51")


def test_an_unknown_task_names_the_known():
    with pytest.raises(ValueError, match=r"no task is called 'classifikation'.*classification"):
        cvapps.list_models(task="classifikation")


def test_an_unknown_setting_names_the_known():
    with pytest.raises(ValueError, match=r"resnet50 has no setting 'classes'.*'num_classes'"):
        cvapps.create_model("resnet50", classes=10)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (dict(num_classes="10"), "num_classes must be int | None, not '10' (str)"),
        (dict(num_classes=True), "num_classes must be int | None, not True (bool)"),
        (dict(num_classes=1.0), "num_classes must be int | None, not 1.0 (float)"),
        (dict(depths=(2, 2)), "depths must be tuple[int, int, int, int], not (2, 2) (tuple)"),
        (dict(depths=[2, 2, 2, 2]), "depths must be tuple[int, int, int, int], not [2, 2, 2, 2] (list)"),
        (dict(depths=(2, 2, 2, 2.5)), "depths must be tuple[int, int, int, int], not (2, 2, 2, 2.5) (tuple)"),
        (dict(stride_on="first"), "stride_on must be Literal['spatial', 'reduce'], not 'first' (str)"),
        (dict(norm="weight"), "'none'], not 'weight' (str)"),
        (dict(input_shape=(32, 32)), "input_shape must be tuple[int | None, int | None, int], not (32, 32) (tuple)"),
        (dict(branch="basic"), "not 'basic' (str)"),
    ],
    ids=str,
)
def test_a_wrong_type_says_what_was_expected(settings, words):
    with pytest.raises(TypeError) as error:
        cvapps.create_model("resnet50", **settings)
    assert words in str(error.value)


def test_changes_are_a_papers_contribution():
    assert cvapps.changes("resnext50_32x4d", "resnet50") == {"groups": (1, 32), "group_width": (64, 4)}
    assert cvapps.changes("wide_resnet50_2", "resnet50") == {"group_width": (64, 128)}
    assert cvapps.changes("se_resnet50", "resnet50") == {"gate": (None, 16)}
    assert cvapps.changes("resnet101", "resnet50") == {"depths": ((3, 4, 6, 3), (3, 4, 23, 3))}
    assert list(cvapps.changes("plain20", "resnet20_cifar")) == ["shortcut"]
    assert cvapps.changes("resnet50", "resnet50") == {}


def test_changes_between_graphs_are_refused():
    with pytest.raises(ValueError, match=r"lenet5 and resnet50 are different graphs: lenet5, resnet"):
        cvapps.changes("lenet5", "resnet50")


def test_a_name_registers_once(empty_table):
    register("classification", family, {"one": dict(depth=1), "two": dict(depth=2)}, NOBODY, systems=[1])
    assert list(empty_table) == ["one", "two"]
    with pytest.raises(ValueError, match=r"'two' is already registered by tests.test_registry"):
        register("classification", family, {"two": dict(depth=3)}, NOBODY, systems=[1])


def test_a_rows_defaults_are_the_builders_and_its_own(empty_table):
    row = Row("one", "classification", family, dict(depth=1), NOBODY, (1,))
    assert row.defaults == {"depth": 1, "width": 1.0, "input_shape": (8, 8, 3), "name": "one"}


@dataclass(frozen=True)
class Places:
    """The places of a graph of two layers."""

    hidden: int = 4
    num_classes: int | None = 2
    input_shape: tuple[int | None, int | None, int] = (8, 8, 3)
    name: str = "places"


@builds(Places)
def places(spec):
    """A graph whose places are a dataclass's."""
    image = keras.Input(spec.input_shape)
    return keras.Model(image, keras.layers.Dense(spec.num_classes)(keras.layers.Dense(spec.hidden)(image)))


def test_a_spec_is_replaced_place_by_place(empty_table, monkeypatch):
    monkeypatch.setattr(registry, "_rows", lambda: empty_table)
    ancestor = Places(hidden=3)
    register("detection", places, {"old": vars(ancestor), "new": vars(replace(ancestor, hidden=5))}, NOBODY, [48])
    assert cvapps.changes("new", "old") == {"hidden": (3, 5)}
    assert cvapps.create_model("new").layers[1].units == 5
    assert cvapps.create_model("new", hidden=7, num_classes=9).output_shape == (None, 8, 8, 9)
    assert (places.spec, places.__doc__) == (Places, "A graph whose places are a dataclass's.")
    with pytest.raises(TypeError, match=r"old's hidden must be int, not '3' \(str\)"):
        cvapps.create_model("old", hidden="3")
    with pytest.raises(ValueError, match=r"old has no setting 'hiden'; it has \['hidden', 'input_shape'"):
        cvapps.create_model("old", hiden=3)


def test_nearest_without_any_near_lists_all():
    assert nearest("zzz", ["b", "a"]) == "known are ['a', 'b']"
    assert nearest("resnet5", ["resnet50", "vgg16"]) == "the nearest names are ['resnet50']"


def test_a_whole_number_is_a_float_and_a_bool_is_not():
    check_type("x", 1, float)
    check_type("x", True, bool)
    for annotation in (int, float, int | None):
        with pytest.raises(TypeError, match="not True"):
            check_type("x", True, annotation)
