"""SSD300 on PASCAL VOC's 16,551 training pictures of 2007 and 2012, in its authors' schedule.

    python -m pipelines train ssd300_voc --set data.source=voc:PATH

PATH has VOC2007 and VOC2012 as the devkit unpacks them; the pictures of VOC2007's test are held out. Hardware: a GPU of
12 GB, two days. Expected: 77.2 % mAP, all points (Liu et al. 2015, arXiv:1512.02325, Table 6). Its settings: 32
pictures a step, a rate of 1e-3 that falls tenfold after 80,000 and 100,000 of 120,000 steps (examples/ssd/ssd_pascal.py
of weiliu89/caffe), crops and enlargement of section 3.6. They begin with VGG-16 whose fully connected layers were made
convolutions, here those begin anew; and they stretch pictures to a square, which here keep their ratio. Not run here.
"""

from cvapps.ops.anchors import SSD300
from pipelines.recipe import Data, Optimizer, Recipe, Schedule

BATCH, PICTURES = 32, 16_551
EPOCH = PICTURES // BATCH  # steps
RECIPE = Recipe(
    model="ssd300",
    settings={"anchors": {step: tuple(map(tuple, cell.tolist())) for step, cell in SSD300.items()}},
    data=Data("voc:VOCdevkit", size=(300, 300), augment=("ssd_crop", "flip", "color_jitter"), batch=BATCH),
    epochs=round(120_000 / EPOCH),
    optimizer=Optimizer("sgd", learning_rate=1e-3, momentum=0.9, weight_decay=5e-4),
    schedule=Schedule("step", warmup_epochs=1, drop_epochs=(80_000 / EPOCH, 100_000 / EPOCH)),
    initial="imagenet",
)
