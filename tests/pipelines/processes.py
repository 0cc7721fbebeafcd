"""Processes on loopback for tests: the command line, alone or as several workers of one run."""

import json
import os
import subprocess
import sys

from pipelines.home import CHECKOUT
from tests.pipelines.mlflow_server import free_port


def pipelines(home, *arguments, **environment):
    """`python -m pipelines ...` on its way, its two outputs in one."""
    environment = {**os.environ, "CVAPPS_HOME": str(home), **environment}
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines", *arguments], cwd=CHECKOUT, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def two_workers(home, *arguments):
    """A training by two workers on their way; each has a home of its own below `home`."""
    hosts = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    configs = [{"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}} for index in range(2)]
    arguments = ("train", *arguments, "--set", "strategy=multiworker")
    return [pipelines(home / str(i), *arguments, TF_CONFIG=json.dumps(config)) for i, config in enumerate(configs)]


def ends(process, timeout=500):
    """(exit code, what it printed) of a process that ends within so many seconds; one that doesn't is killed."""
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, output
