"""The genealogy: what each paper changed of its ancestor."""

import cvapps
from cvapps.detection.detectors_one_stage import FCOS, GHM, RETINANET
from cvapps.registry import changes


def test_what_each_paper_changed():
    changed = changes("fcos_resnet50", "retinanet_resnet50")
    assert set(changed) == {
        "anchors", "head", "match", "encode", "decode", "class_loss", "box_loss", "quality_loss", "scores",
        "score_threshold", "nms_threshold", "detections",
    }  # fmt: skip
    assert set(changes("retinanet_ghm_resnet50", "retinanet_resnet50")) == {"class_loss", "box_loss"}
    assert changes("retinanet_resnet50", "retinanet_resnet50") == {}


def test_rows_are_their_values():
    """What a row builds with is the dataclass, place by place."""
    rows = {"retinanet_resnet50": RETINANET, "fcos_resnet50": FCOS, "retinanet_ghm_resnet50": GHM}
    for name, detector in rows.items():
        assert cvapps.model_info(name).defaults == {**vars(detector), "name": name}
        assert cvapps.model_info(name).task == "detection"
