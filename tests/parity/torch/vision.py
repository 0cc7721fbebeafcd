"""torchvision as it is installed."""

import importlib.metadata
from pathlib import Path

import torch


def make_importable():
    """Loads torchvision's operators, which has to come before any import of it.

    A wheel for CUDA beside PyTorch for the CPU has none that load, but wants the names of two: nothing calls them here.
    """
    try:
        package = Path(importlib.metadata.distribution("torchvision").locate_file("torchvision"))
        torch.ops.load_library(next(package.glob("_C*")))
    except OSError:
        for operator in ("nms", "qnms"):
            OPERATORS.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


OPERATORS = torch.library.Library("torchvision", "FRAGMENT")  # names in it are known as long as it is
