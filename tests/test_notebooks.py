"""Every notebook runs from top to bottom, in its quick form."""

import nbformat
import pytest
from nbclient import NotebookClient

from pipelines.home import CHECKOUT

NOTEBOOKS = sorted((CHECKOUT / "notebooks").glob("*.ipynb"))
# what a notebook's cells show, at least so often: pictures, and the lines that its prose points to
SHOWN = {
    "01_from_builder_to_endpoint": {"image/png": 3, "true ": 8},
    "02_what_does_a_network_see": {"image/png": 16, "after: ": 1, "attributed ": 2, "Fourier ": 1, "lost": 2},
}


def test_all_notebooks_are_known():
    assert [path.stem for path in NOTEBOOKS] == sorted(SHOWN)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path, home, monkeypatch):
    monkeypatch.setenv("CVAPPS_HOME", str(home))
    notebook = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "commit notebooks without their outputs"
    settings = [cell for cell in notebook.cells if "EPOCHS = " in cell.source]
    assert len(settings) == 1
    settings[0].source += "\nEPOCHS = 1"
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    shown = "".join(str(cell.get("outputs", "")) for cell in notebook.cells)
    assert all(shown.count(words) >= times for words, times in SHOWN[path.stem].items())
