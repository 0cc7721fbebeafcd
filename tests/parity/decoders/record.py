"""Records what a public SegNet and a public DeconvNet answer, for `tests/parity/test_decoders.py`.

    python tests/parity/decoders/record.py PATH_TO/SegNet_PyTorch PATH_TO/DeconvNet

Runs where PyTorch and torchvision are, on checkouts of github.com/vinceecws/SegNet_PyTorch at d870acccfeb6 and
github.com/Jasonlee1995/DeconvNet at 4cbff2931e03, with fewer channels; the weights are made from the tensors' names.
SegNet's poolings round up here, as the authors' Caffe does, so that a side of 90 shows its odd maps.
"""

import importlib.metadata
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent.parent / "torch"))
from weights import pictures, sample, tensor

try:
    package = Path(importlib.metadata.distribution("torchvision").locate_file("torchvision"))
    torch.ops.load_library(next(package.glob("_C*")))
except OSError:  # a wheel for CUDA beside PyTorch for the CPU: its import wants these names, VGG calls none
    operators = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        operators.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
import torchvision

WIDTHS = {3: 3, 64: 4, 128: 6, 256: 8, 512: 10, 4096: 12, 21: 5}
MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def narrow(module):
    """The same layers with channels by WIDTHS."""
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d | nn.ConvTranspose2d):
            sizes = child.kernel_size, child.stride, child.padding
            setattr(module, name, type(child)(WIDTHS[child.in_channels], WIDTHS[child.out_channels], *sizes))
        elif isinstance(child, nn.BatchNorm2d):
            setattr(module, name, nn.BatchNorm2d(WIDTHS[child.num_features]))
        else:
            narrow(child)
    return module


def counted(module):
    """Parameters."""
    return sum(p.numel() for p in module.parameters())


def segnet(checkout):
    """The network, its side, where it is looked at, and which module gives the logits."""
    sys.path.insert(0, str(Path(checkout) / "CamVid"))
    from SegNet import SegNet

    with torch.device("meta"):
        network = SegNet(out_chn=21)
    unused = 2 * 21  # a normalization of the scores that it never calls
    assert counted(network) - unused == 29_449_355 + 10 * (3 * 3 * 64 + 1)  # of 11 classes in the authors' file
    del network.BNDe11
    network.MaxEn.ceil_mode = True
    places = ["BNEn12", "BNEn22", "BNEn53", "BNDe53", "BNDe43", "BNDe31", "BNDe12"]
    return narrow(network), 90, places, "ConvDe11"


def deconvnet(checkout):
    """The same; it starts from torchvision's VGG-16, here without weights."""
    build = torchvision.models.vgg16_bn
    torchvision.models.vgg16_bn = lambda pretrained: build()
    sys.path.insert(0, str(Path(checkout) / "Implementation"))
    from model import DeconvNet

    with torch.device("meta"):
        network = DeconvNet(21, init_weights=False)
    assert counted(network) == 251_805_653  # the authors' file
    places = ["conv1", "conv5", "conv67", "deconv67", "deconv5", "deconv4", "deconv2"]
    return narrow(network), 224, places, "deconv1"


def record(name, network, side, places, last):
    """Writes NAME.npz: the tensors' names and shapes, the side, a sample of each place's output."""
    network.eval()
    state = {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    made = {key: torch.from_numpy(tensor(key, value.shape)) for key, value in state.items()}
    network.load_state_dict(made, strict=False)
    outputs = {}
    for place in [*places, last]:
        network.get_submodule(place).register_forward_hook(
            lambda module, inputs, output, place=place: outputs.update({place: output.detach()})
        )
    pixels = (pictures(side) - np.float32(MEAN)) / np.float32(DEVIATION)
    with torch.no_grad():
        network(torch.from_numpy(pixels.transpose(0, 3, 1, 2)))
    outputs["logits"] = outputs.pop(last)
    arrays = {}
    for key, output in outputs.items():
        values = output.numpy().transpose(0, 2, 3, 1)
        arrays[key], arrays[f"{key}:scale"] = sample(values)
        arrays[f"{key}:shape"] = np.array(values.shape)
    shapes = json.dumps({key: list(value.shape) for key, value in state.items()})
    versions = [
        f"{package}=={importlib.metadata.version(package).split('+')[0]}" for package in ("torch", "torchvision")
    ]
    path = Path(__file__).parent / f"{name}.npz"
    np.savez_compressed(path, state=shapes, side=side, versions=versions, **arrays)


if __name__ == "__main__":
    record("segnet", *segnet(sys.argv[1]))
    record("deconvnet", *deconvnet(sys.argv[2]))
