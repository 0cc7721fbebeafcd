"""Networks that answer for every pixel: segmentation, edges, depth, masks of objects."""
