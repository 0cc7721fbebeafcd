"""ResNet-56 on CIFAR-10: the run of resnet20_cifar10 but for the network.

    python -m pipelines train resnet56_cifar10

Hardware: a GPU, an hour. Expected: 6.97 % error (He et al. 2015, arXiv:1512.03385, Table 6), below ResNet-20's.
Measured on a part of the pictures: see resnet20_cifar10.
"""

from dataclasses import replace

from pipelines.recipes import resnet20_cifar10

RECIPE = replace(resnet20_cifar10.RECIPE, model="resnet56_cifar")
