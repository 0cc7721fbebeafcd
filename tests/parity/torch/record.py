"""Records what PyTorch's networks answer, for `tests/parity/test_torch.py`: `make parity-torch`, or names of rows.

Runs where PyTorch, torchvision and timm are, and nothing of ours: the weights are made from the tensors' names. Code of
authors, where no package has it, is read from clones of their repositories in the folder AUTHORS_CODE, which the rows
of AUTHORS need: OWNER/NAME in it at the commit named there.
"""

import importlib
import importlib.metadata
import json
import os
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from vision import make_importable
from weights import pictures, sample, tensor

make_importable()
import timm
import torchvision

CLASSES = 7
# {row: (constructor, side of the picture, mean and deviation of RGB in [0, 255], modules whose outputs are recorded)}
IMAGENET = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
CENTRED = (127.5,) * 3, (127.5,) * 3
SHUFFLENET = ["maxpool", "stage2.3.branch2", "stage4.0.branch1", "conv5"]
HRNET = [
    "layer1", "stage2.0.branches.1", "stage4.0.branches.0", "stage4.1.branches.3", "incre_modules.1", "final_layer",
]  # fmt: skip
LAYERS = [f"layer{i}" for i in range(1, 5)]


def vision(name, **settings):
    """A constructor of torchvision."""
    return lambda: getattr(torchvision.models, name)(num_classes=CLASSES, **settings)


def timm_model(name, **settings):
    """A constructor of timm."""
    return lambda: timm.create_model(name, num_classes=CLASSES, **settings)


def pools(*places):
    """Modules of a sequence called features; no ReLU behind changes a pooling's output in place."""
    return [f"features.{place}" for place in places]


def narrow(name, hidden):
    """A constructor of torchvision, with fewer units in the two hidden layers of the classifier."""

    def build():
        network = vision(name)()
        widths = iter([*hidden, CLASSES])
        linear = [i for i, layer in enumerate(network.classifier) if isinstance(layer, torch.nn.Linear)]
        inputs = network.classifier[linear[0]].in_features
        for i in linear:
            network.classifier[i] = torch.nn.Linear(inputs, inputs := next(widths))
        return network

    return build


AUTHORS = {  # {repository: commit}
    "hszhao/semseg": "4f274c3f276778228bc14a4565822d46359f0cc8",
    "XuJiacong/PIDNet": "4c158cf24ce432f0a8cb43364fae38d93cee0dc3",
}


def authors(repository, module, name, **settings):
    """The network of that name in a module of somebody's repository."""
    if "AUTHORS_CODE" not in os.environ:
        sys.exit(f"clone {repository} at {AUTHORS[repository]} and say in AUTHORS_CODE where {repository} lies")
    sys.path.insert(0, str(Path(os.environ["AUTHORS_CODE"]) / repository))
    network = getattr(importlib.import_module(module), name)(**settings)
    sys.path.pop(0)
    return network


def pspnet(layers):
    """Zhao's PSPNet, whose auxiliary classifier answers beside it."""

    def build():
        network = authors("hszhao/semseg", "model.pspnet", "PSPNet", layers=layers, classes=CLASSES, pretrained=False)
        alone = network.forward

        def forward(x):
            network.aux(network.layer3(network.layer2(network.layer1(network.layer0(x)))))
            return alone(x)

        network.forward = forward
        return network

    return build


def pidnet(**settings):
    """Xu's PIDNet, its classes enlarged to the picture's size as in training."""

    def build():
        network = authors("XuJiacong/PIDNet", "models.pidnet", "PIDNet", num_classes=CLASSES, augment=True, **settings)
        alone = network.forward

        def forward(x):
            return torch.nn.functional.interpolate(alone(x)[1], x.shape[2:], mode="bilinear", align_corners=True)

        network.forward = forward
        return network

    return build


