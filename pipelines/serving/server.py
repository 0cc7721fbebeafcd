"""Runs both halves on one folder of models: in this process for tests and notebooks, or until a signal ends it."""

import errno
import gc
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import uvicorn

from pipelines.serving.batching import Batching
from pipelines.serving.grpc_services import add_services
from pipelines.serving.policy import read_policies
from pipelines.serving.rest import Limits, RestApp
from pipelines.serving.servables import Servables

log = logging.getLogger(__name__)

GRACE_SECONDS = 30.0  # for requests in flight, when the server is asked to end
LABEL = "development server: a stand-in for TensorFlow Serving on this machine, without authentication or encryption"


@dataclass(frozen=True)
class Endpoint:
    """Where a running server answers."""

    rest: str  # "http://127.0.0.1:8501"
    grpc: str  # "grpc://127.0.0.1:8500"
    servables: Servables


@contextmanager
def running(
    base: Path | str,
    *,
    rest_port: int = 0,
    grpc_port: int = 0,
    host: str = "127.0.0.1",
    poll_seconds: float = 1.0,
    config: Path | None = None,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    batching: Batching | None = None,
) -> Iterator[Endpoint]:
    """Serves the models below `base` from this process's threads until the block ends; port 0 picks a free one.

    `config` is a TensorFlow Serving model configuration file: its names, version policies and labels apply. With
    `batching` requests are joined that come at the same time. What is in flight at the end is finished. Raises OSError,
    naming the port, where one can't be had; NotADirectoryError for a missing base; ValueError for an unreadable
    configuration.
    """
    servables = Servables(Path(base), poll_seconds, read_policies(Path(config)) if config else None, batching)
    # A model keeps its cores busy by itself; more threads than that only overlap decoding with computing. With
    # batching a request waits in its thread for the others.
    threads = max(4, os.cpu_count() or 1, batching.rows if batching else 0)
    with (
        _socket(host, rest_port) as listener,
        ThreadPoolExecutor(threads, "rest") as rest_workers,
        ThreadPoolExecutor(threads, "grpc") as grpc_workers,
    ):
        grpc_server = _grpc_server(grpc_workers, limits)
        bound = _add_port(grpc_server, host, grpc_port)
        try:
            servables.start()
            add_services(grpc_server, servables, limits.request_bytes)
            with _http_server(RestApp(servables, rest_workers, limits), listener):
                grpc_server.start()
                address = f"[{host}]" if ":" in host else host
                rest = f"http://{address}:{listener.getsockname()[1]}"
                yield Endpoint(rest, f"grpc://{address}:{bound}", servables)
                stopped = grpc_server.stop(GRACE_SECONDS)  # refuses new calls at once, while REST finishes its own
            stopped.wait()
        finally:
            grpc_server.stop(None).wait()
            servables.stop()


def serve(base: Path | str, rest_port: int = 8501, grpc_port: int = 8500, **settings) -> None:
    """Serves the models below `base` until Ctrl-C or SIGTERM, then finishes what is in flight.

    A second signal ends it at once. `settings` are those of `running`, which says what is raised. To be called in the
    main thread.
    """
    ended = threading.Event()
    before: dict[int, Any] = {}

    def end(number, frame):
        ended.set()
        for caught, handler in before.items():
            signal.signal(caught, handler)

    with running(base, rest_port=rest_port, grpc_port=grpc_port, **settings) as endpoint:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, end)
        models = {name: versions for name, versions in endpoint.servables.available().items() if versions}
        shown = ", ".join(f"{name} {versions}" for name, versions in models.items())
        print(LABEL)
        print(f"  REST    {endpoint.rest}/v1/models/NAME")
        print(f"  gRPC    {endpoint.grpc}")
        print(f"  models  {shown or f'none yet; watching {base}'}", flush=True)
        # A request for pixels as JSON makes enough lists to set off full collections, and each would walk all that
        # TensorFlow ever imported, for 0.2 s and more, while every thread waits.
        gc.collect()
        gc.freeze()
        ended.wait()
        print("ending: finishing the requests in flight", flush=True)
    print("ended", flush=True)


def _socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # By its protocol's number asyncio knows a socket as TCP and turns Nagle's algorithm off; else each answer, whose
    # head and body are two writes, waits 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)  # who connects while the models load waits rather than being refused
    except OSError as error:
        listener.close()
        raise _port_error("REST", host, port, error.errno, "rest_port") from error
    return listener


def _grpc_server(workers: ThreadPoolExecutor, limits: Limits) -> grpc.Server:
    return grpc.server(
        workers,
        maximum_concurrent_rpcs=limits.pending,
        options=[
            ("grpc.max_receive_message_length", limits.request_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),  # or a second server would quietly share the port
        ],
    )


def _add_port(server: grpc.Server, host: str, port: int) -> int:
    try:
        return server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    except RuntimeError as error:  # all that grpcio says, whatever the cause
        raise _port_error("gRPC", host, port, errno.EADDRINUSE, "grpc_port") from error


def _port_error(kind: str, host: str, port: int, number: int | None, setting: str) -> OSError:
    why = "is in use" if number == errno.EADDRINUSE else f"can't be had ({os.strerror(number or 0)})"
    return OSError(number, f"the {kind} port {port} on {host} {why}; choose another by {setting} (0 picks a free one)")


@contextmanager
def _http_server(app, listener: socket.socket) -> Iterator[None]:
    """uvicorn in a thread of its own, from its first accepted connection to its last answer."""
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,  # the process that embeds the server decides what is logged
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(GRACE_SECONDS),
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), name="http", daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the HTTP server ended while it started")
        time.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
