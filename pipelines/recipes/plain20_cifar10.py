"""The plain network of 20 layers on CIFAR-10: the run of resnet20_cifar10 but for the network.

    python -m pipelines train plain20_cifar10

Hardware: a GPU, half an hour. Expected: an error a little above ResNet-20's (He et al. 2015, arXiv:1512.03385, Figure
6). Measured on a part of the pictures: see resnet20_cifar10.
"""

from dataclasses import replace

from pipelines.recipes import resnet20_cifar10

RECIPE = replace(resnet20_cifar10.RECIPE, model="plain20")
