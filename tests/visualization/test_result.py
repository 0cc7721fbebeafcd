"""The sheet that every visualization gives: its layout, where it goes, and what doesn't fit into it."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from cvapps.visualization.result import Visualization, magnitude_pictures, signed_pictures
from tests.tolerances import EXACT, SAME_MATH

pytest.importorskip("matplotlib")
Image = pytest.importorskip("PIL.Image")

PICTURES = np.random.default_rng(0).uniform(0, 255, (3, 4, 6, 3))
SHEET = Visualization("three", {"image": PICTURES, "map": PICTURES[..., :1]}, np.arange(3), rows=("a", "b", "c"))


def test_a_row_for_each_sample_and_a_column_for_each_kind():
    axes = SHEET.figure().axes
    assert [one.get_title() for one in axes] == ["image: a", "map", "b", "", "c", ""]
    for i, one in enumerate(axes):
        (shown,) = one.get_images()
        expected = np.round(PICTURES[i // 2]).astype(np.uint8)
        assert_allclose(shown.get_array(), expected if i % 2 == 0 else expected[..., 0], **EXACT)


def test_a_single_column_is_a_square_of_cells():
    sheet = Visualization("three", {"image": PICTURES}, np.arange(3), rows=("a", "$b", "c"))
    axes = sheet.figure().axes
    assert len(axes) == 4
    assert [one.get_title() for one in axes] == ["a", r"\$b", "c", ""]


def test_it_is_written_and_shown(tmp_path, monkeypatch):
    path = SHEET.save(tmp_path / "new" / "sheet.png")
    with Image.open(path) as picture:
        size = picture.size
    assert min(size) > 100

    shown = []
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    monkeypatch.setattr(Image.Image, "show", lambda picture, title: shown.append((picture.size, title)))
    SHEET.show()
    assert shown == [(size, "three")]

    display = SimpleNamespace(display=shown.append)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: "shell", display=display))
    SHEET.show()
    assert shown[1:] == [SHEET]
    assert SHEET._repr_png_().startswith(b"\x89PNG")


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="at least one sample and one column, got 0 and 1"):
        Visualization("none", {"map": PICTURES[:0]}, np.arange(0))
    with pytest.raises(ValueError, match="at least one sample and one column, got 3 and 0"):
        Visualization("none", {}, np.arange(3))
    with pytest.raises(ValueError, match=r"column 'map': expected \[3, H, W, 1 or 3\], got \[2, 4, 6, 3\]"):
        Visualization("three", {"map": PICTURES[:2]}, np.arange(3))
    with pytest.raises(ValueError, match="a name for each of 3 rows, got 1"):
        Visualization("three", {"map": PICTURES}, np.arange(3), rows=("a",))


def test_maps_become_pictures_by_each_sample_s_largest_value():
    maps = np.array([[[[1.0, -4.0]]], [[[0.0, 0.0]]]])
    assert_allclose(signed_pictures(maps), [[[[127.5 + 127.5 / 4, 0.0]]], [[[127.5, 127.5]]]], **SAME_MATH)
    assert_allclose(magnitude_pictures(maps), [[[[255.0]]], [[[0.0]]]], **SAME_MATH)
