"""Names of the weights of AlexNet in torchvision."""

from cvapps.weights.published import Flattened, Published


def torchvision(settings):
    """torchvision.models.alexnet: places in its sequences; the first hidden layer reads a map channels first."""
    for number, place in enumerate((0, 3, 6, 8, 10), start=1):
        yield f"conv{number}", f"features.{place}"
    yield "fc6", "classifier.1", Flattened(256, 6, 6)
    yield from [("fc7", "classifier.4"), ("logits", "classifier.6")]


# their file is a pickle, which nothing here opens: `source` is empty
STATE = {"alexnet": Published("", torchvision)}
