"""A server on loopback that hands everything on to another one, each answer late."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def slow_proxy(port: int, seconds: float) -> Iterator[int]:
    """The port of a proxy of 127.0.0.1:`port`, which holds whatever that sends back for so many seconds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, port, seconds), daemon=True).start()
        yield listener.getsockname()[1]


def _accept(listener: socket.socket, port: int, seconds: float) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:  # closed
            return
        server = socket.create_connection(("127.0.0.1", port))
        for source, sink, late in ((client, server, 0.0), (server, client, seconds)):
            threading.Thread(target=_hand_on, args=(source, sink, late), daemon=True).start()


def _hand_on(source: socket.socket, sink: socket.socket, late: float) -> None:
    """Bytes of one direction; the first of each burst waits."""
    heard = 0.0
    try:
        while content := source.recv(1 << 16):
            if time.monotonic() - heard > 0.1:
                time.sleep(late)
            heard = time.monotonic()
            sink.sendall(content)
    except OSError:
        pass
    finally:
        for one in (source, sink):
            one.close()
