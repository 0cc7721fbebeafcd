"""PSPNet-101 on Cityscapes' 2,975 fine maps, in its authors' schedule.

    python -m pipelines train pspnet101_cityscapes --set data.source=cityscapes:PATH

PATH has the unpacked archives leftImg8bit_trainvaltest and gtFine_trainvaltest: pictures of 1024x2048 pixels whose 34
numbers become the 19 classes of the benchmark and 255. Without --set the source is tfds:cityscapes, which TFDS prepares
from the same archives, put into its folder downloads/manual by hand. Hardware: eight GPUs of 11 GB by `--set
strategy=mirrored`, the authors' ten hours. Expected: 78.6 % mean IoU by overlapping crops of one scale (README of
hszhao/semseg). Its settings: 200 epochs of 16 crops of 713, a rate of 0.01 that falls by a power of 0.9 (Zhao et al.
2016, arXiv:1612.01105, section 5.1), scales from 0.5 to 2, an auxiliary loss of 0.4. It turns and blurs pictures too,
gives new layers ten times the rate, and its backbone begins with weights learned with this stem; here the stages begin
with ResNet-101's published weights and the stem anew. Not run here.

What was run, on CamVid's 244 training and 63 held-out scenes of 180x240 pixels, is 12 epochs on a ResNet-18 from
nothing, 25 minutes of one CPU core: 80.7 % of pixels and a mean IoU of 35.5 %, poles, signs and riders not at all.

    python -m pipelines train pspnet101_cityscapes --set model=pspnet50 --set data.source=folder:PATH
        --set settings.backbone=resnet18 --set 'data.size=(180,240)' --set data.batch=8 --set epochs=12
        --set initial= --set precision=mixed_bfloat16
"""

from cvapps.dense.pspnet import AUXILIARY_WEIGHT
from pipelines.recipe import Data, Optimizer, Recipe, Schedule

RECIPE = Recipe(
    model="pspnet101",
    settings={"auxiliary": True},
    data=Data(
        "tfds:cityscapes", size=(713, 713), augment=("random_scale_crop(0.5, 2.0)", "flip"), batch=16, cache=False
    ),
    epochs=200,
    optimizer=Optimizer(learning_rate=0.01, momentum=0.9, weight_decay=1e-4),
    schedule=Schedule("poly", power=0.9),
    auxiliary_weight=AUXILIARY_WEIGHT,
    initial="imagenet",
    precision="mixed_float16",
)
