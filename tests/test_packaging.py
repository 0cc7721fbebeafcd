"""The wheel: the library alone, for any system, with whichever backend the reader has."""

import ast
import itertools
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from setuptools import find_packages

CHECKOUT = Path(__file__).resolve().parent.parent
LIBRARY = CHECKOUT / "cvapps"
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
BACKENDS = {"tensorflow", "jax", "torch"}
IMPORTED_AS = {"scikit-image": "skimage", "scikit-learn": "sklearn"}
USE = """
import os, sys
before = os.environ.get("KERAS_BACKEND")
import cvapps, keras, numpy as np
assert os.environ.get("KERAS_BACKEND") == before
assert {site!r} in cvapps.__file__, cvapps.__file__
model = cvapps.create_model("resnet18", num_classes=3, input_shape=(32, 32, 3))
assert model.predict(np.zeros((1, 32, 32, 3), "uint8"), verbose=0).shape == (1, 3)
foreign = {{"pipelines", "mlflow", "keras_cv", "tensorflow_datasets", "tensorflow", "jax", "torch"}} - {{{backend!r}}}
assert keras.backend.backend() == {backend!r}
print("seen", sorted(foreign & set(sys.modules)))
"""


def names(requirements):
    """Distribution names of a list of requirements, as they are imported."""
    found = (re.match(r"[\w-]+", requirement)[0] for requirement in requirements)
    return {IMPORTED_AS.get(name, name.replace("-", "_")) for name in found}


def imports(path):
    """(top-level package, whether a function holds the import) of every import of a file."""
    tree = ast.parse(path.read_text())
    inside = {id(node) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for node in ast.walk(f)}
    for node in ast.walk(tree):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            modules = ["cvapps" if node.level else node.module]
        yield from ((module.split(".")[0], id(node) in inside) for module in modules)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy so that the checkout stays clean, with the setuptools that is installed here."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(CHECKOUT, source, ignore=shutil.ignore_patterns(".*", "var", "build", "dist", "*.egg-info"))
    pip = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder]
    subprocess.run(pip, cwd=source, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_discovery_finds_the_library_s_packages_and_no_other_folder():
    found = find_packages(CHECKOUT, include=PROJECT["tool"]["setuptools"]["packages"]["find"]["include"])
    folders = {path.parent for path in LIBRARY.rglob("*.py")}
    assert len(folders) >= 6
    assert set(found) == {".".join(folder.relative_to(CHECKOUT).parts) for folder in folders}


def test_what_the_library_imports_is_what_it_depends_on():
    """A package of an extra may be imported by a function; a backend by those of `backend.py` alone."""
    required = names(PROJECT["project"]["dependencies"])
    extras = names(itertools.chain(*PROJECT["project"]["optional-dependencies"].values()))
    assert not required & BACKENDS
    seen = set()
    for path in LIBRARY.rglob("*.py"):
        for package, lazy in imports(path):
            seen.add(package)
            allowed = required | {"cvapps"} | set(sys.stdlib_module_names)
            if lazy:
                allowed |= extras - (set() if path == LIBRARY / "backend.py" else BACKENDS)
            assert package in allowed, f"{path} imports {package}"
    assert required <= seen


def test_the_wheel_holds_the_library_for_any_system(wheel):
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = archive.namelist()
        metadata = archive.read(next(name for name in held if name.endswith("/METADATA"))).decode()
    modules = {str(path.relative_to(CHECKOUT)) for kind in ("*.py", "*.tsv") for path in LIBRARY.rglob(kind)}
    assert {name for name in held if ".dist-info/" not in name} == modules
    assert any(name.endswith("licenses/LICENSE") for name in held)
    assert "Requires-Python: >=3.11" in metadata
    needed = {line.split(": ")[1] for line in metadata.splitlines() if line.startswith("Requires-Dist:")}
    assert names(need for need in needed if "extra ==" not in need) == {"keras", "numpy", "typeguard"}


def test_the_installed_wheel_builds_a_model_without_the_checkout(wheel, tmp_path):
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", site, wheel]
    subprocess.run(pip, check=True, capture_output=True)
    code = USE.format(site=str(site), backend="tensorflow")
    environment = {**os.environ, "PYTHONPATH": str(site), "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "seen []" in done.stdout


@pytest.mark.slow
def test_the_wheel_and_jax_are_enough(wheel, tmp_path):
    """A fresh environment with no TensorFlow in it."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    done = subprocess.run([python, "-m", "pip", "install", f"{wheel}[jax]"], capture_output=True, text=True)
    if "connection" in done.stderr.lower():
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"KERAS_BACKEND": "jax"}
    code = USE.format(site=str(tmp_path / "venv"), backend="jax")
    done = subprocess.run([python, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "seen []" in done.stdout
