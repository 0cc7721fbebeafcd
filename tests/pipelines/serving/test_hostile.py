"""An exported classifier behind the server and pictures of strangers: a reason for each, and nobody else's answer."""

import base64

import httpx
import numpy as np
import pytest

from pipelines import serving_graph
from pipelines.data.decode import MAX_PIXELS
from pipelines.serving.client import Client
from pipelines.serving.client_transport import RefusedError, strings
from pipelines.serving.server import running
from tests.pipelines import hostile
from tests.pipelines.data.samples import png
from tests.stress import served_classifier
from tests.tolerances import REORDERED, SAME_MATH

WAYS = ("rest", "grpc")
NAME = served_classifier.NAME


@pytest.fixture(scope="module")
def served(exported):
    """A server with one exported classifier."""
    base, _ = exported
    with running(base) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def good(exported):
    """Three pictures that must be answered right."""
    _, pictures = exported
    return [picture for picture in pictures if picture.expected is not None][:3]


@pytest.fixture(scope="module", params=WAYS)
def client(served, request):
    """A client of it, each way."""
    with Client(getattr(served, request.param), NAME, timeout=60) as client:
        yield client


@pytest.mark.parametrize("case", hostile.REFUSED)
def test_a_hostile_picture_is_an_invalid_argument_and_the_next_is_answered(client, good, case):
    content, reason = hostile.REFUSED[case]
    with pytest.raises(RefusedError, match=reason) as refused:
        client.classify_images([content])
    assert refused.value.code == "INVALID_ARGUMENT"
    answer = client.predict({"image_bytes": strings([one.content for one in good])})["probabilities"]
    np.testing.assert_allclose(answer, [one.expected for one in good], **REORDERED)


@pytest.mark.parametrize("case", hostile.TAKEN)
def test_an_odd_picture_is_answered(client, case):
    (answer,) = client.predict({"image_bytes": strings([hostile.TAKEN[case]])})["probabilities"]
    assert answer.shape == (served_classifier.CLASSES,)
    assert answer.sum() == pytest.approx(1, rel=SAME_MATH["rtol"])


def test_one_hostile_picture_fails_its_own_request_and_says_which(client, good):
    with pytest.raises(RefusedError, match=r"not a JPEG.*number\]? \[1\]"):
        client.classify_images([good[0].content, b"hello", good[1].content])


def test_pictures_that_are_large_together_are_refused_before_they_are_decoded(client):
    """Three of 8,000 x 8,000: each may be decoded, all of them would take seconds for a request of a few kilobytes."""
    large = png(8000, 8000, 1, 0, bytes(8000 * 1001))
    assert 64_000_000 < MAX_PIXELS < 3 * 64_000_000 / 2
    with pytest.raises(RefusedError, match=rf"192000000.*at most {serving_graph.MAX_DECODED_PIXELS}"):
        client.classify_images(3 * [large])
    with pytest.raises(RefusedError, match=rf"at most {serving_graph.MAX_DECODED_PIXELS}"):
        client.classify_images(8 * [hostile.claiming("BMP", 2**31 - 1)])  # their sum is more than 64 bits hold


def test_hostile_pictures_in_examples(served):
    """Classify takes tf.Example: the same graph stands behind it."""
    for content, reason in ((hostile.claiming("PNG"), "67108864"), (b"hello", "not a JPEG")):
        examples = [{"image_bytes": {"b64": base64.b64encode(content).decode()}}]
        asked = {"signature_name": "classify", "examples": examples}
        answer = httpx.post(f"{served.rest}/v1/models/{NAME}:classify", json=asked, timeout=60)
        assert answer.status_code == 400
        assert reason in answer.json()["error"]


def test_a_name_is_no_path(client):
    """What a string tensor holds is never a file's name."""
    with pytest.raises(RefusedError, match="not a JPEG"):
        client.predict({"image_bytes": strings([b"/etc/passwd", b"file:///etc/passwd"])})
