"""A run's journal on its way to MLflow.

A run writes to a journal on the disk (`recorder.py`, `spool.py`), and a thread sends the journal (`tracked_run.py`). So
a dead or slow server neither stops nor slows a training, and what it could not take is sent later: by the run itself,
by the next try of the same run, or by `sync`.

Each record is sent at least once, since a server may take a record and die before it says so. A second time does no
harm: MLflow holds a metric's (name, step, time, value) once, parameters and tags have one value, a file replaces
itself, and a run is found again by the tag that holds its key. A step that a resumed training takes again is a
point of its own, at its own time, beside the first.
"""

import logging
from typing import Any

from pipelines.redaction import redacted
from pipelines.spool import Refused, Spool
from pipelines.tracking import BATCH, Server

log = logging.getLogger(__name__)


class Sender:
    """Sends a spool's records to `destination`, in order. Whoever uses it holds the spool's `sender` lock."""

    def __init__(self, spool: Spool, destination: str):
        self._spool = spool
        self._server = Server(destination)
        self.run_id: str = ""

    def send_some(self) -> int:
        """Sends the next records and says how many; 0 at the journal's end.

        Raises whatever MLflow raises where the server is dead, slow or refuses us; the same records are then the next.
        """
        sent = self._spool.sent
        destination = redacted(self._server.destination)
        if sent.destination != destination:  # another server has nothing of this run yet
            sent = self._spool.mark(destination=destination, run_id=None, offset=0)
        self.run_id = sent.run_id or ""
        records, end = self._next(sent.offset)
        if end == sent.offset:
            return 0
        try:
            self._send(records)
        except Refused:
            if records[0]["kind"] == "open":
                raise
            for record in records:  # so that one bad record costs no other
                self._send_or_refuse(record)
        self._spool.mark(run_id=self.run_id, offset=end)
        return len(records)

    def _next(self, offset: int) -> tuple[list[dict[str, Any]], int]:
        """The records of the next request and the offset behind them: many of metrics, or one of another kind."""
        records: list[dict[str, Any]] = []
        metrics = 0
        for end, record in self._spool.read(offset):
            if record is None:
                log.warning("a record in %s was cut short and is left out", self._spool.folder)
            else:
                metrics += len(record["values"]) if record["kind"] == "metrics" else BATCH
                if records and metrics > BATCH:
                    break
                records.append(record)
            offset = end
        return records, offset

    def _send(self, records: list[dict[str, Any]]) -> None:
        if not records:
            return
        record, server = records[0], self._server
        match record["kind"]:
            case "open":
                self.run_id = server.open_run(self.run_id, record)
            case "metrics":
                points = [(k, v, r["time"], r["step"]) for r in records for k, v in r["values"].items()]
                server.log_metrics(self.run_id, points)
            case "params":
                server.log_params(self.run_id, record["values"])
            case "tags":
                server.log_tags(self.run_id, record["values"])
            case "file":
                path = self._spool.folder / record["path"]
                if not path.is_file():
                    raise Refused(f"{path} is gone")
                server.log_file(self.run_id, path, record["folder"])
            case "status":
                server.end_run(self.run_id, record["status"], record["time"])
            case kind:
                raise Refused(f"unknown kind of record {kind!r}")

    def _send_or_refuse(self, record: dict[str, Any]) -> None:
        try:
            self._send([record])
        except Refused as error:
            log.warning("MLflow will never take a record of %s: %s", record["kind"], error)
            self._spool.refuse(record, str(error))
