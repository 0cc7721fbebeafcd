"""RetinaNet on BCCD's blood cells, from a published ResNet-18, with a narrow pyramid.

    python -m pipelines train retinanet_bccd --set data.source=voc:PATH

PATH is the folder BCCD of Shenggan/BCCD_Dataset, laid out as PASCAL VOC is: JPEGImages, Annotations and ImageSets/Main
with train.txt and val.txt; 205 photographs of 640x480 pixels are for training, 87 are held out. Red and white cells and
platelets, often more than twenty in a picture and some without a box. Hardware: one CPU core, about 20 minutes, at half
the size; ResNet-18's published weights are fetched. The pyramid is 64 wide and the towers are two deep.

What was run, where no ResNet-18's weights were at hand, begins with a published MobileNet v2 whose normalization is
folded, and took 9 minutes: AP 0.525, AP50 0.837, AP75 0.579; of white cells AP 0.747, of red ones 0.536, of platelets
0.292.

    python -m pipelines train retinanet_bccd --set data.source=voc:PATH --set settings.backbone=mobilenet_v2
        --set 'settings.backbone_settings={"norm":"none"}' --set initial=FILE
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

RECIPE = Recipe(
    model="retinanet_resnet50",
    settings={"backbone": "resnet18", "neck.width": 64, "head.depth": 2},
    data=Data(
        "voc:BCCD", size=(240, 320), augment=("scale_crop(0.8, 1.6)", "flip", "color_jitter"), batch=4, max_boxes=40
    ),
    epochs=15,
    optimizer=Optimizer("adamw", learning_rate=5e-4, weight_decay=1e-4, clip_norm=10.0),
    schedule=Schedule("cosine", warmup_epochs=1),
    initial="imagenet",
)
