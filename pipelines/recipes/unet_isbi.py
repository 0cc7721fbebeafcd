"""U-Net on the ISBI 2012 membranes: cell or border for every pixel, with the paper's loss and its elastic deformation.

    python -m pipelines train unet_isbi --set data.source=folder:PATH

PATH has images/NAME.png and masks/NAME.png of 512x512, the masks 0 at a border and 1 in cells (the challenge's files
divided by 255), and classes.txt with the lines "border" and "cell". `python -m pipelines.partitions unet_isbi` scores
the newest run on the held-out pictures, whole ones by overlapping tiles.
Hardware: a GPU. Expected of the whole form: the paper's Table 1 has a pixel error of 0.0611 and a Rand error of 0.0382
on the challenge's test pictures, the mean over seven rotated views; that Rand error is of borders as they are.
Measured on one CPU core in 7 minutes, --set settings.width=16 --set epochs=50 --set optimizer.name=adamw
--set schedule.name=cosine, with 18 training slices: pixel error 0.053, Rand error 0.204, of thinned borders 0.109, of 6
held-out slices whose borders are the labels' own; membranes come out thick, as the weights ask for. The paper's
momentum, 30 epochs of it, gives 0.109, 0.412 and 0.208. The whole form has not been run here.

The padded form, as narrow, on CamVid's 244 scenes to train and 63 held out, half as large, 16 epochs in 17 minutes of
that core: 79.4 % of pixels and a mean IoU of 37.8 %, nearly all sky, road, buildings, most cars, half of the trees.

    python -m pipelines train unet_isbi --set model=unet_padded --set data.source=folder:PATH --set settings.width=16
        --set "data.size=(176, 240)" --set 'data.augment=("random_crop", "flip")' --set data.batch=4 --set loss=
        --set epochs=16 --set optimizer.name=adamw --set schedule.name=cosine

As in the paper (section 3): batch of one large tile, momentum 0.99, weights between cells with w0 = 10 and sigma = 5.
The learning rate is ours, for the paper has none.
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

RECIPE = Recipe(
    model="unet",
    data=Data(
        "folder:isbi_membrane",
        held_out=0.2,
        size=(508, 508),  # the largest side under 512 that leaves every pooling an even map; 324x324 logits
        augment=("random_crop", "flip", "flip_vertically", "elastic(10, 3)", "color_jitter(0.1, 0.1, 0.0)"),
        batch=1,
    ),
    epochs=300,
    optimizer=Optimizer(learning_rate=1e-3, momentum=0.99, weight_decay=0.0),
    schedule=Schedule("constant"),
    loss="separation(10, 5)",
)
