"""Records what wkentaro/pytorch-fcn answers, for `tests/parity/test_torch.py`.

    .venv-torch/bin/python tests/parity/torch/record_fcn.py PATH

PATH is a checkout of https://github.com/wkentaro/pytorch-fcn at 4b988509bfd1a613d5e8482595a1c6654047d69b. Its models
are run as they stand there, but for narrower fc6 and fc7; the package `fcn`, from which they take trained weights by
name, isn't needed.
"""

import importlib
import sys
import types
from pathlib import Path

import record
import torch

CAFFE = (123.68, 116.779, 103.939), (1.0,) * 3
PLACES = ["pool3", "pool4", "pool5", "fc6", "fc7", "score_fr", "score_pool4", "score_pool3", "upscore2"]


def narrow(models, name, hidden=(64, 32)):
    """A constructor of the network with `hidden` units in fc6 and fc7, which reads RGB."""

    def build():
        network = getattr(models, name)(n_class=record.CLASSES)
        network.fc6 = torch.nn.Conv2d(512, hidden[0], 7)
        network.fc7 = torch.nn.Conv2d(*hidden, 1)
        network.score_fr = torch.nn.Conv2d(hidden[1], record.CLASSES, 1)
        network.register_forward_pre_hook(lambda module, inputs: (inputs[0].flip(1),))
        return network

    return build


if __name__ == "__main__":
    torchfcn = types.ModuleType("torchfcn")  # the folder alone: the package's own __init__ wants its trainer too
    torchfcn.__path__ = [str(Path(sys.argv[1]) / "torchfcn")]
    sys.modules.update(torchfcn=torchfcn, fcn=types.ModuleType("fcn"))
    models = importlib.import_module("torchfcn.models")
    for row, name in (("fcn8s", "FCN8s"), ("fcn8s_at_once", "FCN8sAtOnce")):
        record.NETWORKS[row] = narrow(models, name), 37, CAFFE, PLACES  # 37: most poolings are left with half a window
        record.record(row)
        print(row)
