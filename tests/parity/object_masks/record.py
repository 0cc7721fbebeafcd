"""Records what foolwood/deepmask-pytorch answers, for `tests/parity/test_object_masks.py`.

    .venv-torch/bin/python tests/parity/object_masks/record.py PATH

PATH is a checkout of https://github.com/foolwood/deepmask-pytorch at 97b02aa29ce39b9e43144c89937dbead2a99adcc, a port
of the authors' Lua. Its models are run as they stand there, but for the trunk's padding, which is zero as in ours, and
for the refinement's, which repeats the border's own places as the authors' code does, where the port leaves them out.
"""

import importlib.metadata
import json
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, sys.argv[1])
sys.path.insert(0, str(Path(__file__).parent.parent / "torch"))
from weights import pictures, sample, tensor

try:
    package = Path(importlib.metadata.distribution("torchvision").locate_file("torchvision"))
    torch.ops.load_library(next(package.glob("_C*")))
except OSError:  # a wheel for CUDA beside PyTorch for the CPU: its import wants these names, ResNet calls none
    operators = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        operators.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
import torchvision

FOLDER = Path(__file__).parent
PATCH, MASK = 64, 14  # pixels that the mask covers, and its side
Config = namedtuple("Config", ["iSz", "oSz", "gSz", "km", "ks"])


def networks():
    """Both of the port's networks, with untrained trunks."""
    resnet50 = torchvision.models.resnet50
    torchvision.models.resnet50 = lambda pretrained: resnet50()
    deepmask = importlib.import_module("models.DeepMask")
    deepmask.updatePadding = lambda net, padding: None
    torch.nn.ReflectionPad2d = deepmask.SymmetricPad2d
    sharpmask = importlib.import_module("models.SharpMask")
    sharpmask.load_pretrain = lambda model, path: model
    sharpmask.os.path.exists = lambda path: True
    config = Config(PATCH, MASK, MASK, 32, 32)
    return {"deepmask": deepmask.DeepMask(config), "sharpmask": sharpmask.SharpMask(config)}


def record(name, network):
    """Writes the shapes of the network's weights and what it answers."""
    network.eval()
    state = dict([*network.named_parameters(), *network.named_buffers()])
    state = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    with torch.no_grad():
        for key, value in state.items():
            value.copy_(torch.from_numpy(tensor(key, tuple(value.shape))))
        x = (pictures(PATCH + 32) / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
        logits, score = network(torch.from_numpy(x.transpose(0, 3, 1, 2).astype("float32")))
    found = {"state": json.dumps({key: tuple(value.shape) for key, value in state.items()})}
    for place, output in (("logits", logits.permute(0, 2, 3, 1)), ("score", score[:, :, 0, 0])):
        found[place], found[f"{place}:scale"] = sample(output.numpy(), 1024)
        found[f"{place}:shape"] = output.shape
    versions = [f"{package}=={importlib.metadata.version(package)}" for package in ("torch", "torchvision")]
    np.savez_compressed(FOLDER / f"{name}.npz", versions=versions, **found)


if __name__ == "__main__":
    for name, network in networks().items():
        record(name, network)
        print(name)
