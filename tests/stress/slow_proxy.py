"""A server on loopback that hands everything on to another one, each answer late."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Proxy:
    """Where it listens, and how long it holds an answer, which may be changed while it runs."""

    port: int
    seconds: float


@contextmanager
def slow_proxy(port: int, seconds: float) -> Iterator[Proxy]:
    """A proxy of 127.0.0.1:`port`, which holds whatever that sends back for so many seconds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Proxy(listener.getsockname()[1], seconds)
        threading.Thread(target=_accept, args=(listener, port, proxy), daemon=True).start()
        yield proxy


def _accept(listener: socket.socket, port: int, proxy: Proxy) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:  # closed
            return
        server = socket.create_connection(("127.0.0.1", port))
        for source, sink, late in ((client, server, None), (server, client, proxy)):
            threading.Thread(target=_hand_on, args=(source, sink, late), daemon=True).start()


def _hand_on(source: socket.socket, sink: socket.socket, late: Proxy | None) -> None:
    """Bytes of one direction; the first of each burst waits."""
    heard = 0.0
    try:
        while content := source.recv(1 << 16):
            if late and time.monotonic() - heard > 0.1:
                time.sleep(late.seconds)
            heard = time.monotonic()
            sink.sendall(content)
    except OSError:
        pass
    finally:
        for one in (source, sink):
            one.close()
