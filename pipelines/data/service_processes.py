"""The processes of a tf.data service: a dispatcher here, workers here or on other machines.

TensorFlow's servers listen on all of a machine's addresses and ask nobody who they are, whatever address is named: let
a firewall, or a cluster's network policy, keep others out.
"""

import subprocess
import sys
import time

import tensorflow as tf

from pipelines.home import CHECKOUT

LOOK_SECONDS = 1.0  # between two looks at the workers' processes


def serve(port: int, workers: int) -> None:
    """Runs a dispatcher, and so many workers on loopback, until it is interrupted. A worker that ends is begun anew.

    It then has the address of the one before, where those who wait for that one find it.
    """
    config = tf.data.experimental.service.DispatcherConfig(port=port)
    dispatcher = tf.data.experimental.service.DispatchServer(config)
    address = f"grpc://127.0.0.1:{port}"
    ports = range(port + 1, port + 1 + workers)
    processes = {own: begin(address, own) for own in ports}
    print(f"{dispatcher.target} with {workers} workers", flush=True)
    try:
        while True:
            time.sleep(LOOK_SECONDS)
            for own, process in processes.items():
                if process.poll() is not None:
                    print(f"the worker at port {own} ended with {process.returncode}; another begins", flush=True)
                    processes[own] = begin(address, own)
    finally:
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            process.wait()


def begin(address: str, port: int) -> subprocess.Popen:
    """A worker's process on this machine."""
    command = [sys.executable, "-m", "pipelines", "data", "work", address, "--port", str(port)]
    return subprocess.Popen(command, cwd=CHECKOUT)


def work(address: str, host: str, port: int) -> None:
    """Makes batches for the dispatcher at grpc://HOST:PORT until it is ended; `host` is where others find this one."""
    config = tf.data.experimental.service.WorkerConfig(
        dispatcher_address=address.removeprefix("grpc://"), worker_address=f"{host}:{port}", port=port
    )
    tf.data.experimental.service.WorkerServer(config).join()
