"""The chart of accuracy against operations: its numbers, and that every name in it can be read."""

import itertools
import sys

import pytest

import cvapps
from cvapps.analysis import tradeoff
from cvapps.analysis.tradeoff import FAMILIES, TOP1, Point, Tradeoff
from tests.published import FIGURES


def test_every_accuracy_has_a_source_and_a_family():
    assert len(TOP1) == 38
    assert set(TOP1) <= set(cvapps.list_models())
    for name, (top1, source) in TOP1.items():
        assert 56 < top1 < 83
        assert source.startswith(("torchvision", "keras.io", "github.com", "Szegedy"))
        assert [family for family in FAMILIES if name.startswith(family)]


def test_the_numbers_are_the_published_ones():
    table = tradeoff(["resnet34", "resnet18"])
    assert [row.name for row in table.rows] == ["resnet18", "resnet34"]
    published = {f.model: f.value for f in FIGURES if f.quantity == "parameters"}
    for row in table.rows:
        assert row.parameters == published[row.name]
        assert (row.top1, row.source) == TOP1[row.name]
        assert row.multiply_adds == cvapps.analysis.profile(cvapps.create_model(row.name)).multiply_adds
    assert str(table).splitlines()[2].split()[:4] == ["resnet18", "69.8", "1,816", "11.7"]
    with pytest.raises(ValueError, match="no published accuracy is kept for 'resnet19'; the nearest names are"):
        tradeoff(["resnet19"])


# all networks of the table near where they stand, so that none has to be built: (billions of multiply-adds, millions)
NEAR = {
    "alexnet": (0.72, 61), "vgg11": (7.6, 133), "vgg13": (11.3, 133), "vgg16": (15.5, 138), "vgg19": (19.6, 144),
    "googlenet": (1.5, 6.6), "inception_v3": (5.7, 24), "inception_v4": (12.3, 43), "inception_resnet_v2": (13.2, 56),
    "resnet18": (1.8, 11.7), "resnet34": (3.7, 21.8), "resnet50": (4.1, 25.6), "resnet101": (7.8, 44.5),
    "resnet152": (11.5, 60), "resnet50_v2": (4.1, 25.6), "resnet101_v2": (7.8, 44.5), "resnet152_v2": (11.5, 60),
    "wide_resnet50_2": (11.4, 69), "wide_resnet101_2": (22.8, 127), "resnext50_32x4d": (4.2, 25),
    "se_resnet50": (4.1, 28), "se_resnext50_32x4d": (4.3, 27.6), "senet154": (20.7, 115), "densenet121": (2.8, 8),
    "densenet161": (7.7, 28.7), "densenet169": (3.4, 14.1), "densenet201": (4.3, 20), "mobilenet_v1": (0.57, 4.2),
    "mobilenet_v2": (0.3, 3.5), "shufflenet_v2_x0_5": (0.04, 1.4), "shufflenet_v2_x1_0": (0.145, 2.3),
    "shufflenet_v2_x1_5": (0.3, 3.5), "shufflenet_v2_x2_0": (0.58, 7.4), "nasnet_mobile": (0.56, 5.3),
    "nasnet_large": (23.8, 89), "hrnet_w18": (4.3, 21.3), "hrnet_w32": (9, 41.2), "hrnet_w48": (17.3, 77.5),
}  # fmt: skip


def test_every_label_can_be_read():
    """Each name once, inside the frame, over no other name, over no circle's centre."""
    pytest.importorskip("matplotlib")
    assert set(NEAR) == set(TOP1)
    rows = tuple(Point(n, TOP1[n][0], int(g * 1e9), int(m * 1e6), TOP1[n][1]) for n, (g, m) in NEAR.items())
    figure = Tradeoff("all", rows).draw()
    (axes,) = figure.axes
    renderer = figure.canvas.get_renderer()
    frame = axes.get_window_extent(renderer)
    boxes = {text.get_text(): text.get_window_extent(renderer) for text in axes.texts}
    assert sorted(boxes) == sorted(TOP1)
    assert [pair for pair in itertools.combinations(boxes, 2) if boxes[pair[0]].overlaps(boxes[pair[1]])] == []
    centres = axes.transData.transform([(row.multiply_adds / 1e9, row.top1) for row in rows])
    key = axes.child_axes[0].get_window_extent(renderer)
    for box in boxes.values():
        assert frame.x0 < box.x0
        assert box.x1 < frame.x1
        assert frame.y0 < box.y0
        assert box.y1 < frame.y1
        assert not box.overlaps(key)
        assert not any(box.contains(x, y) for x, y in centres)


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'cvapps\[plot\]'"):
        Tradeoff("none", ()).draw()
