"""Records Captum's attributions of torchvision's networks, for `tests/parity/test_captum.py`: `make parity-captum`.

Runs where PyTorch, torchvision and Captum are, and nothing of ours: the weights are made from the tensors' names, as in
the folder `torch`, whose networks these are. They read pixels in [0, 255].
"""

import importlib.metadata
import json
import sys
from pathlib import Path

import numpy as np
import torch

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent / "torch"))
import record as networks
from captum.attr import Deconvolution, GuidedBackprop, IntegratedGradients, LayerGradCam, Occlusion, Saliency
from weights import pictures, sample, tensor

CLASSES_ASKED = [3, 5]  # of the first and of the second picture
STEPS = 8
# {row: (the layer of Grad-CAM, side of the square that hides, its stride: one that doesn't divide the picture)}
NETWORKS = {"alexnet": ("features.12", 56, 40), "resnet18": ("layer4", 20, 12)}
# Captum itself finds another integral of AlexNet in float64, by 5e-3 of the largest value: among the gradients at so
# many places some have a ReLU or a maximum that a rounding decides.
INTEGRATED = ("resnet18",)


class Pixels(torch.nn.Module):
    """(N, 3, H, W) in [0, 255] -> as the network was trained."""

    def __init__(self, mean, deviation):
        super().__init__()
        self.mean, self.deviation = (torch.tensor(x).reshape(3, 1, 1) for x in (mean, deviation))

    def forward(self, x):
        return (x - self.mean) / self.deviation


class InTurn(torch.nn.Module):
    """Two ReLUs by turns, in the place of one that a block calls twice: Captum's hooks need a module for each call."""

    def __init__(self):
        super().__init__()
        self.both = torch.nn.ModuleList([torch.nn.ReLU(), torch.nn.ReLU()])
        self.turn = 1

    def forward(self, x):
        self.turn = 1 - self.turn
        return self.both[self.turn](x)


def prepared(network):
    """The network without ReLUs that work in place or are called twice; ResNet's pooling is padded by zeros as ours is.

    Forward it is all the same behind a ReLU. But the deconvnet's rule lets gradients pass where a window's values are
    all zero, and they then go to the first zero, which may be padding.
    """
    if hasattr(network, "maxpool"):
        network.maxpool = torch.nn.Sequential(torch.nn.ZeroPad2d(1), torch.nn.MaxPool2d(3, 2))
    for block in list(network.modules()):
        if isinstance(block, torch.nn.ReLU):
            block.inplace = False
        elif type(block).__name__ == "BasicBlock":
            block.relu = InTurn()
    return network


def record(name):
    """Writes NAME.npz: tensors' names and shapes, a sample of each attribution."""
    layer, size, stride = NETWORKS[name]
    build, side, (mean, deviation), _ = networks.NETWORKS[name]
    network = prepared(build().eval())
    state = {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    network.load_state_dict({k: torch.from_numpy(tensor(k, v.shape)) for k, v in state.items()}, strict=False)
    model = torch.nn.Sequential(Pixels(mean, deviation), network)
    pixels = torch.from_numpy(pictures(side).transpose(0, 3, 1, 2).copy())

    def ask(asked, **settings):
        return asked.attribute(pixels.clone(), target=CLASSES_ASKED, **settings)

    found = {
        "saliency": ask(Saliency(model), abs=False),
        "guided": ask(GuidedBackprop(model)),
        "deconvnet": ask(Deconvolution(model)),
        "occlusion": ask(
            Occlusion(model), sliding_window_shapes=(3, size, size), strides=(3, stride, stride), baselines=127.5,
            perturbations_per_eval=8,
        )[:, :1],
        "grad_cam": ask(LayerGradCam(model, network.get_submodule(layer)), relu_attributions=True),
    }  # fmt: skip
    if name in INTEGRATED:
        method = IntegratedGradients(model)
        found["integrated_gradients"] = ask(method, n_steps=STEPS, method="gausslegendre")
    arrays = {}
    for key, attribution in found.items():
        values = attribution.detach().numpy().transpose(0, 2, 3, 1)
        arrays[key], arrays[f"{key}:scale"] = sample(values)
        arrays[f"{key}:shape"] = np.array(values.shape)
    shapes = json.dumps({key: list(value.shape) for key, value in state.items()})
    packages = ("captum", "torch", "torchvision", "timm")
    versions = [f"{package}=={importlib.metadata.version(package).split('+')[0]}" for package in packages]
    settings = dict(labels=CLASSES_ASKED, steps=STEPS, size=size, stride=stride)
    path = FOLDER / f"{name}.npz"
    np.savez_compressed(
        path, state=shapes, side=side, classes=networks.CLASSES, versions=versions, **settings, **arrays
    )


if __name__ == "__main__":
    for row in sys.argv[1:] or NETWORKS:
        record(row)
        print(row)
