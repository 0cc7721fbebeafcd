"""What each two-stage detector's paper says of its places."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

import cvapps
from cvapps.detection.detectors_two_stage import FAST_RCNN, FASTER_RCNN, FASTER_RCNN_FPN, MASK_RCNN_FPN
from cvapps.detection.proposals import Given, ProposalNetwork
from tests.tolerances import SAME_MATH


def test_what_each_paper_changed():
    def changed(old, new):
        return set(cvapps.changes(new, old))

    assert changed("fast_rcnn_vgg16", "faster_rcnn_vgg16") == {"propose", "sampling"}
    assert changed("faster_rcnn_resnet50_fpn", "mask_rcnn_resnet50_fpn") == {"mask"}
    assert {"neck", "regions", "head"} < changed("faster_rcnn_vgg16", "faster_rcnn_resnet50_fpn")


def test_the_paper_s_anchors_are_three_sizes_of_three_shapes():
    cell = FASTER_RCNN.propose.cells[16]
    sides = cell[:, 2:] - cell[:, :2]
    assert cell.shape == (9, 4)
    assert_allclose(np.sort(np.sqrt(sides.prod(axis=-1))), np.repeat([128, 256, 512], 3), **SAME_MATH)
    assert_allclose(np.sort(sides[:, 1] / sides[:, 0]), np.repeat([0.5, 1, 2], 3), **SAME_MATH)
    assert isinstance(FASTER_RCNN.propose, ProposalNetwork)
    assert FAST_RCNN.propose == Given()


def test_one_anchor_size_of_three_shapes_on_each_level_of_a_pyramid():
    """Lin et al. 2016, arXiv:1612.03144, section 4.1."""
    for stride, cell in FASTER_RCNN_FPN.propose.cells.items():
        sides = cell[:, 2:] - cell[:, :2]
        assert cell.shape == (3, 4)
        assert_array_equal(cell, np.round(cell))
        assert_allclose(np.sqrt(sides.prod(axis=-1)), [8 * stride] * 3, rtol=0, atol=1)  # rounded
    assert list(FASTER_RCNN_FPN.propose.cells) == [4, 8, 16, 32, 64]


def test_what_is_drawn():
    """Girshick 2015, section 2.3; Ren et al. 2015, section 3.1.3; He et al. 2017, section 3.1."""
    drawn = [(spec.sampling.count, spec.sampling.most) for spec in (FAST_RCNN, FASTER_RCNN, MASK_RCNN_FPN)]
    assert drawn == [(64, 16), (128, 32), (512, 128)]
    assert (FASTER_RCNN.propose.sampling.count, FASTER_RCNN.propose.sampling.most) == (256, 128)
    assert FASTER_RCNN.propose.after == (300, 2000)
