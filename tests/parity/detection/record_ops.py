"""Records how torchvision lays, matches and codes boxes, for `tests/parity/test_detection_ops.py`.

.venv-torch/bin/python tests/parity/detection/record_ops.py
"""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "torch"))
from vision import make_importable

make_importable()
from torchvision.models.detection import _utils
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.fcos import FCOS
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.ssd import SSD
from torchvision.ops import box_iou

SOME = 29  # of SSD's boxes one in so many is written


def boxes(rng, count, side, smallest, largest):
    """Random boxes in a square picture."""
    sides = rng.uniform(smallest, largest, (count, 2))
    low = rng.uniform(0, 1, (count, 2)) * (side - sides)
    return torch.tensor(np.concatenate([low, low + sides], axis=-1), dtype=torch.float32)


def lay(generator, size, maps):
    """What a generator of boxes lays over maps of those sizes."""
    images = ImageList(torch.zeros(1, 3, *size), [size])
    return generator(images, [torch.zeros(1, 1, *shape) for shape in maps])[0]


def fcos(anchors, truth, counts):
    """The boxes that FCOS gives to the anchors, as its head is told them."""
    head = SimpleNamespace(compute_loss=lambda targets, outputs, anchors, matched: matched[0])
    model = SimpleNamespace(center_sampling_radius=1.5, head=head)
    return FCOS.compute_loss(model, [{"boxes": truth}], {}, [anchors], counts)


def ssd(anchors, truth, labels, matched, logits):
    """The class loss of one picture."""
    model = SimpleNamespace(box_coder=_utils.BoxCoder((10.0, 10.0, 5.0, 5.0)), neg_to_pos_ratio=3)
    outputs = {"bbox_regression": torch.zeros(1, len(anchors), 4), "cls_logits": logits[None]}
    losses = SSD.compute_loss(model, [{"boxes": truth, "labels": labels}], outputs, [anchors], [matched])
    return losses["classification"]


def answers():
    """{name: tensor} of inputs and answers."""
    rng = np.random.default_rng(0)
    found = {}
    octaves = AnchorGenerator([(16, 20, 25), (32, 40, 50)], [(0.5, 1.0, 2.0)] * 2)
    found["anchors"] = anchors = lay(octaves, (64, 96), [(8, 12), (4, 6)])
    found["anchors_uneven"] = lay(AnchorGenerator(((128, 256, 512),)), (100, 70), [(13, 8)])
    priors = DefaultBoxGenerator(
        [[2], [2, 3], [2, 3], [2, 3], [2], [2]],
        scales=[0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05],
        steps=[8, 16, 32, 64, 100, 300],
    )
    found["priors"] = lay(priors, (300, 300), [(38, 38), (19, 19), (10, 10), (5, 5), (3, 3), (1, 1)])[::SOME]
    found["truth"] = truth = boxes(rng, 12, 64, 8, 40)
    overlap = box_iou(truth, anchors)
    for name, matcher in (
        ("threshold", _utils.Matcher(0.5, 0.3)),
        ("low_quality", _utils.Matcher(0.6, 0.3, allow_low_quality_matches=True)),
        ("ssd", _utils.SSDMatcher(0.5)),
    ):
        found[f"matched_{name}"] = matcher(overlap)
    assert len(set(overlap.argmax(1).tolist())) == len(truth)  # where boxes share the best anchor SSD's papers differ
    found["logits"] = logits = torch.tensor(rng.normal(size=(len(anchors), 4)), dtype=torch.float32)
    found["labels"] = labels = torch.tensor(rng.integers(1, 4, len(truth)))
    found["ssd_loss"] = ssd(anchors, truth, labels, found["matched_ssd"], logits)

    found["regions"] = regions = boxes(rng, 40, 300, 4, 200)
    found["targets"] = targets = boxes(rng, 40, 300, 4, 200)
    found["deltas"] = deltas = torch.tensor(rng.normal(scale=4, size=(40, 4)), dtype=torch.float32)
    for name, weights in (("rpn", (1.0,) * 4), ("head", (10.0, 10.0, 5.0, 5.0))):
        coder = _utils.BoxCoder(weights)
        found[f"encoded_{name}"] = coder.encode_single(targets, regions)
        found[f"decoded_{name}"] = coder.decode_single(deltas, regions)

    strides = (8, 16, 32)
    maps = [(128 // stride,) * 2 for stride in strides]
    found["squares"] = squares = lay(AnchorGenerator([(stride,) for stride in strides], [(1.0,)] * 3), (128, 128), maps)
    found["wanted"] = wanted = boxes(rng, 14, 128, 10, 120)
    found["matched_fcos"] = fcos(squares, wanted, [height * width for height, width in maps])
    linear = _utils.BoxLinearCoder(normalize_by_size=True)
    matched = wanted[found["matched_fcos"].clamp(min=0)]
    found["encoded_fcos"] = linear.encode(squares, matched)
    found["decoded_fcos"] = linear.decode(found["encoded_fcos"] * 0.5 + 1, squares)
    return found


if __name__ == "__main__":
    np.savez_compressed(Path(__file__).with_name("ops.npz"), **{name: x.numpy() for name, x in answers().items()})
