"""plain56 on CIFAR-10: a network of the degradation experiment, the same run as resnet20_cifar10 but for the network.

    python -m pipelines train plain56_cifar10

HARDWARE
MEASURED
"""

from dataclasses import replace

from pipelines.recipes import resnet20_cifar10

RECIPE = replace(resnet20_cifar10.RECIPE, model="plain56")
