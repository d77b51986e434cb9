"""A PostgreSQL of the tests' own, in a folder, behind a socket; skipped where there is none."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

NEEDED = ("initdb", "postgres")
UNPRIVILEGED = "nobody"
START_S = 30.0


def missing() -> str | None:
    """Why there can be none; None where there can."""
    if find_spec("psycopg") is None:
        return "psycopg is not installed"
    absent = [one for one in NEEDED if shutil.which(one) is None]
    return f"no {' and no '.join(absent)} on this machine" if absent else None


needs_postgres = pytest.mark.skipif(missing() is not None, reason=missing() or "")


class Server:
    """One that runs.

    Attributes:
        address: for ``service.state``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # the server does not run as root
        self._who = {"user": UNPRIVILEGED} if os.geteuid() == 0 else {}
        if self._who:
            shutil.chown(folder, UNPRIVILEGED)
        self._run("initdb", "-U", "scenesearch", "-A", "trust", "--no-sync", "-E", "UTF8")
        self.address = f"postgresql://scenesearch@/postgres?host={folder}"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def _run(self, *words: str) -> None:
        command = [*words, "-D", str(self._folder / "data")]
        done = subprocess.run(command, capture_output=True, cwd="/", check=False, **self._who)
        assert done.returncode == 0, done.stderr.decode()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        import psycopg

        quick = ("fsync=off", "full_page_writes=off", "listen_addresses=")
        options = [word for one in quick for word in ("-c", one)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["postgres", "-D", str(self._folder / "data"), "-k", str(self._folder), *options],
                cwd="/",
                stderr=log,
                **self._who,
            )
        until = time.monotonic() + START_S
        while True:
            try:
                psycopg.connect(self.address).close()
            except psycopg.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """End it as a crash of it would, without what it holds in memory."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()

    def ask(self, query: str) -> list[tuple[object, ...]]:
        """Rows of a query."""
        import psycopg

        with psycopg.connect(self.address, autocommit=True) as db:
            return db.execute(query).fetchall()

    def clean(self) -> None:
        """Forget every state."""
        import psycopg

        with psycopg.connect(self.address, autocommit=True) as db:
            db.execute("DROP SCHEMA IF EXISTS scenesearch CASCADE")


@contextmanager
def running() -> Iterator[Server]:
    """One that is stopped and removed in the end; paths of sockets are short."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    server = None
    try:
        server = Server(folder)
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
