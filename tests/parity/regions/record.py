"""Records what torchvision reads from regions and pastes back, for `tests/parity/test_regions.py`.

    .venv-torch/bin/python tests/parity/regions/record.py

Runs where PyTorch and torchvision are, and nothing of ours. RoIAlign is torchvision's form in Python, a transcript of
its kernel but for places more than one cell outside of the map, to which no box here leads.
"""

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "torch"))
from vision import make_importable
from weights import tensor

make_importable()
import torchvision
from torchvision.models.detection.roi_heads import paste_masks_in_image
from torchvision.ops import poolers
from torchvision.ops.roi_align import _roi_align

SIDES = 384, 512  # of the picture
STRIDES = {"P2": 4, "P3": 8, "P4": 16}
CHANNELS = 2


def plain(features, rois, output_size, spatial_scale=1.0, sampling_ratio=-1, aligned=False):
    """`torchvision.ops.roi_align` run as it is written, without compiling."""
    return _roi_align.__wrapped__(features, rois, spatial_scale, *output_size, sampling_ratio, aligned)


def regions(rng, count, longest):
    """Boxes within the picture, the first all of it, the last of one pixel; some end between pixels: (count, 4)."""
    height, width = SIDES
    sides = np.exp(rng.uniform(np.log(2), np.log(longest), (count, 2)))
    first = rng.uniform(0, 1, (count, 2)) * ((width, height) - sides)
    boxes = np.concatenate([first, first + sides], axis=-1)
    boxes[::3] = np.round(boxes[::3])
    boxes[0], boxes[-1] = (0, 0, width, height), (50, 40, 51, 41)
    return boxes.astype("float32")


if __name__ == "__main__":
    poolers.roi_align = plain
    rng = np.random.default_rng(0)
    height, width = SIDES
    maps = {
        name: torch.from_numpy(tensor(name, (2, height // s, width // s, CHANNELS))).permute(0, 3, 1, 2)
        for name, s in STRIDES.items()
    }
    found = {"boxes": np.stack([regions(rng, 9, 380) for _ in range(2)])}
    boxes = [torch.from_numpy(x) for x in found["boxes"]]
    rois = torch.cat([torch.cat([torch.full((9, 1), float(i)), x], 1) for i, x in enumerate(boxes)])

    def keep(name, values):
        found[name] = values.permute(0, 2, 3, 1).reshape(2, 9, *values.shape[2:], CHANNELS).numpy()

    for aligned in (0, 1):
        for sampling, size in ((1, 3), (2, 5), (3, 2)):
            of_p3 = plain(maps["P3"], rois, (size, size), 1 / 8, sampling, bool(aligned))
            keep(f"align:{aligned}:{sampling}:{size}", of_p3)
    keep("pyramid", torchvision.ops.MultiScaleRoIAlign(list(STRIDES), 4, 2)(maps, boxes, [SIDES] * 2))
    sides = np.concatenate([np.exp(rng.uniform(0, 8, (20, 2))), [[s, s] for s in (0, 56, 112, 224, 448, 896)]])
    found["sized"] = np.concatenate([np.full((26, 2), 3.0), 3 + sides], axis=-1).astype("float32")
    found["levels"] = poolers.initLevelMapper(2, 5)([torch.from_numpy(found["sized"])]).numpy() + 2
    found["masks"] = rng.uniform(size=(8, 7, 7)).astype("float32")
    framed = np.concatenate([regions(rng, 6, 300) / 16, [[-3, 5.5, 9, 30], [20, -4, 50, 12]]])
    found["framed"] = framed.astype("float32")
    pasted = paste_masks_in_image(
        torch.from_numpy(found["masks"])[:, None], torch.from_numpy(found["framed"]), (24, 32)
    )
    found["pasted"] = pasted[:, 0].numpy()
    np.savez_compressed(Path(__file__).parent / "regions.npz", **found)
    print({name: x.shape for name, x in found.items()}, found["levels"], torchvision.__version__)
