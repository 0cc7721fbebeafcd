"""Average recall of object proposals over an annotated split."""

from collections.abc import Callable, Sequence

import numpy as np
from tqdm.auto import tqdm

from cvapps.dense.object_proposals import Proposals
from cvapps.metrics.proposals import AverageRecall, box_iou, mask_iou
from pipelines.data.object_patches import Instances


def object_recall(
    propose: Callable[..., Proposals], instances: Instances, tops: Sequence[int] = (10, 100, 1000)
) -> dict[str, float]:
    """{"mask_AR@10": ..., "box_AR@10": ..., ...} in [0, 1] over all pictures; crowds are no objects.

    `propose(image, top=N)` is an `ObjectProposals`.
    """
    recalls = {"mask": AverageRecall(tops), "box": AverageRecall(tops)}
    for picture in tqdm(instances.pictures, desc="proposals", disable=None):
        image = np.asarray(picture.read(), "float32")
        found = propose(image, top=max(tops))
        alone = np.flatnonzero(~picture.crowd)
        truth = [picture.mask(number) for number in alone]
        masks = np.stack(truth) if truth else np.zeros((0, *image.shape[:2]), bool)
        recalls["mask"].update(mask_iou(found.masks, masks), found.scores)
        recalls["box"].update(box_iou(found.boxes, picture.boxes[alone]), found.scores)
    return {f"{kind}_{name}": value for kind, recall in recalls.items() for name, value in recall.result().items()}
