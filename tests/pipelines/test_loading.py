"""Files that somebody else wrote may say what a network is, and never what is run."""

import ast
import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

import cvapps
from pipelines.data.arrays import open_arrays
from pipelines.initial import begin_with
from pipelines.model_versions import check_names, wanted_by
from pipelines.recipe import Data, Recipe
from pipelines.trained import trained
from tests.conftest import CHECKOUT

PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
RUNNING = {"eval", "exec", "compile", "__import__", "enable_unsafe_deserialization", "unsafe_load", "full_load"}


def source_files() -> list[Path]:
    files = [file for folder in ("cvapps", "pipelines") for file in (CHECKOUT / folder).rglob("*.py")]
    assert len(files) > 300
    return files


def imported(tree: ast.AST) -> set[str]:
    """Names of the packages that a file imports."""
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level]
    return {name.split(".")[0] for name in names}


def faults(tree: ast.AST) -> list[str]:
    """What a file does that would let data run as code."""
    found = [f"imports {name}" for name in sorted(imported(tree) & PICKLES)]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        bare = node.func.id if isinstance(node.func, ast.Name) else ""
        name = bare or getattr(node.func, "attr", "")
        if bare in RUNNING or name in RUNNING - {"eval", "exec", "compile"}:
            found.append(f"line {node.lineno}: calls {name}")
        for argument in node.keywords:
            is_false = isinstance(argument.value, ast.Constant) and argument.value.value is False
            if argument.arg == "safe_mode" or (argument.arg == "allow_pickle" and not is_false):
                found.append(f"line {node.lineno}: {argument.arg} of {name}")
    return found


def test_nothing_is_unpickled_and_no_guard_is_taken_off():
    wrong = {str(file): bad for file in source_files() if (bad := faults(ast.parse(file.read_text())))}
    assert wrong == {}


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from joblib import load",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=chosen)",
        "keras.saving.load_model(path, safe_mode=False)",
        "keras.config.enable_unsafe_deserialization()",
        "eval(text)",
    ],
)
def test_the_test_above_can_fail(code):
    assert len(faults(ast.parse(code))) == 1
    assert faults(ast.parse("np.load(path, allow_pickle=False); re.compile(x); literal_eval(text)")) == []


def rewritten(source: Path, target: Path, layer: dict) -> Path:
    """A .keras file in which the dense layer's description has other entries."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                (dense,) = [one for one in config["config"]["layers"] if one["class_name"] == "Dense"]
                dense.update(layer)
                content = json.dumps(config).encode()
            new.writestr(name, content)
    return target


@pytest.fixture(scope="module", params=["lambda", "popen", "system"])
def hostile(request, tmp_path_factory):
    """(a .keras file that would make a file, that file)."""
    folder = tmp_path_factory.mktemp("hostile")
    made, path = folder / "made", folder / "hostile.keras"
    image = keras.Input((2,))
    if request.param == "lambda":
        code = eval(f"lambda x: (open({str(made)!r}, 'w').close(), x)[1]")  # with its path in it, as a stranger's has
        code = keras.layers.Lambda(code, output_shape=(2,))
        keras.Model(image, code(image)).save(path)
        keras.saving.load_model(path, compile=False, safe_mode=False)(np.zeros((1, 2)))
        made.unlink()  # so without the guard it would be made
        return path, made
    keras.Model(image, keras.layers.Dense(2)(image)).save(folder / "plain.keras")
    call = dict(module="subprocess", class_name="Popen", config={"args": ["touch", str(made)]}, registered_name=None)
    if request.param == "system":
        run = {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}
        call = {"config": {"units": 2, "activation": run, "bias_initializer": f"touch {made}"}}
    return rewritten(folder / "plain.keras", path, call), made


DOORS = {
    "visualize": lambda path: trained(str(path)),
    "initial": lambda path: begin_with(
        cvapps.create_model("mlp", input_shape=(8, 8, 3)), Recipe("mlp", initial=str(path))
    ),
    "weights": lambda path: cvapps.create_model("mlp", input_shape=(8, 8, 3), weights=path),
}


@pytest.mark.parametrize("door", DOORS)
def test_a_model_file_that_would_run_code_is_refused(hostile, door):
    path, made = hostile
    with pytest.raises((ValueError, TypeError), match=r"Lambda|could not be deserialized|Could not"):
        DOORS[door](path)
    assert not made.exists()


def test_an_array_of_objects_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=np.array([{"a": 1}], object), y_train=np.zeros(1))
    with pytest.raises(ValueError, match="of plain arrays"):
        open_arrays(Data(f"arrays:{tmp_path / 'a.npz'}"))


HOSTILE_NAMES = ["..", ".", ".hidden", "../x", "a/b", "a\\b", "a\nb", "a\0b", "", " a"]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_registered_name_is_no_path(name):
    with pytest.raises(ValueError, match="registered model's name"):
        check_names(name)
    with pytest.raises(ValueError, match="model's"):
        wanted_by(f"models:/{name}@champion")
