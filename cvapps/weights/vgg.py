"""Names of the weights of VGG, in keras.applications, in timm and in torchvision."""

from cvapps.classification.vgg import WIDTHS
from cvapps.weights.published import Flattened, Published


def convolutions(settings):
    """Each convolution's name in ours, its stage and its number there, both from 1."""
    for stage, sides in enumerate(settings["kernels"], start=1):
        for i in range(1, len(sides) + 1):
            yield f"stage{stage}_{i}", stage, i


def keras_applications(settings):
    """keras.applications.VGG16 and 19: block1_conv1, ..., fc1, fc2."""
    for ours, stage, i in convolutions(settings):
        yield f"{ours}_conv", f"block{stage}_conv{i}"
    yield from [("fc6", "fc1"), ("fc7", "fc2"), ("logits", "predictions")]


def timm(settings):
    """timm's vgg: places in one sequence of convolutions, normalizations, ReLUs and poolings; a convolution as fc6."""
    place, normalized = 0, settings["norm"] == "batch"
    for ours, stage, i in convolutions(settings):
        if stage > 1 and i == 1:
            place += 1  # the pooling
        yield f"{ours}_conv", f"features.{place}"
        if normalized:
            yield f"{ours}_bn", f"features.{place + 1}"
        place += 3 if normalized else 2
    yield "fc6", "pre_logits.fc1", Flattened(WIDTHS[-1], 7, 7)  # whatever the picture: they pool to 7x7 places
    yield from [("fc7", "pre_logits.fc2"), ("logits", "head.fc")]


CAFFE = dict(pixels="caffe")
KERAS = {f"vgg{depth}": Published(f"VGG{depth}", keras_applications, CAFFE, bgr=True) for depth in (16, 19)}
# torchvision's own names of the head; its first layer reads the same map, flattened channels first
TORCHVISION = {"classifier.0": "pre_logits.fc1", "classifier.3": "pre_logits.fc2", "classifier.6": "head.fc"}
STATE = {
    f"vgg{depth}{form}": Published(f"timm/vgg{depth}{form}.tv_in1k", timm, also=TORCHVISION)
    for depth in (11, 13, 16, 19)
    for form in ("", "_bn")
}
