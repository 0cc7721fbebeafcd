"""Records what torchvision's SSD300 finds, for `tests/parity/test_ssd.py`.

    .venv-torch/bin/python tests/parity/detection/record_ssd.py

Its weights are made from the tensors' names, as those of the classifiers in `tests/parity/torch`.
"""

import importlib.metadata
import json
import sys
from pathlib import Path

import numpy as np
import torch

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "torch")]
from vision import make_importable

make_importable()
import torchvision
from ssd_weights import picture, tensor
from torchvision.models.detection import ssd300_vgg16

CLASSES = 7


def greedy(boxes, scores, threshold):
    """Non-maximum suppression by its definition, for the compiled one doesn't load beside PyTorch for the CPU."""
    overlap = torchvision.ops.box_iou(boxes, boxes) > threshold
    kept, gone = [], torch.zeros(len(boxes), dtype=torch.bool)
    for i in torch.argsort(scores, descending=True, stable=True).tolist():
        if not gone[i]:
            kept.append(i)
            gone |= overlap[i]
    return torch.tensor(kept, dtype=torch.int64)


torchvision.ops.boxes.nms = greedy

if __name__ == "__main__":
    network = ssd300_vgg16(weights=None, weights_backbone=None, num_classes=CLASSES).eval()
    state = network.state_dict()
    network.load_state_dict({key: torch.from_numpy(tensor(key, value.shape)) for key, value in state.items()})
    raw = {}
    network.head.register_forward_hook(lambda module, inputs, output: raw.update(output))
    image = torch.from_numpy(picture()[0].transpose(2, 0, 1) / np.float32(255))
    with torch.no_grad():
        found = network([image])[0]
    for key, value in raw.items():
        print(key, tuple(value.shape), "deviation", float(value.std()), "largest", float(value.abs().max()))
    scores = found["scores"].numpy()
    print({key: tuple(value.shape) for key, value in found.items()}, scores[[0, -1]], -np.diff(scores).max())
    print(np.bincount(found["labels"].numpy()))
    shapes = json.dumps({key: list(value.shape) for key, value in state.items()})
    packages = ("torch", "torchvision")
    versions = [f"{package}=={importlib.metadata.version(package).split('+')[0]}" for package in packages]
    arrays = {key: value.numpy() for key, value in found.items()}
    path = Path(__file__).parent / "ssd300.npz"
    np.savez_compressed(path, state=shapes, classes=CLASSES, versions=versions, **arrays)
