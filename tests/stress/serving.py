"""The development server under load: its capacity, then as much and twice as much, and what became of each request.

    python -m tests.stress.serving [--minutes 4] [--schemathesis PATH]

A small exported classifier is served by a process of its own, with batching, on free ports of loopback. A tenth of the
requests are pictures of strangers: bombs, random bytes, cut files. In the middle of each load a new version appears.
Then come the largest pictures that are taken, from eight sides at once, and, where schemathesis is at hand, requests
that it makes from the REST surface's description. It ends with 1 where a request was lost or got another's answer, the
server ended, or its memory went over MEMORY_LIMIT.
"""

import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import keras
import numpy as np
import psutil

from tests.conftest import CHECKOUT
from tests.pipelines.data.samples import png
from tests.stress import served_classifier
from tests.stress.serving_load import BUSY, Asked, Load, Tally

MEMORY_LIMIT = 2 * 2**30  # bytes of the server's process, whatever is sent
CAPACITY_SECONDS, CAPACITY_THREADS = 20.0, 16
LARGEST_SECONDS, LARGEST_THREADS, LARGEST_SIDE = 30.0, 8, 8192  # 2**26 pixels
FUZZ_SECONDS = 60
THREADS = 200  # of the asking side: more than the 128 requests that the server lets in


@contextmanager
def served(base: Path) -> Iterator[tuple[psutil.Process, str, str]]:
    """The server in a process of its own, and its addresses over REST and gRPC."""
    code = "from pipelines.serving.batching import Batching; from pipelines.serving.server import serve; "
    code += f"serve({str(base)!r}, 0, 0, batching=Batching())"
    with (base / "server.log").open("w+") as log:
        command = [sys.executable, "-c", code]
        process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout is not None
        try:
            said = "".join(process.stdout.readline() for _ in range(4))
            rest, grpc = re.findall(r"(?:http|grpc)://[\d.:]+", said)
            yield psutil.Process(process.pid), rest, grpc
            if process.poll() is not None:
                click.echo(f"the server ended with {process.returncode}: {(base / 'server.log').read_text()[-2000:]}")
        finally:
            process.terminate()
            process.wait()


@contextmanager
def watched(process: psutil.Process) -> Iterator[Callable[[], int]]:
    """Gives what tells the process's highest resident memory since it was asked last, in bytes."""
    highest, ended = [0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            try:
                highest[0] = max(highest[0], process.memory_info().rss)
            except psutil.NoSuchProcess:
                return

    def peak() -> int:
        found, highest[0] = highest[0], 0
        return found

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


def fuzz(program: str, rest: str, seconds: int) -> bool:
    """Whether no request that schemathesis makes of the description was a fault of the server's own."""
    description = Path(__file__).with_name("serving_openapi.json")
    command = [program, "run", str(description), "--url", rest, "--phases", "fuzzing", "--workers", "4"]
    command += ["--checks", "not_a_server_error", "--max-time", str(seconds), "--request-timeout", "60", "--no-color"]
    with tempfile.TemporaryDirectory(prefix="cvapps-stress-") as folder:  # it keeps what it found where it runs
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=seconds + 300)
    click.echo("\n".join(done.stdout.splitlines()[-25:]))
    return done.returncode == 0


def report(title: str, tally: Tally, memory: int) -> bool:
    """Prints a phase; whether nothing was lost or mixed up, in bounded memory."""
    click.echo(
        f"{title}: {tally}; memory at most {memory / 2**20:.0f} MiB; versions that answered {dict(tally.versions)}"
    )
    for oddity in tally.oddities:
        click.echo(f"  {oddity}")
    return tally.unharmed and memory <= MEMORY_LIMIT


@click.command(help=__doc__.split("\n")[0])
@click.option("--minutes", default=4.0, show_default=True, help="Of each of the two loads.")
@click.option(
    "--schemathesis",
    "fuzzer",
    type=click.Path(exists=True, dir_okay=False, resolve_path=True),  # it runs in a folder of its own
    help="The program, of an environment of its own.",
)
def main(minutes: float, fuzzer: str | None) -> None:
    """Runs all phases."""
    with tempfile.TemporaryDirectory(prefix="cvapps-stress-") as folder:
        base = Path(folder)
        model = served_classifier.write(base)
        pictures = served_classifier.pictures(model, 300)
        with served(base) as (process, rest, grpc), watched(process) as peak:
            load = Load(rest, grpc, served_classifier.NAME, pictures, THREADS)
            fine = phases(load, base, 60 * minutes, peak)
            largest = Load(rest, grpc, served_classifier.NAME, [largest_picture(model)], LARGEST_THREADS)
            fine &= report("largest pictures", largest.closed(LARGEST_SECONDS, LARGEST_THREADS), peak())
            if fuzzer:
                fine &= fuzz(fuzzer, rest, FUZZ_SECONDS)
                click.echo(f"schemathesis: memory at most {peak() / 2**20:.0f} MiB")
            fine &= report("at the end", load.closed(2, 4), peak())
    click.echo("held" if fine else "DID NOT HOLD")
    sys.exit(not fine)


def phases(load: Load, base: Path, seconds: float, peak: Callable[[], int]) -> bool:
    """The capacity, then the load at it and at twice it."""
    load.closed(10, CAPACITY_THREADS)  # each set of outputs is compiled when it is first asked for
    capacity = load.closed(CAPACITY_SECONDS, CAPACITY_THREADS)
    fine = report("capacity", capacity, peak())
    rate = capacity.asked / capacity.seconds
    for number, times in ((2, 1), (3, 2)):
        tally = load.open(seconds, times * rate, lambda number=number: served_classifier.add_version(base, number))
        fine &= report(f"{times} x capacity", tally, peak())
        fine &= number in tally.versions  # the new version came while it was asked
    return fine and tally.outcomes[BUSY] > 0  # twice as much must fill the queue


def largest_picture(model: keras.Model) -> Asked:
    """The most pixels that one picture may have, all black, in a file of a few kilobytes."""
    content = png(LARGEST_SIDE, LARGEST_SIDE, 1, 0, bytes(LARGEST_SIDE * (1 + LARGEST_SIDE // 8)))
    logits = model.predict(np.zeros((1, *served_classifier.SIZE, 3)), verbose=0)
    return Asked(content, keras.ops.convert_to_numpy(keras.ops.softmax(logits))[0])


if __name__ == "__main__":
    main()
