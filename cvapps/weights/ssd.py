"""Names of SSD's weights in torchvision.

torchvision publishes a checkpoint of SSD300, of COCO's 91 numbers of which the first is the background, at
https://download.pytorch.org/models/ssd300_vgg16_coco-b556d3b4.pth. With PyTorch at hand:

    state = {name: tensor.numpy() for name, tensor in torch.load(path, map_location="cpu").items()}
    detector = cvapps.weights.from_state("ssd300", state, num_classes=90)

or without it from the same tensors in a .safetensors file, by `create_model("ssd300", weights=path, num_classes=90)`.
"""

from cvapps.registry import model_info
from cvapps.weights.published import Published
from cvapps.weights.vgg import timm

LEVELS = ("conv4_3", "fc7", *(f"conv{i}_2" for i in range(8, 13)))


def torchvision(settings):
    """torchvision.models.detection.ssd: VGG up to conv4_3 is a sequence, the rest of it with fc6 and fc7 another."""
    yield "conv4_3_norm", "backbone"  # whose own is the scale alone
    first = 23  # conv4_3's ReLU is the last of the first sequence
    for ours, theirs, *_ in timm(model_info(settings["backbone"]).defaults):
        if ours.startswith("stage"):
            place = int(theirs.removeprefix("features."))
            yield ours, f"backbone.features.{place}" if place < first else f"backbone.extra.0.{place - first}"
    yield from [("fc6_conv", "backbone.extra.0.7.1"), ("fc7_conv", "backbone.extra.0.7.3")]
    count = len(settings["anchors"])
    for i in range(1, count - 1):
        yield from [(f"conv{i + 7}_{n}_conv", f"backbone.extra.{i}.{2 * n - 2}") for n in (1, 2)]
    for i, level in enumerate(LEVELS[:count]):
        yield f"{level}_classes_conv", f"head.classification_head.module_list.{i}"
        yield f"{level}_boxes_conv", f"head.regression_head.module_list.{i}"


STATE = {"ssd300": Published("", torchvision)}
