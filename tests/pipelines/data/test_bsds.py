"""The Berkeley folder: what is read from MATLAB's files, the rule of three, and what is refused."""

import zipfile

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from pipelines.data.bsds import consensus, open_bsds, read_annotators

matlab = pytest.importorskip("scipy.io", reason="annotations are files of MATLAB's")
SIZE = (5, 7)


def write_truth(path, maps):
    """Annotations as the data set has them: a cell for each annotator, with a struct of two maps."""
    cells = np.empty((1, len(maps)), object)
    for i, one in enumerate(maps):
        cells[0, i] = {"Segmentation": np.ones(one.shape, "uint16"), "Boundaries": one.astype("uint8")}
    path.parent.mkdir(parents=True, exist_ok=True)
    matlab.savemat(path, {"groundTruth": cells})


@pytest.fixture
def folder(tmp_path, rng):
    """Two training pictures and a validation picture, with five annotators each; and what they drew."""
    drawn = {}
    for split, stem in (("train", "b"), ("train", "a"), ("val", "c")):
        drawn[stem] = rng.random((5, *SIZE)) < 0.4
        write_truth(tmp_path / "groundTruth" / split / f"{stem}.mat", drawn[stem])
        image = tmp_path / "images" / split / f"{stem}.jpg"
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (*SIZE, 3), "uint8")).save(image)
    (tmp_path / "images" / "train" / "Thumbs.db").touch()  # as the archive has
    return tmp_path, drawn


def test_reads_the_splits_in_order(folder):
    root, drawn = folder
    found = open_bsds(root)
    assert {split: [one.image.stem for one in ones] for split, ones in found.items()} == {
        "train": ["a", "b"],
        "val": ["c"],
    }
    for one in (*found["train"], *found["val"]):
        assert_array_equal(one.annotators, drawn[one.image.stem])
        assert one.annotators.dtype == bool
        assert_array_equal(one.labels, drawn[one.image.stem].sum(0) >= 3)
        assert one.labels.dtype == np.uint8


def test_finds_the_archive_s_own_folders(folder, tmp_path_factory):
    root, _ = folder
    above = tmp_path_factory.mktemp("above")
    (above / "BSDS500").mkdir()
    root.rename(above / "BSDS500" / "data")
    assert len(open_bsds(above)["train"]) == len(open_bsds(above / "BSDS500")["train"]) == 2


def test_three_of_any_number_agree():
    votes = np.arange(6)
    drawn = np.array([votes > i for i in range(5)])[:, None]
    assert consensus(drawn).tolist() == [[0, 0, 0, 1, 1, 1]]


def test_a_folder_of_another_kind(tmp_path, folder):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        open_bsds(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="expected the folders images and groundTruth"):
        open_bsds(tmp_path / "empty")
    root, _ = folder
    (root / "images" / "val").rename(root / "images" / "other")
    with pytest.raises(ValueError, match=r"expected train and one of val and test, not \['train'\]"):
        open_bsds(root)


def test_a_file_without_its_partner(folder):
    root, _ = folder
    (root / "groundTruth/train/a.mat").unlink()
    with pytest.raises(ValueError, match=r"a\.jpg: there is no file of that name in .*groundTruth"):
        open_bsds(root)
    (root / "images/train/a.jpg").unlink()
    (root / "images/val/c.jpg").unlink()
    with pytest.raises(ValueError, match=r"c\.mat: there is no file of that name in .*images"):
        open_bsds(root)


def test_annotations_that_do_not_fit(folder):
    root, _ = folder
    path = root / "groundTruth/train/a.mat"
    write_truth(path, np.zeros((3, 4, 7)))
    with pytest.raises(ValueError, match=r"a\.mat: its height and width are \(4, 7\), those of its picture \(5, 7\)"):
        open_bsds(root)
    write_truth(path, [np.zeros((5, 7)), np.zeros((5, 6))])
    with pytest.raises(ValueError, match="boundary maps of one height and width"):
        read_annotators(path)
    matlab.savemat(path, {"other": 1})
    with pytest.raises(ValueError, match=r"a\.mat: no annotators' boundaries can be read: KeyError"):
        read_annotators(path)
    path.write_bytes(b"no file of MATLAB's")
    with pytest.raises(ValueError, match=r"a\.mat: no annotators' boundaries can be read"):
        read_annotators(path)


def test_the_shared_pictures(shared_data, tmp_path):
    """Ten of them: three annotators agree on one pixel in 120 (measured), for lines lie beside each other."""
    archive = shared_data / "bsds500/BSDS500_subset.zip"
    with zipfile.ZipFile(archive) as pictures:
        names = sorted(name for name in pictures.namelist() if "." in name)
        stems = {name.split("/")[-1].split(".")[0] for name in [n for n in names if "/train/" in n][:5]}
        stems |= {name.split("/")[-1].split(".")[0] for name in [n for n in names if "/val/" in n][:5]}
        for name in names:
            if name.split("/")[-1].split(".")[0] in stems:
                pictures.extract(name, tmp_path)
    found = open_bsds(tmp_path)
    assert {split: len(ones) for split, ones in found.items()} == {"train": 5, "val": 5}
    ones = [one for split in found.values() for one in split]
    assert {one.labels.shape for one in ones} <= {(321, 481), (481, 321)}
    assert {len(one.annotators) for one in ones} <= set(range(4, 10))
    assert 0.006 < np.mean([one.labels.mean() for one in ones]) < 0.01
