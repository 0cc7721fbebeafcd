"""Names of the weights of Faster R-CNN and Mask R-CNN on a pyramid in torchvision.

torchvision publishes checkpoints, of 91 classes of COCO with the background, at https://download.pytorch.org/models/:
fasterrcnn_resnet50_fpn_coco-258fb6c6.pth and maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth. With PyTorch at hand:

    state = {name: tensor.numpy() for name, tensor in torch.load(path, map_location="cpu").items()}
    detector = cvapps.weights.from_state("faster_rcnn_resnet50_fpn", state, num_classes=90)

Our class k is theirs k + 1. Both were trained with batch normalizations that add no epsilon. What is found is the same
in pictures whose sides are multiples of 64; in others torchvision's anchors on P6 have other strides.
"""

from cvapps.weights.published import Flattened, Published
from cvapps.weights.retinanet import pyramid

OLDER = {  # what the checkpoints have from before torchvision put a sequence around each convolution
    "rpn.head.conv": "rpn.head.conv.0.0",
    **{f"backbone.fpn.{x}.{i}": f"backbone.fpn.{x}.{i}.0" for x in ("inner_blocks", "layer_blocks") for i in range(4)},
    **{f"roi_heads.mask_head.mask_fcn{i + 1}": f"roi_heads.mask_head.{i}.0" for i in range(4)},
}


def torchvision(settings):
    """torchvision.models.detection.faster_rcnn and mask_rcnn."""
    yield from pyramid(settings, (2, 3, 4, 5))
    yield "rpn/rpn_conv", "rpn.head.conv.0.0"
    yield from [("rpn/rpn_objectness", "rpn.head.cls_logits"), ("rpn/rpn_deltas", "rpn.head.bbox_pred")]
    yield "box_head/fc6", "roi_heads.box_head.fc6", Flattened(256, 7, 7)
    yield "box_head/fc7", "roi_heads.box_head.fc7"
    yield "box_head/class_logits", "roi_heads.box_predictor.cls_score"
    yield "box_head/box_deltas", "roi_heads.box_predictor.bbox_pred"
    if settings["mask"]:
        for i in range(len(settings["mask"].head.widths)):
            yield f"mask_head/mask{i + 1}_conv", f"roi_heads.mask_head.{i}.0"
        yield "mask_head/mask_double", "roi_heads.mask_predictor.conv5_mask"
        yield "mask_head/mask_logits", "roi_heads.mask_predictor.mask_fcn_logits"


STATE = {
    name: Published("", torchvision, also=OLDER, epsilon=0.0)
    for name in ("faster_rcnn_resnet50_fpn", "mask_rcnn_resnet50_fpn")
}
