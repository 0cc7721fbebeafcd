"""One server for every test that doesn't change what it serves."""

import io

import httpx
import pytest
from PIL import Image

from pipelines.serving.rest import Limits
from pipelines.serving.server import running
from tests.pipelines.serving import models
from tests.stress import served_classifier

REQUEST_BYTES = 2**20


@pytest.fixture(autouse=True)
def _fresh_world():
    """No test here builds a Keras model, so there is nothing to clear, which takes longer than most of them."""


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """A folder of models: half_plus_two (version 123, named with leading zeros), typed, colours."""
    base = tmp_path_factory.mktemp("models")
    for name in ("half_plus_two", "typed", "colours"):
        (base / name).mkdir()
    models.half_plus(base / "half_plus_two" / "00000123", 2.0)
    models.typed(base / "typed" / "1")
    models.colours(base / "colours" / "1")
    return base


@pytest.fixture(scope="session")
def endpoint(base):
    """The server on free ports, with a small limit on requests."""
    with running(base, limits=Limits(request_bytes=REQUEST_BYTES)) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def rest(endpoint):
    """An HTTP client of it."""
    with httpx.Client(base_url=endpoint.rest, timeout=30.0) as client:
        yield client


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """(a folder with version 1 of an exported classifier, pictures with known answers and hostile ones among them)."""
    base = tmp_path_factory.mktemp("exported")
    model = served_classifier.write(base)
    return base, served_classifier.pictures(model, 100)


def png(colour: tuple[int, int, int], size: int = 4) -> bytes:
    """An image of one colour."""
    encoded = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(encoded, "PNG")
    return encoded.getvalue()
