"""The classes of ImageNet, and what a network's answer says of them."""

import csv

import numpy as np
import pytest

from cvapps.weights import decode_predictions, imagenet_classes


def test_a_thousand_classes_in_wordnet_s_order():
    numbers, names = zip(*imagenet_classes(), strict=True)
    assert len(numbers) == 1000
    assert list(numbers) == sorted(set(numbers))
    assert all(number[0] == "n" and number[1:].isdigit() and len(number) == 9 for number in numbers)
    assert len(set(names)) == 1000
    assert (names[0], names[207], names[281], names[999]) == ("tench", "golden retriever", "tabby", "toilet tissue")


def test_the_classes_are_those_of_the_shared_pictures(shared_data):
    with open(shared_data / "imagenet_samples/classes.tsv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [row["wnid"] for row in rows] == [number for number, _ in imagenet_classes()]


def test_the_likeliest_come_first_with_their_probabilities():
    logits = np.full((2, 1000), -30.0)
    logits[0, [1, 5]] = np.log([0.75, 0.25])
    logits[1, 999] = 0
    first, second = decode_predictions(logits, top=2)
    assert [(p.wordnet, p.name) for p in first] == [("n01443537", "goldfish"), ("n01496331", "electric ray")]
    np.testing.assert_allclose([p.probability for p in first], [0.75, 0.25], rtol=1e-5)
    assert second[0].name == "toilet tissue"
    assert len(second) == 2


@pytest.mark.parametrize("shape", [(1000,), (1, 10), (1, 2, 1000)])
def test_other_shapes_are_an_error(shape):
    with pytest.raises(ValueError, match=r"expected logits of shape \(N, 1000\), not"):
        decode_predictions(np.zeros(shape))
