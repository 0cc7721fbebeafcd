"""docs/scaling.md: its table follows from its assumptions, and those from the registry."""

import re

import numpy as np
import pytest

import cvapps
from pipelines.home import CHECKOUT

PAGE = (CHECKOUT / "docs" / "scaling.md").read_text()
ROWS = {
    cells[0]: [cell.replace(",", "") for cell in cells[1:]]
    for cells in (
        [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line[:1] == "|"
    )
}
BATCHES = {8: 128, 64: 128, 512: 64}


def assumed(name):
    return float(re.match(r"[\d.]+", ROWS[name][0])[0])


def derived():
    """{row: value for 8, 64 and 512} by the page's own rules."""
    count = np.array(list(BATCHES), float)
    own = np.array(list(BATCHES.values()), float)
    inside, rate = assumed("accelerators in a machine"), assumed("pictures a second of one accelerator")
    machines, step = count / inside, own / rate
    pictures = count * rate
    gradient = 4 * assumed("parameters")
    through = 2 * (count - 1) / count * gradient / step
    return {
        "machines": machines,
        "pictures of a step on one accelerator": own,
        "pictures of a step (`data.batch`)": count * own,
        "a step, ms": 1e3 * step,
        "pictures a second": pictures,
        "input, GB a second, all": pictures * assumed("bytes of a picture's JPEG") / 1e9,
        "input, GB a second, a machine": pictures / machines * assumed("bytes of a picture's JPEG") / 1e9,
        "cores that decode, a machine": np.ceil(inside * rate / assumed("pictures a second of one processor core")),
        "gradients, MB a step": gradient / 1e6,
        "gradients, GB a second, a machine": through / 1e9,
        "of that on the network, Gbit a second": np.where(machines > 1, 8 * through / 1e9, 0),
        "a ring's messages, ms a step": 2 * (count - 1) * assumed("one message between two neighbours of a ring") / 1e3,
        "90 epochs, minutes": assumed("epochs") * assumed("training pictures") / pictures / 60,
    }


@pytest.mark.parametrize("name", derived())
def test_a_row_follows_from_the_assumptions(name):
    values = np.broadcast_to(derived()[name], 3)
    for value, cell in zip(values, ROWS[name], strict=True):
        digits = len(cell.partition(".")[2])
        assert cell == f"{value:.{digits}f}", name


def test_the_assumptions_are_the_registrys_and_the_archives():
    model = cvapps.create_model("resnet50")
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == assumed("parameters")
    pictures = assumed("training pictures")
    archive = int(re.search(r"archive of ([\d,]+) bytes", PAGE)[1].replace(",", ""))
    assert round(archive / pictures) == assumed("bytes of a picture's JPEG")


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\(([^)#:]+)\)", PAGE)
    assert len(links) >= 6
    assert [link for link in links if not (CHECKOUT / "docs" / link).exists()] == []
