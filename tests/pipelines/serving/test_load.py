"""`make stress` in seconds: more than the server takes, hostile pictures among the rest, a new version meanwhile."""

import shutil
import time

from pipelines.serving.batching import Batching
from pipelines.serving.rest import Limits
from pipelines.serving.server import running
from tests.stress import served_classifier
from tests.stress.serving_load import BUSY, REFUSED, RIGHT, Load


def test_twice_the_capacity_loses_and_mixes_up_nothing(exported, tmp_path):
    written, pictures = exported
    base = shutil.copytree(written, tmp_path / "base")
    limits = Limits(pending=8)
    with running(base, batching=Batching(), limits=limits, poll_seconds=0.1) as endpoint:
        load = Load(endpoint.rest, endpoint.grpc, served_classifier.NAME, pictures, threads=40)
        capacity = load.closed(1.0, threads=4)
        assert capacity.unharmed, capacity.oddities
        assert capacity.outcomes[BUSY] == 0
        rate = max(20.0, capacity.asked / capacity.seconds)
        over = load.open(3.0, 2 * rate, lambda: served_classifier.add_version(base, 2))
        assert over.unharmed, over.oddities
        assert over.outcomes[RIGHT] > 0
        assert over.outcomes[REFUSED] > 0
        burst = load.closed(0.5, threads=40)  # more at once than the limits let in
        assert burst.unharmed, burst.oddities
        assert burst.outcomes[BUSY] > 0
        while endpoint.servables.available()[served_classifier.NAME] != [2]:
            time.sleep(0.05)  # pytest's own limit ends it
        after = load.closed(0.2, threads=4)
        assert after.unharmed
        assert set(after.versions) == {2}
