"""Records what torchvision's one-stage detectors find, for `tests/parity/test_one_stage.py`.

    .venv-torch/bin/python tests/parity/detection/record_one_stage.py

Their weights are made from the tensors' names, as those of the classifiers in `tests/parity/torch`; the last layers'
have another size, that scores don't all end at 1.
"""

import importlib.metadata
import json
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "torch"))
from vision import make_importable

make_importable()
import torchvision
from one_stage_weights import picture, tensor
from torchvision.models.detection import FCOS, RetinaNet
from torchvision.models.detection._utils import overwrite_eps
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
from torchvision.ops.feature_pyramid_network import LastLevelP6P7
from torchvision.ops.misc import FrozenBatchNorm2d

CLASSES = 7


def greedy(boxes, scores, threshold):
    """Non-maximum suppression by its definition, for the compiled one doesn't load beside PyTorch for the CPU."""
    order, kept = torch.argsort(scores, descending=True, stable=True), []
    overlap = torchvision.ops.box_iou(boxes, boxes)
    for i in order.tolist():
        if not any(overlap[i, j] > threshold for j in kept):
            kept.append(i)
    return torch.tensor(kept, dtype=torch.int64)


torchvision.ops.boxes.nms = greedy
SIZE = (256, 384)  # multiples of the coarsest stride: for others torchvision's anchors have other strides


def network(kind, epsilon):
    """A detector on ResNet-50 with the settings of torchvision's own constructor."""
    body = torchvision.models.resnet50(norm_layer=FrozenBatchNorm2d)
    backbone = _resnet_fpn_extractor(body, 5, returned_layers=[2, 3, 4], extra_blocks=LastLevelP6P7(256, 256))
    made = kind(backbone, CLASSES, min_size=min(SIZE), max_size=max(SIZE))
    overwrite_eps(made, epsilon)
    return made.eval()


def record(name, kind, epsilon):
    """Writes NAME.npz: the tensors' names and shapes, and the boxes, scores and classes of a picture."""
    made = network(kind, epsilon)
    state = made.state_dict()
    made.load_state_dict({key: torch.from_numpy(tensor(name, key, value.shape)) for key, value in state.items()})
    raw = {}
    made.head.register_forward_hook(lambda module, inputs, output: raw.update(output))
    image = torch.from_numpy(picture(SIZE)[0].transpose(2, 0, 1) / np.float32(255))
    with torch.no_grad():
        found = made([image])[0]
    for key, value in raw.items():
        print(key, tuple(value.shape), "deviation", float(value.std()), "largest", float(value.abs().max()))
    print(name, {key: tuple(value.shape) for key, value in found.items()}, found["scores"][[0, -1]])
    shapes = json.dumps({key: list(value.shape) for key, value in state.items()})
    packages = ("torch", "torchvision")
    versions = [f"{package}=={importlib.metadata.version(package).split('+')[0]}" for package in packages]
    arrays = {key: value.numpy() for key, value in found.items()}
    path = Path(__file__).parent / f"{name}.npz"
    np.savez_compressed(path, state=shapes, size=SIZE, classes=CLASSES, versions=versions, **arrays)


if __name__ == "__main__":
    record("retinanet_resnet50", RetinaNet, 0.0)
    record("fcos_resnet50", FCOS, 1e-5)