PSPNET = ["layer3", "layer4", "ppm", "aux", "cls"]
PIDNET = ["layer2", "layer4", "layer5", "spp", "pag3", "layer5_", "layer5_d", "dfm", "seghead_p", "seghead_d"]
NETWORKS = {
    "alexnet": (narrow("alexnet", (64, 32)), 224, IMAGENET, pools(2, 5, 12)),
    "vgg11_bn": (timm_model("vgg11_bn", mlp_ratio=1 / 64), 224, IMAGENET, pools(3, 7, 14, 21, 28)),
    "vgg13": (narrow("vgg13", (64, 32)), 224, IMAGENET, pools(4, 9, 14, 19, 24)),
    "resnet18": (vision("resnet18"), 64, IMAGENET, LAYERS),
    "resnet50": (vision("resnet50"), 64, IMAGENET, LAYERS),
    "resnext50_32x4d": (vision("resnext50_32x4d"), 64, IMAGENET, LAYERS),
    "wide_resnet50_2": (vision("wide_resnet50_2"), 64, IMAGENET, LAYERS),
    "se_resnet50": (timm_model("seresnet50"), 64, IMAGENET, LAYERS),
    "senet154": (timm_model("senet154", layers=(1, 2, 2, 1)), 64, IMAGENET, LAYERS),
    "resnet50_v2": (timm_model("resnetv2_50"), 64, CENTRED, [f"stages.{i}" for i in range(4)]),
    "densenet121": (vision("densenet121"), 64, IMAGENET, [f"features.denseblock{i}" for i in range(1, 4)]),
    "googlenet": (
        vision("googlenet", init_weights=False),
        75,
        CENTRED,
        ["maxpool2", "inception3b", "inception4e", "inception5b", "aux1", "aux2"],
    ),
    "inception_v3": (  # the auxiliary classifier takes no smaller picture
        vision("inception_v3", init_weights=False),
        299,
        CENTRED,
        ["maxpool2", "Mixed_5d", "Mixed_6a", "Mixed_6e", "Mixed_7c", "AuxLogits"],
    ),
    "inception_v4": (timm_model("inception_v4"), 107, CENTRED, [f"features.{i}" for i in (4, 9, 10, 17, 21)]),
    "inception_resnet_v2": (
        timm_model("inception_resnet_v2"),
        107,
        CENTRED,
        ["mixed_5b", "repeat", "repeat_1", "mixed_7a", "block8", "conv2d_7b"],
    ),
    "shufflenet_v2_x0_5": (vision("shufflenet_v2_x0_5"), 64, IMAGENET, SHUFFLENET),
    "darknet53": (timm_model("darknet53"), 64, IMAGENET, [f"stages.{i}" for i in range(5)]),
    "hrnet_w18_small_v2": (timm_model("hrnet_w18_small_v2"), 64, IMAGENET, HRNET),
}
OF_AUTHORS = {
    "pspnet50": (pspnet(50), 65, IMAGENET, PSPNET),
    "pidnet_s": (pidnet(m=2, n=3, planes=32, ppm_planes=96, head_planes=128), 192, IMAGENET, PIDNET),
    "pidnet_l": (pidnet(m=3, n=4, planes=64, ppm_planes=112, head_planes=256), 192, IMAGENET, PIDNET),
}


def record(name):
    """Writes NAME.npz: the tensors' names and shapes, the side, a sample of each output."""
    build, side, (mean, deviation), modules = {**NETWORKS, **OF_AUTHORS}[name]
    network = build().eval()
    network.training = hasattr(network, "aux_logits")  # itself alone: auxiliary classifiers answer in training only
    state = {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    made = {key: torch.from_numpy(tensor(key, value.shape)) for key, value in state.items()}
    network.load_state_dict(made, strict=False)
    outputs = {}

    def keep(key):
        def hook(module, inputs, output):
            outputs[key] = output.detach()

        return hook

    for module in modules:
        network.get_submodule(module).register_forward_hook(keep(module))
    scale, offset = [1 / d for d in deviation], [-m / d for m, d in zip(mean, deviation, strict=True)]
    pixels = pictures(side) * np.float32(scale) + np.float32(offset)
    with torch.no_grad():
        answer = network(torch.from_numpy(pixels.transpose(0, 3, 1, 2)))
        outputs["logits"] = getattr(answer, "logits", answer)
    arrays = {}
    for key, output in outputs.items():
        values = output.numpy()
        values = values.transpose(0, 2, 3, 1) if values.ndim == 4 else values
        arrays[key], arrays[f"{key}:scale"] = sample(values)
        arrays[f"{key}:shape"] = np.array(values.shape)
    shapes = json.dumps({key: list(value.shape) for key, value in state.items()})
    packages = ("torch", "torchvision", "timm")
    versions = [f"{package}=={importlib.metadata.version(package).split('+')[0]}" for package in packages]
    path = Path(__file__).parent / f"{name}.npz"
    np.savez_compressed(path, state=shapes, side=side, classes=CLASSES, versions=versions, **arrays)


if __name__ == "__main__":
    for row in sys.argv[1:] or [*NETWORKS, *(OF_AUTHORS if "AUTHORS_CODE" in os.environ else ())]:
        record(row)
        print(row)
