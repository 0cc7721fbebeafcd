"""Detection: boxes around objects, from class-free proposals to detectors."""

# their operations' names are known when Keras loads a saved model
from cvapps.detection import box_heads, decode, mask_heads, proposals, regions, single_object, ssd, yolo

__all__ = ["box_heads", "decode", "mask_heads", "proposals", "regions", "single_object", "ssd", "yolo"]
