"""A service in processes of its own, and what they cost."""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from measure import parser

START_S = 600.0
"""A machine with other work starts it in minutes."""


class Served:
    """A running ``scenesearch serve`` on loopback.

    Attributes:
        port: where it listens.
        process: the one that was started; the others are its children.
    """

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self.port = port
        self.process = process

    def tree(self) -> list[psutil.Process]:
        """All its processes."""
        root = psutil.Process(self.process.pid)
        return [root, *root.children(recursive=True)]

    def cpu_s(self) -> float:
        """CPU time of all its processes so far."""
        total = 0.0
        for one in self.tree():
            try:
                times = one.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
        return total

    def memory(self) -> int:
        """Bytes of its processes: shared pages counted once (proportional set size)."""
        total = 0
        for one in self.tree():
            try:
                total += one.memory_full_info().pss
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return total

    def ready(self) -> bool:
        """Whether it says so."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as got:
                return bool(got.status == 200)
        except OSError:
            return False


def service_parser(about: str | None) -> argparse.ArgumentParser:
    """Arguments of every benchmark that asks a service with photos."""
    made = parser(about)
    made.add_argument(
        "store", type=Path, help="an index; a copy, if anything else uses or wants it"
    )
    made.add_argument("photos", nargs="+", type=Path)
    made.add_argument("--config", default="cpu-small")
    return made


@contextmanager
def served(
    store: Path | str,
    config: str,
    *options: str,
    python: str = sys.executable,
    quiet: bool = False,
    **settings: object,
) -> Iterator[Served]:
    """Start a service and wait until it is ready; it is stopped at the end.

    Args:
        store: an index, or a server's address.
        config: its profile.
        options: of ``scenesearch serve``, beside these.
        python: the interpreter that has the version to serve.
        quiet: without its log.
        settings: of the service.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    environment = dict(os.environ)
    for name, value in settings.items():
        environment[f"SCENESEARCH_SERVICE__{name.upper()}"] = json.dumps(value)
    # -P: from a checkout, -m alone would serve that one, whichever interpreter is named
    command = [python, "-P", "-m", "scenesearch", "serve", "--port", str(port)]
    command += ["--store", str(store), "--config", config, *options]
    process = subprocess.Popen(
        command, env=environment, stderr=subprocess.DEVNULL if quiet else None
    )
    service = Served(port, process)
    try:
        give_up = time.monotonic() + START_S
        while not service.ready():
            if process.poll() is not None or time.monotonic() > give_up:
                raise SystemExit("the service did not start")
            time.sleep(0.2)
        yield service
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
