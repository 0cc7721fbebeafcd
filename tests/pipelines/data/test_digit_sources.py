"""Digits and photographs from where they lie, none in both splits."""

import numpy as np
import pytest

from pipelines.data.digit_sources import open_digits, open_photographs
from tests.pipelines.data.mnist_folders import idx, mnist_folder
from tests.pipelines.data.samples import encoded, photo


def test_no_digit_and_no_photograph_is_in_both_splits():
    ink = open_digits("")
    scans = [{scan.tobytes() for scan in ink[split][0]} for split in ("train", "validation")]
    assert len(ink["train"][0]) + len(ink["validation"][0]) == 1797
    assert len(scans[0] & scans[1]) <= 2  # of people who wrote the same
    train, validation = ([np.asarray(read()) for read in part] for part in open_photographs("").values())
    assert [part.shape[1] for part in train + validation] == [480, 480, 160, 160]


@pytest.mark.parametrize("zipped", [True, False])
def test_digits_from_idx_files(tmp_path, zipped):
    found = open_digits(str(mnist_folder(tmp_path / "mnist", zipped)))
    assert [(ink.shape, labels.tolist()) for ink, labels in found.values()] == [
        ((12, 28, 28), [*range(10), 0, 1]),
        ((10, 28, 28), list(range(10))),
    ]


def test_digits_from_arrays(tmp_path):
    scans, labels = np.full((4, 9, 9), 200, "uint8"), np.array([1, 2, 3, 9])
    np.savez(tmp_path / "some.npz", x_train=scans, y_train=labels, x_test=scans[:2], y_test=labels[:2])
    assert [len(part[1]) for part in open_digits(str(tmp_path)).values()] == [4, 2]
    np.savez(tmp_path / "some.npz", x_train=scans, y_train=labels[:3], x_test=scans, y_test=labels)
    with pytest.raises(ValueError, match=r"expected uint8 \[N, h, w\] and as many digits"):
        open_digits(str(tmp_path))
    np.savez(tmp_path / "some.npz", x_train=scans)
    with pytest.raises(ValueError, match=r"some\.npz: there is no \['y_train'\]"):
        open_digits(str(tmp_path))


def test_photographs_of_a_folder(tmp_path):
    for number in range(10):
        (tmp_path / f"{number}.png").write_bytes(encoded(photo(70, 90, number)))
    found = open_photographs(str(tmp_path))
    assert [len(part) for part in found.values()] == [8, 2]
    pixels = {np.asarray(read()).tobytes() for part in found.values() for read in part}
    assert len(pixels) == 10
    (tmp_path / "0.png").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"0\.png: the photograph cannot be read"):
        [read() for part in found.values() for read in part]


def test_folders_without_digits_or_photographs(tmp_path):
    with pytest.raises(ValueError, match=r"there is no train-images-idx3-ubyte, nor with \.gz"):
        open_digits(str(tmp_path))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(np.ones((2, 5, 5)), 3)[:-1])
    with pytest.raises(ValueError, match="train-images-idx3-ubyte: expected an idx file of bytes, whole"):
        open_digits(str(tmp_path))
    with pytest.raises(ValueError, match="expected a folder of five photographs or more; there are 0"):
        open_photographs(str(tmp_path))
