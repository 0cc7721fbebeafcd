"""DeconvNet on PASCAL VOC 2012, the first of its two stages: single objects in the middle of their pictures.

    python -m pipelines train deconvnet_voc --set data.source=folder:OBJECTS

OBJECTS/{train,val}/{images,masks} have a picture of 250x250 for each object of the training pictures, 0.2 million with
SBD's: its box 1.2 times as large, with all that is not this object background. The second stage, from the
first one's weights, on boxes of object proposals (Edge Boxes) with all classes in them, 2.7 million:

    python -m pipelines train deconvnet_voc --set data.source=folder:PROPOSALS --set initial=PATH_TO/model.keras
        --set epochs=1 --set "schedule.drop_epochs=(0.25, 0.5, 0.75)"

Crops of whole pictures, which is neither stage, come by `--set data.source=sbd:PATH`, the folder of fcn8s_voc.

Hardware: a GPU of 24 GB for batches of 64, 6 days (the paper: one Titan X). Expected: 69.6 % mean IoU on VOC's test
pictures by the maximum over 50 proposals of each (Noh et al. 2015, arXiv:1505.04366, Table 1; sections 4.2 and 6.1 have
the stages). Steps, 20,000 and 40,000, and where the rate drops are the authors' solvers' (HyeonwooNoh/DeconvNet,
training/). VGG-16's published weights for the encoder as in segnet_camvid. Not run here.

What was run, on whole street scenes of CamVid, 244 to train and 63 held out, is a quarter as wide and from nothing, 16
epochs, 25 minutes of one CPU core: 61.8 % of pixels and a mean IoU of 19.0 %. It has learned sky, buildings and roads,
of cars a fifth, and takes trees for buildings; its curves still rose.

    python -m pipelines train deconvnet_voc --set data.source=folder:PATH --set "settings.widths=(16,32,64,128,128)"
        --set "settings.dense=(256,256)" --set data.batch=8 --set epochs=16 --set optimizer.learning_rate=0.02
        --set schedule.name=poly
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

EPOCH = 200_000 / 64  # steps

RECIPE = Recipe(
    model="deconvnet",
    data=Data("folder:voc_objects", size=(224, 224), augment=("random_crop", "flip"), batch=64, cache=False),
    epochs=round(20_000 / EPOCH),
    optimizer=Optimizer(learning_rate=0.01, momentum=0.9, weight_decay=5e-4),
    schedule=Schedule("step", drop_epochs=(9_000 / EPOCH, 18_000 / EPOCH)),
)
