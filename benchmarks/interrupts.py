"""Ctrl-C at random moments: exit code 130 and one line, nothing else?

Not timed. Commands over the sample are started and interrupted, as a terminal does it, with all
their processes, at seeded moments between the first code of ours and their end. A run that had
finished before is drawn again.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import Report, parser

PROFILE = "offline"
BEGIN = (
    "import os, runpy, signal, sys\n"
    "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "first = os.path.join('scenesearch', '__init__.py')\n"
    "def begun(event, given):\n"
    "    if event == 'exec' and given[0].co_filename.endswith(first):\n"
    "        os.write(int(os.environ['BEGUN']), b'x')\n"
    "sys.addaudithook(begun)\n"
    "sys.argv[0] = 'scenesearch'\n"
    "runpy.run_module('scenesearch', run_name='__main__', alter_sys=True)\n"
)
"""What ``python -m scenesearch`` does, and says when the first code of ours runs: before that it is
Python, in search of the package."""
AT_ONCE_S = 120.0
"""A command that has not ended so long after it is a fault."""


def main() -> int:
    arguments = _arguments()
    with TemporaryDirectory() as folder:
        commands = _commands(Path(folder))
        lengths = {name: _run(command, None)[1] for name, command in commands.items()}
        rng = random.Random(arguments.seed)
        counts: Counter[str] = Counter()
        examples = []
        while counts["interrupted"] < arguments.moments:
            name = rng.choice(sorted(commands))
            after = rng.uniform(0, lengths[name])
            shutil.rmtree(Path(folder) / "out", ignore_errors=True)
            code, _, said = _run(commands[name], after)
            if code == 0:
                counts["had finished"] += 1
                continue
            if any("in begun" in line for line in said):
                counts["hit what watches for the first code"] += 1
                continue
            counts["interrupted"] += 1
            ours = [line for line in said if line.startswith("scenesearch: interrupted")]
            if code != signal.SIGINT + 128 or len(ours) != 1 or _more(said):
                counts["bad"] += 1
                examples.append(f"{name} after {after:.4f} s: {code} {said[-3:]}")
    report = Report(f"{arguments.moments} interrupts of {', '.join(commands)}")
    report.add("interrupted", counts["interrupted"])
    report.add("runs that had finished", counts["had finished"])
    name = "hit what watches for the first code"
    report.add(name, counts[name])
    report.add("another exit code, no line or two, a traceback", counts["bad"], at_most=0)
    report.facts["bad"] = examples[:10]
    report.print(as_json=arguments.json)
    return int(any(row.ok is False for row in report.rows))


def _more(said: Sequence[str]) -> bool:
    return any("Traceback" in line or "Error" in line or "leaked" in line for line in said)


def _commands(folder: Path) -> dict[str, list[str]]:
    from scenesearch.system.resources import resource_dir

    sample = resource_dir("sample")
    store, out = folder / "store", folder / "out"
    fresh = ["index", str(sample / "catalog.csv"), "--store", str(out / "store")]
    made = ["index", str(sample / "catalog.csv"), "--store", str(store)]
    if _run([*made, "--config", PROFILE], None)[0]:
        raise SystemExit("the sample cannot be indexed")
    room = str(sample / "rooms" / "room-1.jpg")
    commands = {
        "index": fresh,
        "index again": made,
        "tag": ["tag", str(sample / "rooms"), "--out", str(out / "tags.jsonl")],
        "look": ["look", room, "--store", str(store)],
        "search": ["search", "white lamp", "--store", str(store)],
    }
    return {name: [*command, "--config", PROFILE] for name, command in commands.items()}


def _run(command: Sequence[str], after: float | None) -> tuple[int, float, list[str]]:
    """A command; its exit code, how long it took from the first code on, what it said."""
    reading, writing = os.pipe()
    start = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-P", "-c", BEGIN, *command],
        env={**os.environ, "BEGUN": str(writing)},
        pass_fds=[writing],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as child:
        os.close(writing)
        os.read(reading, 1)
        start = time.monotonic()
        if after is not None:
            time.sleep(after)
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGINT)
        try:
            said = child.communicate(timeout=AT_ONCE_S)[1]
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            said = child.communicate()[1] + "\nErrors: did not end"
    os.close(reading)
    return child.returncode, time.monotonic() - start, said.splitlines()


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--moments", type=int, default=300)
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())
