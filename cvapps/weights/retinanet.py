"""Names of the weights of RetinaNet and FCOS in torchvision.

torchvision publishes checkpoints, of 91 classes of COCO, at https://download.pytorch.org/models/:
retinanet_resnet50_fpn_coco-eeacb38b.pth and fcos_resnet50_fpn_coco-99b0c9b7.pth. With PyTorch at hand:

    state = {name: tensor.numpy() for name, tensor in torch.load(path, map_location="cpu").items()}
    detector = cvapps.weights.from_state("retinanet_resnet50", state, num_classes=91)

or without it from the same tensors in a .safetensors file, by `create_model(name, weights=path, num_classes=91)`.
RetinaNet's checkpoint was trained with batch normalizations that add no epsilon.
"""

from cvapps.registry import model_info
from cvapps.weights.published import Published
from cvapps.weights.resnet import torchvision

HEADS = ("classification", "regression")
# what both checkpoints have from before torchvision put a sequence around each convolution
PLAIN_FPN = {
    f"backbone.fpn.{x}.{i}": f"backbone.fpn.{x}.{i}.0" for x in ("inner_blocks", "layer_blocks") for i in range(3)
}
PLAIN_TOWERS = {f"head.{x}_head.conv.{2 * i}": f"head.{x}_head.conv.{i}.0" for x in HEADS for i in range(4)}


def pyramid(settings, levels):
    """A ResNet and the pyramid on it: backbone.body and backbone.fpn."""
    for ours, theirs in torchvision(model_info(settings["backbone"]).defaults):
        if ours != "logits":
            yield ours, f"backbone.body.{theirs}"
    for i, level in enumerate(levels):
        yield f"p{level}_lateral_conv", f"backbone.fpn.inner_blocks.{i}.0"
        yield f"p{level}_conv", f"backbone.fpn.layer_blocks.{i}.0"


def fpn_p7(settings):
    """The pyramid of both, from stride 8 on, and its two further maps."""
    yield from pyramid(settings, (3, 4, 5))
    yield from [(f"p{i}_conv", f"backbone.fpn.extra_blocks.p{i}") for i in (6, 7)]


def retinanet(settings):
    """torchvision.models.detection.retinanet."""
    yield from fpn_p7(settings)
    for ours, theirs, last in (("classes", "classification", "cls_logits"), ("boxes", "regression", "bbox_reg")):
        yield from [(f"head/{ours}{i}_conv", f"head.{theirs}_head.conv.{i - 1}.0") for i in range(1, 5)]
        yield f"head/{ours}_conv", f"head.{theirs}_head.{last}"


def fcos(settings):
    """torchvision.models.detection.fcos: a tower is a sequence of convolution, normalization, ReLU, four times."""
    yield from fpn_p7(settings)
    for ours, theirs, last in (("classes", "classification", "cls_logits"), ("boxes", "regression", "bbox_reg")):
        for i in range(1, 5):
            yield f"head/{ours}{i}_conv", f"head.{theirs}_head.conv.{3 * i - 3}"
            yield f"head/{ours}{i}_gn", f"head.{theirs}_head.conv.{3 * i - 2}"
        yield f"head/{ours}_conv", f"head.{theirs}_head.{last}"
    yield "head/quality_conv", "head.regression_head.bbox_ctrness"


RETINANET = Published("", retinanet, also={**PLAIN_FPN, **PLAIN_TOWERS}, epsilon=0.0)
STATE = {
    "retinanet_resnet50": RETINANET,
    "retinanet_ghm_resnet50": RETINANET,
    "fcos_resnet50": Published("", fcos, also=PLAIN_FPN),
}
