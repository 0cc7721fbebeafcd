"""SegNet on CamVid in its paper's schedule, classes balanced by their median frequency.

    python -c "import cvapps; cvapps.create_model('vgg16_bn', weights='imagenet').save('vgg16_bn.keras')"
    python -m pipelines train segnet_camvid --set data.source=folder:PATH --set initial=vgg16_bn.keras

The folder is that of fcn32s_camvid. The encoder begins with VGG-16's published weights, as the paper's does. Hardware:
a GPU of 16 GB, a day. Expected: below the paper's 60.1 % mean IoU, 71.2 % class average and 90.4 % of the pixels of the
test pictures, for that is after 3,433 pictures of four data sets (Badrinarayanan et al. 2015, arXiv:1511.00561,
Table 2); of CamVid's 367 alone it has no number for this network. Section 4: a fixed rate of 0.001, batches of 5; the
40,000 steps are the authors' (SegNet-Tutorial, Models/segnet_solver.prototxt). The paper's dropout, 0.5 behind deeper
stages, is left out.
On 2 CPU cores in 20 minutes, from random weights: --set settings.widths=(16,32,64,128,128) --set data.size=(180,240)
--set optimizer.learning_rate=0.1 --set epochs=30 --set precision=float32. Not run here.
"""

from dataclasses import replace

from pipelines.recipe import Recipe
from pipelines.recipes import segnet_basic_camvid

BASIC = segnet_basic_camvid.RECIPE
RECIPE: Recipe = replace(
    BASIC,
    model="segnet",
    data=replace(BASIC.data, batch=5),
    epochs=40_000 // (367 // 5),
    optimizer=replace(BASIC.optimizer, learning_rate=0.001),
)
