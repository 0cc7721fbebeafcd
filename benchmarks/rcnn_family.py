"""Test time per picture of R-CNN, Fast R-CNN and Faster R-CNN on one trunk.

    python -m benchmarks.rcnn_family
    python -m benchmarks.rcnn_family --trunk vgg16 --regions 64

The three take turns over the same pictures, scikit-learn's photographs, whose shorter side is made `--side`. R-CNN and
Fast R-CNN are given the first `--proposals` of a selective search in fast mode, whose own seconds are shown with theirs
and without; Faster R-CNN has its own proposals. The weights are random: no second depends on them but those of
suppression, of which all three have as many boxes as there are proposals and classes. The papers have 47 s (Girshick
2015, Table 4), 1.83 s and 0.198 s (Ren et al. 2015, Table 5; on a GPU, and 2,000 proposals to 300), of which the ratios
are 25.7 and 9.2. All of R-CNN's regions by VGG-16 take half an hour of a CPU's core: `--regions` are timed instead, a
part of what is the same work for each.
"""

import time
from statistics import median

import click
import keras
import numpy as np

import cvapps
from benchmarks._turns import seconds_in_turn
from cvapps.classification.views import shorter_side
from cvapps.detection.box_heads import DenseHead
from cvapps.detection.objectness.selective_search import selective_search
from cvapps.detection.proposals import Given
from cvapps.detection.rcnn import RCNN
from cvapps.detection.rcnn_settings import Settings

CLASSES = 20
TRUNKS = {  # settings of both detectors, of R-CNN's classifier, and the layers that it reads
    "vgg16": ({}, {}, Settings(svm_layer="fc7_relu", box_layer="stage5_pool")),
    "resnet18": (
        dict(backbone="resnet18", head=DenseHead((512,))),
        {},
        Settings(svm_layer="pool", box_layer="pool"),
    ),
}  # fmt: skip


def photographs(side):
    """scikit-learn's, the shorter side of that many pixels: uint8 (H, W, 3)."""
    from sklearn.datasets import load_sample_images

    for picture in load_sample_images().images:
        size = shorter_side(picture.shape[:2], side)
        small = keras.ops.image.resize(
            picture[None].astype("float32"), size, antialias=True, data_format="channels_last"
        )
        yield np.rint(keras.ops.convert_to_numpy(small)[0]).clip(0, 255).astype("uint8")


def rcnn(trunk, random):
    """R-CNN with random machines and regressors."""
    _, settings, layers = TRUNKS[trunk]
    found = RCNN(cvapps.create_model(trunk, num_classes=1 + CLASSES, **settings), layers)
    widths = {name: int(np.prod(x.shape[1:])) for name, x in found.features.output.items()}
    found.machines = random.normal(size=(widths["svm"], CLASSES)).astype("float32"), np.zeros(CLASSES)
    ways = random.normal(scale=0.1 / widths["box"], size=(widths["box"], CLASSES, 4)).astype("float32")
    found.regressors = ways, np.zeros((CLASSES, 4), "float32")
    return found


def detectors(trunk, shape, count, random):
    """{name: (picture, proposals) -> answer} of the three."""
    settings = dict(num_classes=CLASSES, input_shape=shape, **TRUNKS[trunk][0])
    fast = cvapps.create_model("fast_rcnn_vgg16", propose=Given(count), **settings)
    faster = cvapps.create_model("faster_rcnn_vgg16", **settings)
    slow = rcnn(trunk, random)
    return {
        "R-CNN": slow.predict,
        "Fast R-CNN": lambda image, boxes: fast.predict_on_batch({"image": image[None], "proposals": boxes[None]}),
        "Faster R-CNN": lambda image, boxes: faster.predict_on_batch(image[None]),
    }


def proposals_of(image, count):
    """The first `count` proposals, some twice where there are fewer, and the processor's seconds."""
    start = time.process_time()
    found = selective_search(image, "fast")
    return np.resize(found, (count, 4)), len(found), time.process_time() - start


def table(rows, searched):
    """Lines of the seconds of each detector, with and without those of the proposals, and their ratios."""
    seconds = {name: (value, value + (searched if name != "Faster R-CNN" else 0)) for name, value in rows.items()}
    yield f"{'':<16}{'seconds':>10}{'with proposals':>16}"
    for name, (alone, together) in seconds.items():
        yield f"{name:<16}{alone:>10.3f}{together:>16.3f}"
    for slower, faster in (("R-CNN", "Fast R-CNN"), ("Fast R-CNN", "Faster R-CNN")):
        ratios = [a / b for a, b in zip(seconds[slower], seconds[faster], strict=True)]
        yield f"{slower + ' : ' + faster:<26}{ratios[0]:>8.1f}{ratios[1]:>8.1f}"


@click.command(help=__doc__.splitlines()[0])
@click.option("--trunk", type=click.Choice(sorted(TRUNKS)), default="resnet18", show_default=True)
@click.option("--proposals", default=2000, show_default=True)
@click.option("--regions", type=int, help="R-CNN is timed on so many proposals, and the seconds are those of all.")
@click.option("--side", default=600, show_default=True)
@click.option("--precision", default="float32", show_default=True, help="Keras' name of it, for all three.")
@click.option("--pictures", default=1, show_default=True, type=click.IntRange(1, 2))
@click.option("--rounds", default=3, show_default=True)
@click.option("--warm-up", default=1, show_default=True, help="Rounds that trace and compile, and aren't counted.")
def main(trunk, proposals, regions, side, precision, pictures, rounds, warm_up):
    """Prints the median seconds of each detector and picture, and the ratios."""
    keras.config.set_dtype_policy(precision)
    random = np.random.default_rng(0)
    shown = [*photographs(side)][:pictures]
    regions = regions or proposals
    built = detectors(trunk, shown[0].shape, proposals, random)
    slow = built["R-CNN"]
    built["R-CNN"] = lambda image, boxes: slow(image, boxes[:regions])
    found = [proposals_of(image, proposals) for image in shown]
    searched = median(seconds for *_, seconds in found)

    def over_pictures(run):
        return lambda: [run(image, boxes) for image, (boxes, *_) in zip(shown, found, strict=True)]

    rows = seconds_in_turn({name: over_pictures(run) for name, run in built.items()}, rounds, warm_up)
    rows = {name: value / len(shown) for name, value in rows.items()}
    rows["R-CNN"] *= proposals / regions
    size = "x".join(map(str, shown[0].shape[:2]))
    click.echo(f"{trunk}, {len(shown)} pictures of {size}, {proposals} proposals of {[n for _, n, _ in found]}")
    click.echo(f"selective search: {searched:.3f} s; R-CNN: {regions} regions, times {proposals / regions:g}")
    for line in table(rows, searched):
        click.echo(line)


if __name__ == "__main__":
    main()
