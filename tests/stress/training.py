"""One training under every fault that a machine has, and whether it ended as if nothing had been.

    python -m tests.stress.training [--kills 20] [--seed 0]

The recipe is mlp_digits for 20 short epochs in mixed_float16 with averaged weights: loss scale, averages, seeds and
optimizer are all among what has to be restored. It runs once undisturbed; then it is killed (`kill -9`) again and
again, stopped by SIGTERM, given a disk that fills up or can't be written any more, and tracking servers that die, or
take five seconds for each answer, and the same command is given each time until it ends. Weights and all figures have
to be those of the undisturbed run, to the bit, and its tracked run has to be one, finished, with every epoch. Ends with
1 where one isn't.
"""

import contextlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import keras
from mlflow import MlflowClient

from pipelines.runs import RunFolder
from pipelines.saved_model import DESCRIPTION
from tests.pipelines.mlflow_server import TrackingServer
from tests.pipelines.processes import ends, pipelines
from tests.stress.slow_proxy import slow_proxy

EPOCHS, STEPS = 20, 40
RECIPE = "mlp_digits"
CHANGES = ("precision=mixed_float16", f"epochs={EPOCHS}", f"epoch_steps={STEPS}", "checkpoint_steps=3", "ema=0.9")
COMMAND = ("train", RECIPE, "--quick", *(word for change in CHANGES for word in ("--set", change)))
PATIENCE = 300  # seconds for whatever is waited for
DISK = 2**26  # bytes of the disk that fails


class Held:
    """What has been tried, in rows; `all` says whether everything held."""

    def __init__(self):
        self.all = True

    def row(self, fault: str, tries: object, lost: list[str], remark: str = "") -> None:
        """Says how one fault ended: `lost` names what wasn't as it should be."""
        self.all &= not lost
        click.echo(f"{fault:<42} {tries!s:>5}  {'; '.join(lost) or 'nothing lost'}  {remark}".rstrip())


def folder_of(home: Path) -> RunFolder:
    """The run that COMMAND has below a home."""
    return RunFolder(home / "runs" / RECIPE / "1")


def run_to_end(home: Path, **environment: str) -> str:
    """Gives the command and returns what it says. Raises RuntimeError where it doesn't end well."""
    code, output = ends(pipelines(home, *COMMAND, **environment), PATIENCE)
    if code:
        raise RuntimeError(f"it ended with {code}:\n{output}")
    return output


