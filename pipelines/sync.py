"""What finished or killed runs left on the disk, sent later."""

import logging
from typing import NamedTuple

from tqdm import tqdm

from pipelines.home import home
from pipelines.redaction import redacted
from pipelines.sender import Sender
from pipelines.spool import Spool, spools
from pipelines.tracking import Server, first_line
from pipelines.tracking_server import remembered_uri

log = logging.getLogger(__name__)


class Synced(NamedTuple):
    """What a `sync` did, in records, and in spools that it left to a living training."""

    sent: int
    waiting: int
    busy: int


def sync(destination: str | None = None) -> Synced:
    """Sends what finished or killed runs left on the disk, to `destination` or to where each of them was opened for.

    A killed run is KILLED in MLflow until it is resumed. May be called at any time and as often as one likes. Raises
    nothing for a server that is dead: its records are still waiting.
    """
    sent = waiting = busy = 0
    target = ""
    dead: set[str] = set()  # each is waited for once
    for spool in spools(home("spool")):
        if not spool.sender.take():
            busy += 1
            continue
        try:
            openings = [record for _, record in spool.read() if record is not None and record["kind"] == "open"]
            target = destination or remembered_uri(openings[-1]["destination"])
            if target not in dead:
                sent += _send_all(spool, target)
                _tidy(spool, target)
        except Exception as error:
            dead.add(target)
            log.warning("%s can't be sent to %s: %s", spool.folder, redacted(target), first_line(error))
        finally:
            waiting += spool.waiting() if spool.folder.is_dir() else 0
            spool.close()
    return Synced(sent, waiting, busy)


def _send_all(spool: Spool, destination: str) -> int:
    sender, total = Sender(spool, destination), 0
    with tqdm(total=spool.waiting(), desc=spool.folder.name, unit="record", disable=None) as bar:
        while some := sender.send_some():
            bar.update(some)
            total += some
    return total


def _tidy(spool: Spool, destination: str) -> None:
    """Removes a spool that is sent, unless its training lives; a run that was killed in its middle is said to be so."""
    if not spool.writer.take():
        return
    *_, (end, last) = spool.read()
    if end == spool.sent.offset:  # else its training was resumed and ended again just now
        if (run_id := spool.sent.run_id) and (last is None or last["kind"] != "status"):
            Server(destination).end_run(run_id, "KILLED", last["time"] if last else None)
        spool.remove()
