"""The plain network of 56 layers on CIFAR-10: the run of resnet20_cifar10 but for the network.

    python -m pipelines train plain56_cifar10

Hardware: a GPU, an hour. Expected: more errors than 20 layers make, on training and test pictures (He et al. 2015,
arXiv:1512.03385, Figures 1 and 6). Measured on a part of the pictures: see resnet20_cifar10.
"""

from dataclasses import replace

from pipelines.recipes import resnet20_cifar10

RECIPE = replace(resnet20_cifar10.RECIPE, model="plain56")