def different(home: Path, whole: Path, store: str = "") -> list[str]:
    """What isn't as in the undisturbed run below `whole`: weights, figures, the tracked run."""
    found, wanted = folder_of(home), folder_of(whole)
    lost = []
    ours, theirs = (keras.saving.load_model(one.model, compile=False).weights for one in (found, wanted))
    if any(a.numpy().tobytes() != b.numpy().tobytes() for a, b in zip(ours, theirs, strict=True)):
        lost.append("other weights")
    if {**found.result, "run_id": ""} != {**wanted.result, "run_id": ""}:
        lost.append("other figures")
    client = MlflowClient(store or f"sqlite:///{home / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name(RECIPE).experiment_id])
    if [run.info.status for run in runs] != ["FINISHED"]:
        return [*lost, f"tracked runs are {[run.info.status for run in runs]}"]
    epochs = {point.step: point.value for point in client.get_metric_history(runs[0].info.run_id, "val_loss")}
    if sorted(epochs) != [STEPS * (epoch + 1) for epoch in range(EPOCHS)]:
        lost.append(f"tracked epochs are {sorted(epochs)}")
    names = {one.path for one in client.list_artifacts(runs[0].info.run_id)}
    return lost + [f"no {name}" for name in ("curves.png", "architecture.png", "profile.md") if name not in names]


# kill -9


def wait_until(there: Callable[[], bool], process: subprocess.Popen) -> bool:
    """Whether it became so before the process ended."""
    deadline = time.monotonic() + PATIENCE
    while not there():
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(0.0005)
    return True


def newest(folder: RunFolder) -> str:
    """The newest checkpoint's name."""
    return max((path.name for path in folder.checkpoints.glob("[0-9]*.npz")), default="")


def stamp(path: Path) -> tuple[int, int] | None:
    """What tells a file or folder from an earlier one of that name; None where there is none."""
    with contextlib.suppress(FileNotFoundError):
        found = path.stat()
        return found.st_ino, found.st_mtime_ns
    return None


def made_anew(path: Path) -> Callable[[], bool]:
    """Whether there is another one than now."""
    before = stamp(path)
    return lambda: stamp(path) not in (before, None)


def moments(kills: int, chance: random.Random) -> Iterator[tuple[str, Callable[[RunFolder], Callable[[], bool]]]]:
    """What the run does when it is killed, and when that is: the first in any order, the ends of the run at last."""

    def later(folder: RunFolder) -> Callable[[], bool]:
        before = newest(folder)
        return lambda: newest(folder) > before

    def writing(folder: RunFolder) -> Callable[[], bool]:
        return lambda: any(folder.checkpoints.glob(".*.npz"))

    def packing(folder: RunFolder) -> Callable[[], bool]:
        return made_anew(folder.package)

    def sending(folder: RunFolder) -> Callable[[], bool]:
        return made_anew(folder.package / "serving" / DESCRIPTION)

    last = [("as it was packed", packing), ("as the last was sent", sending)] * (kills // 10)
    middle = ["as it started"] * (kills // 10) + ["as a checkpoint was written"] * (kills // 4)
    middle += ["between steps"] * (kills - len(middle) - len(last))
    chance.shuffle(middle)
    kinds = {
        "as it started": lambda folder: lambda: True,
        "as a checkpoint was written": writing,
        "between steps": later,
    }
    yield from ((name, kinds[name]) for name in middle)
    yield from sorted(last, key=lambda pair: pair[0] != "as it was packed")


def killed_again_and_again(held: Held, home: Path, whole: Path, kills: int, chance: random.Random) -> None:
    """`kill -9` at so many moments of one run."""
    folder, tries = folder_of(home), {}
    for name, moment in moments(kills, chance):
        process = pipelines(home, *COMMAND)
        reached = wait_until(moment(folder), process)
        time.sleep(chance.uniform(0, {"as it started": 8, "between steps": 0.3}.get(name, 0.02)))
        if reached and process.poll() is None:
            tries[name] = tries.get(name, 0) + 1
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if folder.is_finished:
            break
    if not folder.is_finished:
        run_to_end(home)
    for name, count in tries.items():
        held.row(f"killed {name}", count, different(home, whole))


# SIGTERM


def asked_to_stop(held: Held, home: Path, whole: Path, chance: random.Random, times: int = 3) -> None:
    """SIGTERM within the epochs: a checkpoint, and exit code 143."""
    folder, lost, seconds = folder_of(home), [], []
    for _ in range(times):
        process = pipelines(home, *COMMAND)
        before = newest(folder)
        wait_until(lambda before=before: newest(folder) > before, process)
        time.sleep(chance.uniform(0, 0.3))
        began = time.monotonic()
        process.terminate()
        code, output = ends(process, PATIENCE)
        seconds.append(time.monotonic() - began)
        if code != 143:
            lost.append(f"exit code {code}: {output[-300:]}")
    run_to_end(home)
    held.row("SIGTERM", times, lost + different(home, whole), f"gone within {max(seconds):.1f} s")


# disks


@contextlib.contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """A file system of DISK bytes at `place`. Raises PermissionError where this user may not mount one."""
    place.mkdir()
    with mounted(place, "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs"):
        yield place


@contextlib.contextmanager
def mounted(place: Path, *what: object) -> Iterator[None]:
    """Something mounted at `place`. Raises PermissionError where this user may not."""
    if subprocess.run(["mount", *map(str, what), place], check=False).returncode:
        raise PermissionError("only root may mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@contextlib.contextmanager
def full(home: Path) -> Iterator[None]:
    """The disk without room."""
    with contextlib.suppress(OSError):
        (home / "ballast").write_bytes(bytes(DISK))
    yield
    (home / "ballast").unlink()


@contextlib.contextmanager
def read_only(home: Path) -> Iterator[None]:
    """The disk such that no file can be opened to be written; those that are open can be."""
    with mounted(home, "--bind", home):
        subprocess.run(["mount", "-o", "remount,bind,ro", home], check=True)
        yield


def disk_fails(held: Held, place: Path, whole: Path, name: str, fault: Callable, reason: str) -> None:
    """A disk that takes nothing more from a few epochs on, and does again when the command is given again."""
    try:
        with small_disk(place) as home:
            process = pipelines(home, *COMMAND)
            wait_until(lambda: newest(folder_of(home)) > "00002", process)
            with fault(home):
                code, output = ends(process, PATIENCE)
            lost = [] if code == 1 and reason in output else [f"exit code {code}: {output[-500:]}"]
            run_to_end(home)
            ends(pipelines(home, "track", "sync"))
            held.row(f"the disk {name} from epoch 3 on", 1, lost + different(home, whole))
    except PermissionError as error:
        click.echo(f"the disk {name}: not tried, {error}")


# tracking stores


def store_is_read_only(held: Held, home: Path, whole: Path) -> None:
    """A local database on a disk that can't be written any more, until the run is over."""
    try:
        with small_disk(home.with_name("store")) as disk:
            store = f"sqlite:///{disk / 'mlflow.db'}"
            process = pipelines(home, *COMMAND, MLFLOW_TRACKING_URI=store)
            wait_until(lambda: newest(folder_of(home)) > "00002", process)
            with read_only(disk):
                code, output = ends(process, PATIENCE)
            ends(pipelines(home, "track", "sync", MLFLOW_TRACKING_URI=store))
            lost = [] if code == 0 and "records wait in" in output else [f"exit code {code}: {output[-500:]}"]
            held.row("MLflow's database read-only", 1, lost + different(home, whole, store))
    except PermissionError as error:
        click.echo(f"MLflow's database read-only: not tried, {error}")


def server_dies(held: Held, home: Path, whole: Path, server: TrackingServer) -> None:
    """The server killed in the middle of the run, and started again after its end."""
    process = pipelines(home, *COMMAND, MLFLOW_TRACKING_URI=server.uri)
    wait_until(lambda: newest(folder_of(home)) > "00004", process)
    server.end(signal.SIGKILL)
    code, output = ends(process, PATIENCE)
    server.start()
    ends(pipelines(home, "track", "sync", MLFLOW_TRACKING_URI=server.uri))
    lost = [] if code == 0 else [f"exit code {code}: {output[-500:]}"]
    held.row("the MLflow server killed in the middle", 1, lost + different(home, whole, server.uri))


def server_is_slow(held: Held, home: Path, whole: Path, server: TrackingServer, seconds: float = 5.0) -> None:
    """A server each of whose answers takes so many seconds, until the run is over."""
    with slow_proxy(server.port, seconds) as proxy:
        address = f"http://127.0.0.1:{proxy.port}"
        began = time.monotonic()
        code, output = ends(pipelines(home, *COMMAND, MLFLOW_TRACKING_URI=address), PATIENCE)
        took = time.monotonic() - began
        proxy.seconds = 0.0
        ends(pipelines(home, "track", "sync", MLFLOW_TRACKING_URI=address))
    lost = [] if code == 0 else [f"exit code {code}: {output[-500:]}"]
    lost += different(home, whole, server.uri)
    held.row(f"an MLflow server of {seconds:g} s an answer", 1, lost, f"{took:.0f} s")


@click.command(help=__doc__.splitlines()[0])
@click.option("--kills", default=20, show_default=True, type=click.IntRange(10))
@click.option("--seed", default=0, show_default=True)
def main(kills, seed):
    """Prints a row for each fault."""
    chance, held = random.Random(seed), Held()
    with tempfile.TemporaryDirectory(prefix="cvapps-stress-") as scratch:
        place = Path(scratch)
        whole = place / "whole"
        began = time.monotonic()
        run_to_end(whole)
        click.echo(f"undisturbed: {time.monotonic() - began:.0f} s")
        killed_again_and_again(held, place / "killed", whole, kills, chance)
        asked_to_stop(held, place / "stopped", whole, chance)
        disk_fails(held, place / "full", whole, "full", full, "No space left on device")
        disk_fails(held, place / "read-only", whole, "read-only", read_only, "Read-only file system")
        store_is_read_only(held, place / "unwritable", whole)
        for title, fault in (("dying", server_dies), ("slow", server_is_slow)):
            server = TrackingServer(place / f"server-{title}")
            server.start()
            try:
                fault(held, place / title, whole, server)
            finally:
                server.end()
    click.echo("held" if held.all else "DID NOT HOLD")
    sys.exit(not held.all)


if __name__ == "__main__":
    main()
