"""Records what Foolbox's attacks make of pictures, for `tests/parity/test_foolbox.py`: `make parity-foolbox`.

Runs where PyTorch and Foolbox are, and nothing of ours: the weights are made from the tensors' names. Pictures stay
away from the ends of [0, 255], where DeepFool there is cut and here chooses other values.
"""

import importlib.metadata
import json
import sys
from pathlib import Path

import foolbox
import numpy as np
import torch
from foolbox.attacks import FGSM, L2PGD, L2DeepFoolAttack, LinfDeepFoolAttack, LinfPGD

sys.path.insert(0, str(Path(__file__).parent.parent / "torch"))
from weights import tensor

CLASSES = 6


class Network(torch.nn.Module):
    """A smooth classifier of pictures (N, 3, 8, 8) in [0, 255]: a convolution with tanh, a dense layer."""

    def __init__(self):
        super().__init__()
        shapes = {"conv.weight": (8, 3, 3, 3), "conv.bias": (8,), "fc.weight": (CLASSES, 288), "fc.bias": (CLASSES,)}
        self.tensors = {name: torch.tensor(tensor(name, shape)) for name, shape in shapes.items()}

    def forward(self, x):
        x = torch.nn.functional.conv2d(x / 255, self.tensors["conv.weight"], self.tensors["conv.bias"])
        x = torch.tanh(x).permute(0, 2, 3, 1).reshape(len(x), -1)  # channels last, as ours flattens them
        return x @ self.tensors["fc.weight"].T + self.tensors["fc.bias"]


ATTACKS = {  # {name: (attack, epsilon)}
    "fast": (FGSM(), 6.0),
    "iterative": (LinfPGD(abs_stepsize=1.0, steps=10, random_start=False), 6.0),
    "projected_l2": (L2PGD(abs_stepsize=20.0, steps=12, random_start=False), 60.0),
    "deep_fool_l2": (L2DeepFoolAttack(steps=50, candidates=CLASSES, overshoot=0.02), None),
    "deep_fool_linf": (LinfDeepFoolAttack(steps=50, candidates=CLASSES, overshoot=0.02), None),
}


def main():
    """Writes `foolbox.npz`: pictures and examples channels last."""
    images = np.random.default_rng(6).integers(40, 216, (12, 8, 8, 3)).astype("float32")
    given, network = torch.tensor(images.transpose(0, 3, 1, 2)), Network().eval()
    labels = network(given).argmax(1)
    assert len(set(labels.tolist())) > 2
    record = {"images": images.astype("uint8"), "labels": labels.numpy().astype("uint8")}
    for name, (attack, epsilon) in ATTACKS.items():
        examples, _, fooled = attack(foolbox.PyTorchModel(network, bounds=(0, 255)), given, labels, epsilons=epsilon)
        print(f"{name}: {int(fooled.sum())} of {len(images)} fooled")
        record[name] = examples.numpy().transpose(0, 2, 3, 1)
    versions = {package: importlib.metadata.version(package) for package in ("foolbox", "torch", "numpy")}
    np.savez_compressed(Path(__file__).with_name("foolbox.npz"), versions=json.dumps(versions), **record)


if __name__ == "__main__":
    main()
