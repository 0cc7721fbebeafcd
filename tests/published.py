"""What papers, lectures and independent implementations say of the models, with the place where they say it.

Never beside the code that it judges: `tests/contract/test_published.py` measures the models against this page.
"""

from dataclasses import dataclass, field
from typing import Any

from cvapps.classification.resnet_preact import KERAS
from cvapps.detection.backbones import batch_norms

HE = "He et al. 2015, arXiv:1512.03385"
TORCHVISION = "torchvision's documentation of its weights (num_params, GFLOPS), an independent implementation"
AKAMASTER = "akamaster/pytorch_resnet_cifar10, an independent implementation with option A"
TORCHVISION_BLOCKS = "torchvision's ResNet and DenseNet, built with these depths, groups and widths and counted"
TIMM = "timm's network of that name, an independent implementation"
OSMR = "osmr/imgclsmob, an independent implementation, by its tables and assertions"
KERAS_APPLICATIONS = "keras.applications' network of that name, built and counted, an independent implementation"
XIE = "Xie et al. 2016, arXiv:1611.05431"
HU = "Hu et al. 2017, arXiv:1709.01507"
ZAGORUYKO = "Zagoruyko & Komodakis 2016, arXiv:1605.07146"
HUANG = "Huang et al. 2016, arXiv:1608.06993"
LECTURE = "Johnson, EECS 498-007 Fall 2019, lecture 8"
BVLC = "BVLC's bvlc_googlenet (Caffe), an independent implementation of Table 1"
KERAS_COUNTS = "keras.applications' trainable weights, and the gammas that it leaves out"
SIMONYAN = "Simonyan & Zisserman 2014, arXiv:1409.1556"
LECUN = "LeCun et al. 1998, Proc. IEEE 86(11), section II.B"
HOWARD = "Howard et al. 2017, arXiv:1704.04861"
SANDLER = "Sandler et al. 2018, arXiv:1801.04381"
ZHANG = "Zhang et al. 2017, arXiv:1707.01083"
MA = "Ma et al. 2018, arXiv:1807.11164"
ZOPH = "Zoph et al. 2017, arXiv:1707.07012"
SLIM = "MobileNet v2's authors, tensorflow/models, slim/nets/mobilenet/README.md"
LONG = "Long et al. 2015, arXiv:1411.4038, Table 1"
PYTORCH_FCN = "wkentaro/pytorch-fcn's network of that name, built and counted without its fixed bilinear kernels"
CIRESAN = "Ciresan et al. 2012, papers.nips.cc/paper/4741, Table 1; N4.spec of seung-lab/znn-release"
BADRINARAYANAN = "Badrinarayanan et al. 2015, arXiv:1511.00561, section 3"
SEGNET_CAFFE = "alexgkendall/SegNet-Tutorial, Models/{}.prototxt, counted without biases in front of batch norm"
NOH = "Noh et al. 2015, arXiv:1505.04366, section 6.1"
DECONVNET_CAFFE = "HyeonwooNoh/DeconvNet, stage_2_train.prototxt, counted without biases in front of batch norm"
EIGEN_2014 = "Eigen et al. 2014, arXiv:1406.2283, Figure 1: the sum of its table"
EIGEN_FERGUS = "Eigen & Fergus 2014, arXiv:1411.4734, Figure 2: the sum of its table for one depth, C = 1"
MEGVII = "ShuffleNet's authors, megvii-model/ShuffleNet-Series, ShuffleNetV1/README.md"
SEMSEG = "PSPNet's authors, hszhao/semseg, built with that many classes and counted"
PIDNET = "PIDNet's authors, XuJiacong/PIDNet, built and counted; without 2 biases a channel that batch norm takes away"

PINHEIRO_2015 = "Pinheiro et al. 2015, arXiv:1506.06204"
PINHEIRO_2016 = "Pinheiro et al. 2016, arXiv:1603.08695"
DEEPMASK_PORT = "foolwood/deepmask-pytorch's DeepMask, an independent implementation, added up from its layers"
FAST_CAFFE = "rbgirshick/fast-rcnn, the author's code, added up from models/VGG16/train.prototxt"
FASTER_CAFFE = (
    "rbgirshick/py-faster-rcnn, the authors' code, added up from models/pascal_voc/VGG16/faster_rcnn_end2end/"
    "train.prototxt, with one logit for each anchor in place of two"
)
SHARPMASK_LUA = "facebookresearch/deepmask, the authors' code, added up from SharpMask.lua's layers"
DARKNET = "pjreddie/darknet, the authors' code, cfg/{}, added up from its layers"
HIGHRES = "torchvision's SSD on its VGG extractor with highres=True, built and counted"
LI = "Li, Liu & Wang 2019, arXiv:1811.05181, section 3: losses alone differ from RetinaNet"
TORCHVISION_DETECTION = "torchvision's documentation of its weights (num_params), frozen batch norms not counted"


@dataclass(frozen=True)
class Figure:
    """One published number: `quantity` of `model`, exact or within half a unit of its last printed digit."""

    model: str
    # "parameters" (trainable), "multiply_adds", "convolution_multiply_adds" (and dense), "layers" (of weights)
    quantity: str
    value: float
    source: str
    within: float = 0  # 0: equality
    settings: dict[str, Any] = field(default_factory=dict)  # with which the row is built


