"""What stands in which room: the library's imports, the papers, the docstrings, the folder that shadows nothing."""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent
LIBRARY = sorted((CHECKOUT / "cvapps").rglob("*.py"))
FORBIDDEN = {"tensorflow", "jax", "torch", "tensorflow_datasets", "keras_cv", "mlflow", "pipelines", "tests"}
FAMILIES = [
    path
    for path in LIBRARY
    if any(
        isinstance(node, ast.Call) and getattr(node.func, "id", "") == "register"
        for node in ast.walk(ast.parse(path.read_text()))
    )
]
REGISTER = "register_keras_serializable"
CITATION = re.compile(r"[A-Z][\w-]+( et al\.|,? [A-Z][\w-]+| & [A-Z][\w-]+)* (19|20)\d\d, ")


def identity(path):
    """The file's name in the checkout."""
    return str(path.relative_to(CHECKOUT))


def imports(path):
    """(package, inside a function) for every import of the file."""
    found = []

    def visit(node, inside):
        if isinstance(node, ast.Import):
            found.extend((alias.name.split(".")[0], inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.append(((node.module or "").split(".")[0], inside))
        for child in ast.iter_child_nodes(node):
            visit(child, inside or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))

    visit(ast.parse(path.read_text()), False)
    return found


def test_how_much_was_seen():
    """The tests below walk these; an empty walk would pass for ever."""
    assert len(LIBRARY) >= 20
    assert [identity(path) for path in FAMILIES] == [
        "cvapps/classification/alexnet.py",
        "cvapps/classification/darknet.py",
        "cvapps/classification/densenet.py",
        "cvapps/classification/digits.py",
        "cvapps/classification/extraction.py",
        "cvapps/classification/hrnet.py",
        "cvapps/classification/inception.py",
        "cvapps/classification/inception_resnet.py",
        "cvapps/classification/inception_v3.py",
        "cvapps/classification/inception_v4.py",
        "cvapps/classification/mlp.py",
        "cvapps/classification/mobilenet.py",
        "cvapps/classification/mobilenet_v2.py",
        "cvapps/classification/nasnet.py",
        "cvapps/classification/resnet.py",
        "cvapps/classification/resnet_plain.py",
        "cvapps/classification/resnet_preact.py",
        "cvapps/classification/shufflenet.py",
        "cvapps/classification/shufflenet_v2.py",
        "cvapps/classification/vgg.py",
        "cvapps/dense/deconvnet.py",
        "cvapps/dense/deepmask.py",
        "cvapps/dense/depth.py",
        "cvapps/dense/edges.py",
        "cvapps/dense/fcn.py",
        "cvapps/dense/pidnet.py",
        "cvapps/dense/pspnet.py",
        "cvapps/dense/segnet.py",
        "cvapps/dense/sharpmask.py",
        "cvapps/dense/sliding_window.py",
        "cvapps/dense/unet.py",
        "cvapps/detection/detectors_one_stage.py",
        "cvapps/detection/detectors_two_stage.py",
        "cvapps/detection/single_object.py",
    ]


@pytest.mark.parametrize("path", LIBRARY, ids=identity)
def test_the_library_imports_no_backend(path):
    """Only backend.py knows backends, and imports them in functions, when they are needed."""
    wrong = [(name, inside) for name, inside in imports(path) if name in FORBIDDEN]
    if identity(path) == "cvapps/backend.py":
        wrong = [(name, inside) for name, inside in wrong if not (inside and name in ("tensorflow", "jax", "torch"))]
    assert wrong == []


@pytest.mark.parametrize("path", FAMILIES, ids=identity)
def test_a_family_states_its_paper(path):
    assert CITATION.search(ast.get_docstring(ast.parse(path.read_text())))


@pytest.mark.parametrize("path", FAMILIES, ids=identity)
def test_a_family_is_short(path):
    """Over about 160 lines means two families."""
    assert len(path.read_text().splitlines()) <= 170


@pytest.mark.parametrize("path", LIBRARY, ids=identity)
def test_everything_public_has_a_docstring(path):
    def public(node, prefix=""):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.ClassDef)) and not child.name.startswith("_"):
                yield prefix + child.name, child
                if isinstance(child, ast.ClassDef):
                    yield from public(child, f"{child.name}.")

    tree = ast.parse(path.read_text())
    missing = [name for name, node in public(tree) if not ast.get_docstring(node)]
    assert ast.get_docstring(tree)
    assert missing == []


def test_every_family_has_a_test():
    for path in FAMILIES:
        room = path.relative_to(CHECKOUT / "cvapps").parent
        assert (CHECKOUT / "tests" / room / f"test_{path.name}").exists()


def test_the_folder_mlflow_does_not_shadow_the_library():
    """With an __init__.py it would, as soon as the checkout is first on the path."""
    assert not (CHECKOUT / "mlflow" / "__init__.py").exists()
    specification = importlib.util.find_spec("mlflow")
    if specification is None or specification.origin is None:  # not there, or only the folder, an empty namespace
        pytest.skip("the library is not installed here; only the pipelines need it")
    code = "import mlflow; print(mlflow.__file__); mlflow.MlflowClient"
    found = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert "site-packages" in found.stdout


def registrations():
    """Names under which the library's parts are saved."""
    names = set()
    for path in LIBRARY:
        nodes = list(ast.walk(ast.parse(path.read_text())))
        given = [node for node in nodes if isinstance(node, ast.Assign) and REGISTER in ast.unparse(node.value)]
        known = {REGISTER, *(node.targets[0].id for node in given)}  # a file with many names it once
        for node in nodes:
            for decorator in getattr(node, "decorator_list", []):
                if any(name in ast.unparse(decorator) for name in known):
                    names.add(f"cvapps>{node.name}")
    return names


def test_importing_cvapps_is_enough_to_load_a_saved_model():
    """Keras looks parts up by name, so each must be known without a further import."""
    expected = registrations()
    assert len(expected) >= 10
    code = "import keras, cvapps; print(*(n for n in keras.saving.get_custom_objects() if n.startswith('cvapps>')))"
    found = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert set(found.stdout.split()) == expected
