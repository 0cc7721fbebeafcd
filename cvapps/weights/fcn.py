"""Names of the weights of FCN on VGG-16, as Caffe's nets of its authors and wkentaro/pytorch-fcn have them."""

from cvapps.weights.published import Published

SCORES = {  # by how many layers are skipped to
    0: {"score_fr_up32": "upscore"},
    1: {"score_fr_up2": "upscore2", "score_stage4_pool": "score_pool4", "fuse_stage4_pool_up16": "upscore16"},
    2: {
        "score_fr_up2": "upscore2", "score_stage4_pool": "score_pool4", "fuse_stage4_pool_up2": "upscore_pool4",
        "score_stage3_pool": "score_pool3", "fuse_stage3_pool_up8": "upscore8",
    },
}  # fmt: skip


def pytorch_fcn(settings):
    """torchfcn.models.FCN32s, FCN16s, FCN8s and FCN8sAtOnce."""
    for stage, depth in enumerate((2, 2, 3, 3, 3), start=1):
        for i in range(1, depth + 1):
            yield f"stage{stage}_{i}_conv", f"conv{stage}_{i}"
    yield from ((name, name) for name in ("fc6", "fc7", "score_fr"))
    yield from SCORES[len(settings["skips"])].items()


STATE = {
    name: Published("", pytorch_fcn, dict(pixels="caffe"), bgr=True)
    for name in ("fcn32s", "fcn16s", "fcn8s", "fcn8s_at_once")
}