VGG_A_TO_E = ("vgg11", "vgg11_lrn", "vgg13", "vgg16_1x1", "vgg16", "vgg19")
TWO_CLASSES = dict(num_classes=2)
PAPERS_FORM = dict(stride_on="reduce")
TORCHVISION_GOOGLENET = dict(norm="batch", kernel=3, last_pool=2)
COCO_FROZEN = dict(num_classes=91, frozen=batch_norms)


def sized(side):
    """The settings of a square picture."""
    return dict(input_shape=(side, side, 3))


FIGURES = [
    # "FLOPs" are multiply-adds there; 3.8 for the 3.86 of 50 layers and 3.6 for the 3.66 of 34 are cut off, not
    # rounded, so a whole unit of the last digit is allowed
    Figure("resnet18", "multiply_adds", 1.8e9, f"{HE}, Table 1", within=0.1e9),
    Figure("resnet34", "multiply_adds", 3.6e9, f"{HE}, Table 1", within=0.1e9),
    Figure("resnet50", "multiply_adds", 3.8e9, f"{HE}, Table 1", within=0.1e9, settings=PAPERS_FORM),
    Figure("resnet101", "multiply_adds", 7.6e9, f"{HE}, Table 1", within=0.1e9, settings=PAPERS_FORM),
    Figure("resnet152", "multiply_adds", 11.3e9, f"{HE}, Table 1", within=0.1e9, settings=PAPERS_FORM),
    Figure("resnet50", "multiply_adds", 3.86e9, "Hu et al. 2017, arXiv:1709.01507, Table 2", 0.005e9, PAPERS_FORM),
    Figure("resnet18", "parameters", 11_689_512, TORCHVISION),
    Figure("resnet34", "parameters", 21_797_672, TORCHVISION),
    Figure("resnet50", "parameters", 25_557_032, TORCHVISION),
    Figure("resnet101", "parameters", 44_549_160, TORCHVISION),
    Figure("resnet152", "parameters", 60_192_808, TORCHVISION),
    Figure("resnext50_32x4d", "parameters", 25_028_904, TORCHVISION),
    Figure("wide_resnet50_2", "parameters", 68_883_240, TORCHVISION),
    Figure("wide_resnet101_2", "parameters", 126_886_696, TORCHVISION),
    Figure("resnet18", "convolution_multiply_adds", 1.814e9, TORCHVISION, within=0.0005e9),
    Figure("resnet34", "convolution_multiply_adds", 3.664e9, TORCHVISION, within=0.0005e9),
    Figure("resnet50", "convolution_multiply_adds", 4.089e9, TORCHVISION, within=0.0005e9),
    Figure("resnet101", "convolution_multiply_adds", 7.801e9, TORCHVISION, within=0.0005e9),
    Figure("resnet152", "convolution_multiply_adds", 11.514e9, TORCHVISION, within=0.0005e9),
    Figure("resnext50_32x4d", "convolution_multiply_adds", 4.23e9, TORCHVISION, within=0.0005e9),
    Figure("wide_resnet50_2", "convolution_multiply_adds", 11.398e9, TORCHVISION, within=0.0005e9),
    Figure("wide_resnet101_2", "convolution_multiply_adds", 22.753e9, TORCHVISION, within=0.0005e9),
    Figure("resnext50_32x4d", "parameters", 25.0e6, "Xie et al. 2016, arXiv:1611.05431, Table 1", within=0.05e6),
    Figure("wide_resnet50_2", "parameters", 68.9e6, "Zagoruyko 2016, arXiv:1605.07146, ImageNet results", 0.05e6),
    # ResNeXt's forms at the complexity of ResNet, and the wider ones
    *(
        Figure(f"resnext{form}", "parameters", parameters, TORCHVISION_BLOCKS)
        for form, parameters in {
            "50_2x40d": 25_425_000, "50_4x24d": 25_292_968, "50_8x14d": 25_603_016,
            "101_2x40d": 44_456_296, "101_4x24d": 44_363_432, "101_8x14d": 45_104_328, "101_32x4d": 44_177_704,
        }.items()
    ),
    Figure("resnext101_32x8d", "parameters", 88_791_336, TORCHVISION),
    Figure("resnext101_64x4d", "parameters", 83_455_272, TORCHVISION),
    Figure("resnext101_32x8d", "convolution_multiply_adds", 16.414e9, TORCHVISION, within=0.0005e9),
    Figure("resnext101_64x4d", "convolution_multiply_adds", 15.46e9, TORCHVISION, within=0.0005e9),
    Figure("resnext50_32x4d", "multiply_adds", 4.2e9, f"{XIE}, Table 1", within=0.05e9),
    # squeeze and excitation; from 101 layers on the paper counts up to 0.02 G more than multiply-adds of convolutions,
    # dense layers and poolings, in ResNet as in SE-ResNet
    *(
        Figure(name, "multiply_adds", billions * 1e9, f"{HU}, Table 2", 0.005e9 if "50" in name else 0.02e9, settings)
        for name, billions, settings in (
            ("resnet101", 7.58, PAPERS_FORM), ("resnet152", 11.30, PAPERS_FORM),
            ("se_resnet50", 3.87, PAPERS_FORM), ("se_resnet101", 7.60, PAPERS_FORM),
            ("se_resnet152", 11.32, PAPERS_FORM), ("se_resnext101_32x4d", 8.00, {}),
        )
    ),
    Figure("se_resnext50_32x4d", "multiply_adds", 4.25e9, f"{HU}, Table 2", within=0.01e9),
    Figure("se_resnet50", "parameters", 28.1e6, f"{HU}, Table 10: ratio 16", within=0.05e6),
    *(
        Figure(name, "parameters", parameters, TIMM)
        for name, parameters in {
            "se_resnet50": 28_088_024, "se_resnet101": 49_326_872, "se_resnet152": 66_821_848,
            "se_resnext50_32x4d": 27_559_896, "se_resnext101_32x4d": 48_955_416, "senet154": 115_088_984,
        }.items()
    ),
    # activation before convolution, and the wide networks for CIFAR
    *(
        Figure(f"resnet{depth}_v2", "parameters", parameters, TIMM)
        for depth, parameters in ((50, 25_549_352), (101, 44_541_480), (152, 60_185_128), (200, 64_666_152))
    ),
    *(
        Figure(f"resnet{depth}_v2", "parameters", parameters, KERAS_APPLICATIONS, settings=KERAS)
        for depth, parameters in ((50, 25_568_360), (101, 44_577_896), (152, 60_236_904))
    ),
    *(
        Figure(name, "layers", layers, "He et al. 2016, arXiv:1603.05027, the name's number")
        for name, layers in {"resnet200_v2": 200, "resnet110_v2_cifar": 110, "resnet164_v2_cifar": 164}.items()
    ),
    *(
        Figure(f"resnet{depth}_v2_cifar", "parameters", 1.7e6, f"{ZAGORUYKO}, Table 5", within=0.05e6)
        for depth in (110, 164)
    ),
    *(
        Figure(name, "parameters", parameters, OSMR)
        for name, parameters in {
            "resnet110_v2_cifar": 1_730_522, "resnet164_v2_cifar": 1_703_258, "wide_resnet28_10": 36_479_194,
        }.items()
    ),
    *(
        Figure(
            "wide_resnet28_10", "parameters", millions * 1e6, f"{ZAGORUYKO}, Table 4", 0.05e6,
            dict(depths=3 * ((depth - 4) // 6,), widths=(16 * k, 32 * k, 64 * k)),
        )
        for depth, k, millions in ((40, 4, 8.9), (16, 8, 11.0), (28, 10, 36.5))
    ),
    # dense connections
    *(
        Figure(f"densenet{depth}", "parameters", parameters, TORCHVISION)
        for depth, parameters in ((121, 7_978_856), (161, 28_681_000), (169, 14_149_480), (201, 20_013_928))
    ),
    *(
        Figure(f"densenet{depth}", "convolution_multiply_adds", billions * 1e9, TORCHVISION, within=0.0005e9)
        for depth, billions in ((121, 2.834), (161, 7.728), (169, 3.36), (201, 4.291))
    ),
    Figure("densenet264", "parameters", 33_337_704, TORCHVISION_BLOCKS),
    *(
        Figure(f"densenet{depth}", "layers", depth, f"{HUANG}, Table 1, the name's number")
        for depth in (121, 161, 169, 201)
    ),
    *(
        Figure(name, "parameters", millions * 1e6, f"{HUANG}, Table 2", within=0.05e6)
        for name, millions in {
            "densenet40_k12_cifar": 1.0, "densenet100_k12_cifar": 7.0, "densenet_bc100_k12_cifar": 0.8,
        }.items()
    ),
    Figure(
        "densenet100_k12_cifar", "parameters", 27.2e6, f"{HUANG}, Table 2: k=24", within=0.05e6,
        settings=dict(growth=24),
    ),
    Figure(
        "densenet_bc100_k12_cifar", "parameters", 15.3e6, f"{HUANG}, Table 2: L=250, k=24", within=0.05e6,
        settings=dict(depths=(41, 41, 41), growth=24, stem_width=48),
    ),
    Figure("densenet_bc100_k12_cifar", "parameters", 769_162, OSMR),
    Figure("densenet40_k12_cifar", "layers", 40, f"{HUANG}, Table 2, L"),
    Figure("densenet_bc100_k12_cifar", "layers", 100, f"{HUANG}, Table 2, L"),
    # plain and CIFAR networks; option A adds no weights, so a plain network has those of its residual twin
    Figure("plain34", "multiply_adds", 3.6e9, f"{HE}, section 3.3", within=0.05e9),
    Figure("plain18", "layers", 18, f"{HE}, Table 2"),
    Figure("plain34", "layers", 34, f"{HE}, Table 2"),
    *(
        Figure(name, "parameters", millions * 1e6, f"{HE}, Table 6", within=0.005e6 if depth < 110 else 0.05e6)
        for depth, millions in ((20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7))
        for name in (f"resnet{depth}_cifar", *([f"plain{depth}"] if depth < 110 else []))
    ),
    *(
        Figure(f"resnet{depth}_cifar", "parameters", parameters, AKAMASTER)
        for depth, parameters in ((20, 269_722), (32, 464_154), (44, 658_586), (56, 853_018), (110, 1_727_962))
    ),
    # AlexNet, ZFNet, VGG
    Figure(
        "alexnet_two_tower", "parameters", 60_954_656 + 10_568,
        "the lectures' table of Krizhevsky 2012, without biases; with them the size of Caffe's bvlc_alexnet",
    ),
    Figure("alexnet_two_tower", "layers", 8, "Krizhevsky et al. 2012, section 3.5"),
    Figure("alexnet", "parameters", 61_100_840, TORCHVISION),
    Figure(
        "alexnet", "convolution_multiply_adds", 0.714e9, TORCHVISION, within=0.0005e9,
        settings=dict(input_shape=(224, 224, 3)),
    ),
    Figure("zfnet", "parameters", 107_627_624, f"{OSMR} (its zfnetb)"),
    *(
        Figure(name, "parameters", millions * 1e6, f"{SIMONYAN}, Table 2", within=0.5e6)
        for name, millions in zip(VGG_A_TO_E, (133, 133, 133, 134, 138, 144), strict=True)
    ),
    *(
        Figure(name, "layers", layers, f"{SIMONYAN}, Table 1")
        for name, layers in zip(VGG_A_TO_E, (11, 11, 13, 16, 16, 19), strict=True)
    ),
    *(
        Figure(name, "parameters", parameters, TORCHVISION)
        for name, parameters in (
            ("vgg11", 132_863_336), ("vgg13", 133_047_848), ("vgg16", 138_357_544), ("vgg19", 143_667_240),
        )
    ),
    *(
        Figure(f"{name}_bn", "parameters", parameters - biases, f"{TORCHVISION}; without its convolutions' biases")
        for name, parameters, biases in (
            ("vgg11", 132_868_840, 2_752), ("vgg13", 133_053_736, 2_944), ("vgg16", 138_365_992, 4_224),
            ("vgg19", 143_678_248, 5_504),
        )
    ),
    *(
        Figure(name, "convolution_multiply_adds", giga * 1e9, TORCHVISION, within=0.0005e9)
        for name, giga in (("vgg11", 7.609), ("vgg13", 11.308), ("vgg16", 15.470), ("vgg19", 19.632))
    ),
    Figure(
        "vgg16_1x1", "parameters", 133_047_848 + 256 * 257 + 2 * 512 * 513,
        f"{TORCHVISION} of B, and the 1x1 convolutions of {SIMONYAN}, Table 1",
    ),
    # mobile networks
    *(
        Figure(name, "convolution_multiply_adds", mega * 1e6, f"{HOWARD}, Table 6", within=0.5e6)
        for name, mega in (("mobilenet_v1", 569), ("mobilenet_v1_x0_5", 149), ("mobilenet_v1_x0_25", 41))
    ),
    Figure("mobilenet_v1_x0_75", "convolution_multiply_adds", 325e6, f"{HOWARD}, Table 6", within=0.5e6),
    *(
        Figure(name, "parameters", millions * 1e6, f"{HOWARD}, Table 6", within=0.05e6)
        for name, millions in (
            ("mobilenet_v1", 4.2), ("mobilenet_v1_x0_75", 2.6), ("mobilenet_v1_x0_5", 1.3), ("mobilenet_v1_x0_25", 0.5),
        )
    ),
    *(  # the 290.7 of 160 pixels is cut off there, not rounded
        Figure("mobilenet_v1", "convolution_multiply_adds", mega * 1e6, f"{HOWARD}, Table 7", 1e6, sized(side))
        for side, mega in ((192, 418), (160, 290), (128, 186))
    ),
    Figure("mobilenet_v1", "layers", 28, f"{HOWARD}, section 3.2"),
    *(
        Figure(name, "convolution_multiply_adds", mega * 1e6, SLIM, within=0.5e6)
        for name, mega in (
            ("mobilenet_v2_x1_4", 582), ("mobilenet_v2_x1_3", 509), ("mobilenet_v2_x0_75", 209),
            ("mobilenet_v2_x0_5", 97), ("mobilenet_v2_x0_35", 59),
        )
    ),
    Figure("mobilenet_v2", "convolution_multiply_adds", 300e6, f"{SANDLER}, Table 4", within=1e6),
    Figure("mobilenet_v2", "parameters", 3_504_872, TORCHVISION),
    *(
        Figure(f"shufflenet_v1_g{groups}", "parameters", parameters, OSMR)
        for groups, parameters in ((1, 1_531_936), (2, 1_733_848), (3, 1_865_728), (4, 1_968_344), (8, 2_434_768))
    ),
    Figure("shufflenet_v1_g1_x0_5", "parameters", 534_484, OSMR),
    Figure("shufflenet_v1_g3_x0_5", "parameters", 718_324, OSMR),
    Figure("shufflenet_v1_g1_x0_25", "parameters", 209_746, OSMR),
    Figure("shufflenet_v1_g3_x0_25", "parameters", 305_902, OSMR),
    # the paper's 140 of two groups is 140.8 cut off
    Figure("shufflenet_v1_g1", "convolution_multiply_adds", 143e6, f"{ZHANG}, Table 1", within=0.5e6),
    Figure("shufflenet_v1_g2", "convolution_multiply_adds", 140e6, f"{ZHANG}, Table 1", within=1e6),
    Figure("shufflenet_v1_g3", "convolution_multiply_adds", 137e6, f"{ZHANG}, Table 1", within=0.5e6),
    Figure("shufflenet_v1_g8", "convolution_multiply_adds", 138e6, MEGVII, within=0.5e6),
    Figure("shufflenet_v1_g3_x0_5", "convolution_multiply_adds", 38e6, MEGVII, within=0.5e6),
    Figure("shufflenet_v1_g8_x0_5", "convolution_multiply_adds", 40e6, MEGVII, within=0.5e6),
    Figure("shufflenet_v1_g8_x0_5", "parameters", 1.0e6, MEGVII, within=0.05e6),
    *(
        Figure(f"shufflenet_v1_g{groups}{scale}", "layers", 50, f"{ZHANG}, section 4.3")
        for groups in (1, 2, 3, 4, 8)
        for scale in ("", "_x0_5", "_x0_25")
    ),
    *(
        Figure(f"shufflenet_v2_x{scale}", "parameters", parameters, TORCHVISION)
        for scale, parameters in (("0_5", 1_366_792), ("1_0", 2_278_604), ("1_5", 3_503_624), ("2_0", 7_393_996))
    ),
    # 145.6 of 1x is 146 there and 583 of 2x is 591, so that row is judged by the authors' parameters instead
    Figure("shufflenet_v2_x0_5", "multiply_adds", 41e6, f"{MA}, Table 5", within=0.5e6),
    Figure("shufflenet_v2_x1_0", "multiply_adds", 146e6, f"{MA}, Table 5", within=0.5e6),
    Figure("shufflenet_v2_x2_0", "parameters", 7.4e6, f"{MA}, Table 5", within=0.05e6),
    Figure("shufflenet_v2_x1_5", "parameters", 3.5e6, f"{MA}, Table 5", within=0.05e6),
    Figure("nasnet_mobile", "parameters", 5.3e6, f"{ZOPH}, Table 3", within=0.05e6),
    Figure("nasnet_mobile", "convolution_multiply_adds", 564e6, f"{ZOPH}, Table 3", within=0.5e6),
    Figure("nasnet_large", "convolution_multiply_adds", 23.8e9, f"{ZOPH}, Table 2", within=0.05e9),
    Figure("nasnet_mobile", "parameters", 5_326_716 - 36_738, f"{KERAS_APPLICATIONS}; without moving statistics"),
    Figure("nasnet_large", "parameters", 88_949_818 - 196_668, f"{KERAS_APPLICATIONS}; without moving statistics"),
    *(
        Figure(name, "parameters", parameters - 3_840, f"{TIMM}; without 3,840 biases that batch norm takes away")
        for name, parameters in (
            ("hrnet_w18", 21_299_004), ("hrnet_w32", 41_232_680), ("hrnet_w48", 77_469_864),
            ("hrnet_w18_small_v2", 15_597_464),
        )
    ),
    Figure("hrnet_w18", "parameters", 21.3e6, "HRNet's authors, HRNet-Image-Classification, README.md", 0.05e6),
    # digits and perceptrons
    Figure("lenet5", "parameters", 60_000 + 850, f"{LECUN}; 850 are the linear logits"),
    Figure("simple_convnet", "parameters", 34_826, "Chollet 2015, keras.io/examples/vision/mnist_convnet, summary"),
    Figure(
        "mlp", "parameters", 25e6, "the lectures: a picture of 128x128x3 and 500 hidden units", within=0.5e6,
        settings=dict(input_shape=(128, 128, 3)),
    ),
    Figure(
        "mlp", "parameters", 75e6, "the lectures: a picture of 224x224x3 and 500 hidden units", within=0.5e6,
        settings=dict(input_shape=(224, 224, 3)),
    ),
    # the Inception line
    Figure("googlenet", "parameters", 6_998_552, BVLC),
    Figure("googlenet", "parameters", 13_378_280, BVLC, settings=dict(auxiliary=True)),
    Figure("googlenet", "parameters", 6_624_904, TORCHVISION, settings=TORCHVISION_GOOGLENET),
    Figure("googlenet", "convolution_multiply_adds", 1.498e9, TORCHVISION, 0.0005e9, TORCHVISION_GOOGLENET),
    Figure(
        "googlenet", "parameters", 13_004_888, "torchvision's GoogLeNet, counted",
        settings=dict(auxiliary=True, **TORCHVISION_GOOGLENET),
    ),
    Figure("inception_v3", "parameters", 27_161_264, TORCHVISION, settings=dict(auxiliary=True)),
    Figure("inception_v3", "convolution_multiply_adds", 5.713e9, TORCHVISION, within=0.0005e9),
    Figure("inception_v3", "parameters", 23_817_352 + 17_216, KERAS_COUNTS),
    Figure("inception_v4", "parameters", 42_679_816, "timm's inception_v4, counted"),
    Figure("inception_v4", "parameters", 42.68e6, TIMM, within=0.005e6),
    Figure("inception_resnet_v2", "parameters", 55_813_192 + 30_272, KERAS_COUNTS),
    Figure("inception_resnet_v2", "parameters", 55.84e6, TIMM, within=0.005e6),
    Figure("unet", "parameters", 31_030_658, "jvanvugt/pytorch-unet, its default form, counted"),
    Figure("unet_padded", "parameters", 31_037_698, "milesial/Pytorch-UNet, counted", settings=TWO_CLASSES),
    Figure("perceptron", "parameters", 32 * 32 * 3 * 10 + 10, "Rosenblatt 1958: a weight from each input, a threshold"),
    Figure("hed", "parameters", 14_716_171, "HED's authors, s9xie/hed, train_val.prototxt, counted by hand"),
    Figure("hed", "layers", 13 + 5 + 1, "Xie & Tu 2015, arXiv:1504.06375, Figure 3"),
    Figure("fcn32s", "parameters", 134_346_581, PYTORCH_FCN),
    Figure("fcn16s", "parameters", 134_357_354, PYTORCH_FCN),
    Figure("fcn8s", "parameters", 134_362_751, PYTORCH_FCN),
    Figure("fcn8s_at_once", "parameters", 134_362_751, PYTORCH_FCN),
    Figure("fcn32s", "parameters", 134e6, LONG, within=0.5e6),
    Figure("fcn32s", "layers", 16, LONG),
    Figure("fcn32s_alexnet", "parameters", 57e6, LONG, within=0.5e6),
    Figure("fcn32s_alexnet", "parameters", 60_965_224 - 4_097_000 + 86_037, "CaffeNet, with 21 scores for its fc8"),
    Figure("fcn32s_alexnet", "layers", 8, LONG),
    Figure("fcn32s_googlenet", "parameters", 6e6, LONG, within=0.5e6),
    Figure("fcn32s_googlenet", "parameters", 6_998_552 - 1_025_000 + 21_525, f"{BVLC}, with 21 scores for its logits"),
    Figure("n4_patch", "parameters", 219_290, CIRESAN),
    Figure("n4_patch", "layers", 6, CIRESAN),
    Figure("n4", "parameters", 219_290, CIRESAN),
    # object masks: a unit of the last digit, for 75.8 millions are cut off to 75, and 17.4 to 17
    Figure("deepmask", "parameters", 75e6, f"{PINHEIRO_2015}, section 3.5", within=1e6),
    Figure("deepmask_resnet50", "parameters", 17e6, f"{PINHEIRO_2016}, section 5.1", within=0.5e6),
    Figure("deepmask_resnet50", "parameters", 17_363_713, DEEPMASK_PORT),
    # an output of the two heads reads all that the last of vgg16's hidden layers has
    Figure("single_object_vgg16", "parameters", 134_260_544 + (81 + 4) * 4_097, f"{TORCHVISION}, vgg16's without fc8"),
    Figure(
        "single_object_resnet50",
        "parameters",
        23_508_032 + 2_049 * 256 + (49 * 256 + 1) * 1_024 + (81 + 4) * 1_025,
        f"{TORCHVISION}, resnet50's without fc, and the layers behind it",
    ),
    Figure("sharpmask", "parameters", 17_363_713 - 56**2 * 513 + 2_750_535, SHARPMASK_LUA),
    # detectors
    Figure("retinanet_resnet50", "parameters", 34_014_999, TORCHVISION_DETECTION, settings=COCO_FROZEN),
    Figure("fcos_resnet50", "parameters", 32_269_600, TORCHVISION_DETECTION, settings=COCO_FROZEN),
    Figure("retinanet_ghm_resnet50", "parameters", 34_014_999, LI, settings=COCO_FROZEN),
    Figure("segnet", "parameters", 29_449_355 - 7_936, SEGNET_CAFFE.format("segnet_train")),
    Figure("segnet", "layers", 13 + 13, BADRINARAYANAN),
    # the paper's Table 1 has 1.425 million, which is not what the authors' file comes to
    Figure("segnet_basic", "parameters", 1_416_587 - 512, SEGNET_CAFFE.format("segnet_basic_train")),
    Figure("segnet_basic", "layers", 4 + 4 + 1, f"{BADRINARAYANAN}.1, and the scores"),
    Figure("deconvnet", "parameters", 251_805_653 - 16_704, DECONVNET_CAFFE),
    Figure("deconvnet", "parameters", 252e6, NOH, within=0.5e6),
    *(
        Figure(name, "parameters", parameters, SEMSEG, settings=dict(num_classes=classes, auxiliary=auxiliary))
        for name, classes, auxiliary, parameters in (
            ("pspnet50", 19, False, 46_715_347), ("pspnet50", 21, False, 46_716_373),
            ("pspnet50", 150, False, 46_782_550), ("pspnet50", 21, True, 49_081_578),
            ("pspnet101", 19, False, 65_707_475), ("pspnet101", 21, False, 65_708_501),
            ("pspnet101", 150, False, 65_774_678), ("pspnet101", 21, True, 68_073_706),
        )
    ),
    *(
        Figure(name, "parameters", parameters - 2 * width, PIDNET, settings=dict(num_classes=19, auxiliary=auxiliary))
        for name, width, auxiliary, parameters in (
            ("pidnet_s", 32, False, 7_625_715), ("pidnet_s", 32, True, 7_720_935),
            ("pidnet_m", 64, False, 28_538_515), ("pidnet_m", 64, True, 28_763_111),
            ("pidnet_l", 64, False, 36_939_571), ("pidnet_l", 64, True, 37_314_311),
        )
    ),
    Figure("pidnet_s", "parameters", 7.6e6, "Xu et al. 2022, arXiv:2206.02066, on Cityscapes", within=0.05e6),
    # no author prints a number: the sums of their tables, DEPTH_WEIGHTS, which a test adds up
    Figure("eigen2014", "parameters", 70_877_171, EIGEN_2014),
    Figure("eigen2014", "parameters", 70_757_734, f"{EIGEN_2014}, the coarse network", settings=dict(fine=None)),
    Figure("eigen_fergus_alexnet", "parameters", 124_599_042, EIGEN_FERGUS),
    Figure("eigen_fergus_vgg", "parameters", 217_355_458, EIGEN_FERGUS),
    Figure("eigen_fergus_vgg", "layers", 13 + 2 + 5 + 4, EIGEN_FERGUS),
    Figure("darknet53", "parameters", 41_609_928, DARKNET.format("darknet53.cfg")),
    Figure("darknet53", "layers", 53, "Redmon & Farhadi 2018, arXiv:1804.02767, section 2.4"),
    Figure("extraction", "parameters", 23_428_136, DARKNET.format("extraction.cfg of November 2015 (42ba5d45)")),
    Figure("yolo_v1", "parameters", 271_703_550, DARKNET.format("yolo.cfg of November 2015 (6103ecc4)")),
    Figure("yolo_v3", "parameters", 61_949_149, DARKNET.format("yolov3.cfg")),
    Figure("ssd300", "parameters", 35_641_826, TORCHVISION, settings=dict(num_classes=90)),
    Figure("ssd300", "convolution_multiply_adds", 34.858e9, TORCHVISION, 0.0005e9, dict(num_classes=90)),
    Figure("ssd512", "parameters", 27_188_676, HIGHRES, settings=dict(num_classes=20)),
    Figure("ssd512", "parameters", 36_038_196, HIGHRES, settings=dict(num_classes=80)),
    # VOC's twenty classes: the convolutions of VGG-16, the proposals' three, fc6, fc7, and 21 classes and boxes
    Figure("fast_rcnn_vgg16", "parameters", 134_690_729, FAST_CAFFE, settings=dict(num_classes=20)),
    Figure("faster_rcnn_vgg16", "parameters", 137_073_622, FASTER_CAFFE, settings=dict(num_classes=20)),
    # frozen batch norms aren't counted there and aren't trainable here; its 91 classes are 90 and the background
    Figure(
        "faster_rcnn_resnet50_fpn", "parameters", 41_755_286, TORCHVISION_DETECTION,
        settings=dict(num_classes=90, frozen=batch_norms),
    ),
    Figure(
        "mask_rcnn_resnet50_fpn", "parameters", 44_401_393, TORCHVISION_DETECTION,
        settings=dict(num_classes=90, frozen=batch_norms),
    ),
]  # fmt: skip

# {model: {layer: (parameters, output shape)}}
LENET5_LAYERS = {  # LeCun's section II.B
    "c1": (156, (28, 28, 6)),
    "s2": (12, (14, 14, 6)),
    "c3": (1_516, (10, 10, 16)),
    "s4": (32, (5, 5, 16)),
    "c5": (48_120, (1, 1, 120)),
    "f6": (10_164, (84,)),
}
LENET5_CONNECTIONS = {  # the same section; a bias counts as a connection
    "c1": 122_304,
    "s2": 5_880,
    "c3": 151_600,
    "s4": 2_000,
    "c5": 48_120,
    "f6": 10_164,
}
RESNET_STEM = {  # LECTURE: {layer: (memory in KB, parameters in thousands, multiply-adds in millions)}
    "stem_conv": (3136, 9, 118),
    "stem_pool": (784, 0, 2),
}
RESNET_STAGES = {"C2": 56, "C3": 28, "C4": 14, "C5": 7}  # He et al. 2015, Table 1: output sizes of conv2_x to conv5_x
# Szegedy et al. 2014, arXiv:1409.4842, Table 1: {module: (output size, output channels, operations in millions)}; the
# printed 34 of the first convolution and 54 of 5a are not what their own rows come to (118 and 51): slips
GOOGLENET_TABLE_1 = {
    "stem1": (112, 64, None),
    "stem2": (56, 192, 360),
    "inception3a": (28, 256, 128),
    "inception3b": (28, 480, 304),
    "inception4a": (14, 512, 73),
    "inception4b": (14, 512, 88),
    "inception4c": (14, 512, 100),
    "inception4d": (14, 528, 119),
    "inception4e": (14, 832, 170),
    "inception5a": (7, 832, None),
    "inception5b": (7, 1024, 71),
    "logits": (None, 1000, 1),
}
# LECTURE: {layer: (memory in KB, parameters in thousands, multiply-adds in millions)}; it prints 0 KB for the 1000
# logits, and 4 for the 1000 of VGG-16 beside it: a slip
GOOGLENET_TAIL = {"pool": (4, 0, 0), "logits": (4, 1025, 1)}
INCEPTION_STAGES = {  # (size, channels) behind the blocks of stride 8, 16, 32
    "inception_v3": [(35, 288), (17, 768), (8, 2048)],  # Szegedy et al. 2015, arXiv:1512.00567, Table 1
    "inception_v4": [(35, 384), (17, 1024), (8, 1536)],  # Szegedy et al. 2016, arXiv:1602.07261, Figure 9
}
ALEXNET_WEIGHTS = {  # the lectures' table of Krizhevsky 2012: {layer: (units, weights)}, biases not counted
    "conv1": (290_400, 34_848),
    "conv2": (186_624, 307_200),
    "conv3": (64_896, 884_736),
    "conv4": (64_896, 663_552),  # the table's 64,869 units are a slip: its own sum 650,080 needs 64,896
    "conv5": (43_264, 442_368),
    "fc6": (4_096, 37_748_736),
    "fc7": (4_096, 16_777_216),
    "logits": (1_000, 4_096_000),
}
# LECTURE: {layer: (memory in KB, weights without biases in thousands, multiply-adds in millions)}
ALEXNET_ROWS = {
    "conv1": (784, 23, 73),
    "pool1": (182, 0, 0),
    "conv2": (547, 307, 224),
    "pool2": (127, 0, 0),
    "conv3": (254, 664, 112),
    "conv4": (169, 885, 150),  # the lecture's 145 is a slip: 13 * 13 * 256 * 384 * 9 are 149.5 million
    "conv5": (169, 590, 100),
    "pool5": (36, 0, 0),
    "flatten": (36, 0, 0),
    "fc6": (16, 37_749, 38),
    "fc7": (16, 16_777, 17),
    "logits": (4, 4_096, 4),
}
VGG16_TAIL = {  # LECTURE, beside GoogLeNet's
    "flatten": (98, 0, 0),
    "fc6": (16, 102_760, 103),
    "fc7": (16, 16_777, 17),
    "logits": (4, 4_096, 4),
}
ZFNET_SIDES = {"conv1": 110, "pool1": 55, "conv2": 26, "pool2": 13, "conv3": 13, "conv4": 13, "conv5": 13, "pool5": 6}
VGG_SIDES = {"C1": 112, "C2": 56, "C3": 28, "C4": 14, "C5": 7}  # SIMONYAN, section 2.1: halved by each of five poolings
# LONG: (size of what a score sees, the coarsest stride); GoogLeNet's 907 counts the pooling of 7x7 that it discards
FCN_FIELDS = {"fcn32s": (404, 32), "fcn32s_alexnet": (355, 32), "fcn32s_googlenet": (907 - 6 * 32, 32)}
# {row: ({transposed convolution: side of its kernel}, {map: where its crop begins})} in the authors' prototxt files,
# shelhamer/fcn.berkeleyvision.org: voc-fcn32s, voc-fcn16s, voc-fcn8s and voc-fcn-alexnet
# voc-* of shelhamer/fcn.berkeleyvision.org
FCN_CROPS = {
    "fcn32s": ({"score_fr_up32": 64}, {"logits": 19}),
    "fcn16s": ({"score_fr_up2": 4, "fuse_stage4_pool_up16": 32}, {"score_stage4_pool": 5, "logits": 27}),
    "fcn8s": (
        {"score_fr_up2": 4, "fuse_stage4_pool_up2": 4, "fuse_stage3_pool_up8": 16},
        {"score_stage4_pool": 5, "score_stage3_pool": 9, "logits": 31},
    ),
    "fcn32s_alexnet": ({"score_fr_up32": 63}, {"logits": 18}),
}
N4_MAPS = {  # CIRESAN: (side, maps)
    "conv1": (92, 48), "pool2": (46, 48), "conv3": (42, 48), "pool4": (21, 48), "conv5": (18, 48), "pool6": (9, 48),
    "conv7": (6, 48), "pool8": (3, 48),
}  # fmt: skip
# EIGEN_2014, EIGEN_FERGUS: {part: ((side of the kernel, channels in, channels out), ...)}
DEPTH_WEIGHTS = {
    "alexnet": ((11, 3, 96), (5, 96, 256), (3, 256, 384), (3, 384, 384), (3, 384, 256)),
    "vgg16": (
        (3, 3, 64), (3, 64, 64), (3, 64, 128), (3, 128, 128), (3, 128, 256), (3, 256, 256), (3, 256, 256),
        (3, 256, 512), (3, 512, 512), (3, 512, 512), (3, 512, 512), (3, 512, 512), (3, 512, 512),
    ),
    "fine": ((9, 3, 63), (5, 64, 64), (5, 64, 1)),
    "scale2": ((9, 3, 96), (5, 96 + 64, 64), (5, 64, 64), (5, 64, 64), (5, 64, 1)),
    "scale3": ((9, 3, 96), (5, 96 + 1, 64), (5, 64, 64), (5, 64, 1)),
}  # fmt: skip
DEPTH_DENSE = {  # (inputs, outputs) behind the trunk
    "eigen2014": ((8 * 6 * 256, 4096), (4096, 74 * 55)),
    "eigen_fergus_alexnet": ((8 * 6 * 256, 4096), (4096, 19 * 14 * 64)),
    "eigen_fergus_vgg": ((9 * 7 * 512, 4096), (4096, 19 * 14 * 64)),
}
DEPTH_PARTS = {
    "eigen2014": ("alexnet", "fine"),
    "eigen_fergus_alexnet": ("alexnet", "scale2", "scale3"),
    "eigen_fergus_vgg": ("vgg16", "scale2", "scale3"),
}
DEPTH_SIDES = {  # the same tables, height by width, for 228x304 pixels
    "eigen2014": {
        "pool1": (27, 37), "pool2": (13, 18), "conv5_relu": (13, 18), "pool5": (6, 8), "fine1_pool": (55, 74),
        "coarse_map": (55, 74), "depth": (55, 74),
    },
    "eigen_fergus_alexnet": {
        "pool1": (27, 37), "pool2": (13, 18), "pool5": (6, 8), "scale1_map": (14, 19), "scale1_crop": (55, 74),
        "scale2_1_pool": (55, 74), "scale2_5_conv": (55, 74), "scale3_1_pool": (109, 147), "depth": (109, 147),
    },
    "eigen_fergus_vgg": {"stage5_pool": (7, 9), "scale1_map": (14, 19), "depth": (109, 147)},
}  # fmt: skip
