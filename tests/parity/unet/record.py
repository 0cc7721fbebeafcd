"""Records what two public U-Nets answer, for `tests/parity/test_unet.py`.

    python tests/parity/unet/record.py PATH_TO/pytorch-unet PATH_TO/Pytorch-UNet

Runs where PyTorch is, on checkouts of github.com/jvanvugt/pytorch-unet at 7e577223d048 and
github.com/milesial/Pytorch-UNet at 21d7850f2af3, in narrow forms; the weights are made from the tensors' names.
"""

import importlib.metadata
import json
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "torch"))
from weights import pictures, sample, tensor

LUMA = np.array([0.2989, 0.587, 0.114])


def unpadded(checkout):
    """The paper's form, of one grey channel."""
    sys.path.insert(0, checkout)
    from unet import UNet

    sys.path.remove(checkout)
    del sys.modules["unet"]
    assert sum(p.numel() for p in UNet().parameters()) == 31_030_658
    places = ["down_path.0", "down_path.4", "up_path.0", "up_path.3"]
    return UNet(in_channels=1, n_classes=3, depth=5, wf=2), 204, places


def padded(checkout):
    """The padded form with batch normalization; its constructor has no width, its parts have."""
    sys.path.insert(0, checkout)
    from unet.unet_model import UNet
    from unet.unet_parts import DoubleConv, Down, OutConv, Up

    network = UNet(n_channels=3, n_classes=2)
    assert sum(p.numel() for p in network.parameters()) == 31_037_698
    network.inc, network.outc = DoubleConv(3, 4), OutConv(4, 3)
    for i, width in enumerate((4, 8, 16, 32), start=1):
        setattr(network, f"down{i}", Down(width, 2 * width))
        setattr(network, f"up{5 - i}", Up(2 * width, width, bilinear=False))
    return network, 64, ["inc", "down4", "up1", "up4"]


def record(name, network, side, places):
    """Writes NAME.npz: the tensors' names and shapes, the side, a sample of each place's output."""
    network.eval()
    state = {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    made = {key: torch.from_numpy(tensor(key, value.shape)) for key, value in state.items()}
    network.load_state_dict(made, strict=False)
    outputs = {}
    for place in places:
        network.get_submodule(place).register_forward_hook(
            lambda module, inputs, output, place=place: outputs.update({place: output.detach()})
        )
    pixels = pictures(side).astype("float64") / 127.5 - 1
    pixels = pixels if name == "unet_padded" else (pixels @ LUMA)[..., None]
    with torch.no_grad():
        outputs["logits"] = network(torch.from_numpy(pixels.transpose(0, 3, 1, 2).astype("float32")))
    arrays = {}
    for key, output in outputs.items():
        values = output.numpy().transpose(0, 2, 3, 1)
        arrays[key], arrays[f"{key}:scale"] = sample(values)
        arrays[f"{key}:shape"] = np.array(values.shape)
    shapes = json.dumps({key: list(value.shape) for key, value in state.items()})
    version = importlib.metadata.version("torch").split("+")[0]
    path = Path(__file__).parent / f"{name}.npz"
    np.savez_compressed(path, state=shapes, side=side, versions=[f"torch=={version}"], **arrays)


if __name__ == "__main__":
    record("unet", *unpadded(sys.argv[1]))
    record("unet_padded", *padded(sys.argv[2]))
