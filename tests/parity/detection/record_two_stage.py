"""Records what torchvision's two-stage detectors find, for `tests/parity/test_two_stage.py`.

    .venv-torch/bin/python tests/parity/detection/record_two_stage.py

Runs where PyTorch and torchvision are, and nothing of ours. Its compiled kernels aren't needed: RoIAlign is its own
form in Python, a transcript of the kernel but for places outside of the map, to which no box of SMALLEST pixels leads.
Suppression is the loop below.
"""

import importlib.metadata
import json
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "torch"))
from vision import make_importable

make_importable()
from torchvision.models import detection
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.mask_rcnn import MaskRCNN, MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import boxes as box_ops
from torchvision.ops import poolers
from torchvision.ops.misc import FrozenBatchNorm2d
from torchvision.ops.roi_align import _roi_align
from two_stage_weights import scaled
from weights import pictures, tensor

CLASSES, SIDE, WIDTH = 3, 128, 32
FEW = dict(rpn_pre_nms_top_n_test=100, rpn_post_nms_top_n_test=100)  # of a thousand some overlap by just the threshold
SMALLEST = 12  # pixels of a proposal's sides
MARGIN = 1e-5  # from the threshold, of every overlap that is looked at
MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def plain_align(features, rois, output_size, spatial_scale=1.0, sampling_ratio=-1, aligned=False):
    """`torchvision.ops.roi_align` run as it is written, without compiling."""
    return _roi_align.__wrapped__(features, rois, spatial_scale, *output_size, sampling_ratio, aligned)


def plain_nms(boxes, scores, threshold):
    """What torchvision's kernel does, by a loop over the boxes from the best on."""
    left, kept = torch.argsort(scores, descending=True, stable=True), []
    while len(left):
        kept.append(left[0])
        overlap = box_ops.box_iou(boxes[left[:1]], boxes[left[1:]])[0]
        if len(left) > 1 and float((overlap - threshold).abs().min()) < MARGIN:
            sys.exit("two boxes overlap by just the threshold: roundings would decide")
        left = left[1:][overlap <= threshold]
    return torch.stack(kept) if kept else left


def narrow():
    """Mask R-CNN on ResNet-18, its heads WIDTH wide."""
    return MaskRCNN(
        resnet_fpn_backbone(backbone_name="resnet18", weights=None, trainable_layers=5),
        box_head=TwoMLPHead(256 * 7 * 7, WIDTH),
        box_predictor=FastRCNNPredictor(WIDTH, 1 + CLASSES),
        mask_head=MaskRCNNHeads(256, (WIDTH,) * 4, 1),
        mask_predictor=MaskRCNNPredictor(WIDTH, WIDTH, 1 + CLASSES),
        **FEW,
    )


def whole(name):
    """A constructor of torchvision's own."""
    return lambda: getattr(detection, name)(weights=None, weights_backbone=None, num_classes=1 + CLASSES, **FEW)


NETWORKS = {
    "mask_rcnn_narrow": narrow,
    "faster_rcnn_resnet50_fpn": whole("fasterrcnn_resnet50_fpn"),
    "mask_rcnn_resnet50_fpn": whole("maskrcnn_resnet50_fpn"),
}


def record(name):
    """Writes NAME.npz: the tensors' names and shapes, and what is found in two pictures."""
    network = NETWORKS[name]().eval()
    for module in network.modules():
        if isinstance(module, (torch.nn.BatchNorm2d, FrozenBatchNorm2d)):
            module.eps = 0.0  # as torchvision has it for its published weights
    state = {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    made = {key: torch.from_numpy(scaled(tensor, key, tuple(value.shape))) for key, value in state.items()}
    network.load_state_dict(made, strict=False)
    pixels = (pictures(SIDE) - np.float32(MEAN)) / np.float32(DEVIATION)
    network.rpn.min_size = SMALLEST
    images = ImageList(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()), [(SIDE, SIDE)] * 2)
    with torch.no_grad():
        maps = network.backbone(images.tensors)
        proposals, _ = network.rpn(images, maps)
        found, _ = network.roi_heads(maps, proposals, images.image_sizes)
    sides = torch.cat([x["boxes"][:, 2:] - x["boxes"][:, :2] for x in found])
    print(name, "smallest side", float(sides.min()), "largest feature", float(maps["0"].abs().max()), len(sides))
    arrays = {}
    for i, (picture, boxes) in enumerate(zip(found, proposals, strict=True)):
        arrays[f"proposals{i}"] = boxes.numpy()
        arrays |= {f"{key}{i}": picture[key].numpy() for key in ("boxes", "scores", "labels")}
        if "masks" in picture:
            arrays[f"masks{i}"] = picture["masks"][:, 0, ::9, ::9].numpy()
    shapes = json.dumps({key: list(value.shape) for key, value in state.items()})
    versions = [f"{p}=={importlib.metadata.version(p).split('+')[0]}" for p in ("torch", "torchvision")]
    path = Path(__file__).parent / f"{name}.npz"
    np.savez_compressed(path, state=shapes, versions=versions, **arrays)


if __name__ == "__main__":
    poolers.roi_align, box_ops.nms = plain_align, plain_nms
    for row in sys.argv[1:] or NETWORKS:
        record(row)
