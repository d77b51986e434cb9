"""Two services before one store and one PostgreSQL: jobs, feedback, looks, and kills of either.

Jobs and feedback are sent to a proxy that asks the services in turn, and again where one was killed
at that moment; each job with an Idempotency-Key, each feedback with a number of its own. Meanwhile
one of the services is killed (SIGKILL) and started again, at random. In the end every job must be
done, every item be stored once, and all feedback that was acknowledged be there. Then looks are
asked again over a round robin: how many of the refinements are answered, and alike.

    python benchmarks/shared_state.py --qdrant http://127.0.0.1:6333 --state postgresql://... PHOTOS

Both must be empty, or there for this alone. The key of Qdrant: SCENESEARCH_QDRANT_API_KEY.
"""

from __future__ import annotations

import base64
import itertools
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
from measure import parser

START_S = 120.0
TRIES = 600


class Services:
    """Two services, asked in turn."""

    def __init__(self, folder: Path, qdrant: str, state: str, config: str) -> None:
        self.ports = [free_port(), free_port()]
        self._command = [
            *(sys.executable, "-m", "scenesearch", "serve", "--store", qdrant),
            *("--config", config, "--quiet"),
        ]
        self._environment = [
            {
                **os.environ,
                "SCENESEARCH_SERVICE__STATE": state,
                "SCENESEARCH_SERVICE__STATE_DIR": str(folder / name),
                "SCENESEARCH_CACHE_DIR": str(folder / f"cache-{name}"),
            }
            for name in "ab"
        ]
        self.processes = [self._start(0), self._start(1)]
        self._turn = itertools.count()
        self.client = httpx.Client(timeout=60)

    def _start(self, which: int) -> subprocess.Popen[bytes]:
        words = [*self._command, "--port", str(self.ports[which])]
        return subprocess.Popen(words, env=self._environment[which], start_new_session=True)

    def wait(self) -> None:
        """Until both answer."""
        until = time.monotonic() + START_S
        for port in self.ports:
            while time.monotonic() < until:
                try:
                    if httpx.get(f"http://127.0.0.1:{port}/livez").status_code == 200:
                        break
                except httpx.HTTPError:
                    time.sleep(0.2)

    def kill(self, which: int) -> None:
        """Kill one, and start it again."""
        self.processes[which].send_signal(signal.SIGKILL)
        self.processes[which].wait()
        self.processes[which] = self._start(which)

    def ask(self, method: str, path: str, **how: object) -> httpx.Response:
        """One answer, of whoever is there; a turn each."""
        for _ in range(TRIES):
            port = self.ports[next(self._turn) % 2]
            try:
                answer = self.client.request(method, f"http://127.0.0.1:{port}{path}", **how)  # type: ignore[arg-type]
            except httpx.HTTPError:
                time.sleep(0.25)
                continue
            if answer.status_code != 503:
                return answer
            time.sleep(0.25)
        raise SystemExit(f"no service answered {method} {path}")

    def close(self) -> None:
        """End both."""
        for one in self.processes:
            one.send_signal(signal.SIGTERM)
        for one in self.processes:
            one.wait()


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("photos", nargs="+", type=Path)
    arguments.add_argument("--qdrant", required=True)
    arguments.add_argument("--state", required=True)
    arguments.add_argument("--config", default="offline")
    arguments.add_argument("--jobs", type=int, default=500)
    arguments.add_argument("--feedback", type=int, default=10_000)
    arguments.add_argument("--kills", type=int, default=20)
    arguments.add_argument("--looks", type=int, default=20)
    asked = arguments.parse_args()
    draws = random.Random(asked.seed)
    photos = [base64.b64encode(path.read_bytes()).decode() for path in asked.photos]
    with tempfile.TemporaryDirectory() as folder:
        services = Services(Path(folder), asked.qdrant, asked.state, asked.config)
        try:
            services.wait()
            _run(services, photos, asked, draws)
        finally:
            services.close()


def _run(services: Services, photos: list[str], asked: object, draws: random.Random) -> None:
    jobs: list[str] = []
    acknowledged: list[str] = []
    done = threading.Event()
    kills = 0

    def send_jobs() -> None:
        for number in range(asked.jobs):
            record = {
                "id": f"item-{number}",
                "photos": [{"base64": photos[number % len(photos)]}],
                "attributes": {"number": number},
            }
            answer = services.ask(
                "POST",
                "/v1/jobs",
                json={"records": [record]},
                headers={"Idempotency-Key": f"job-{number}"},
            )
            assert answer.status_code == 202, answer.text
            jobs.append(answer.json()["id"])

    def send_feedback() -> None:
        for number in range(asked.feedback):
            body = {"kind": "click", "item_id": f"feedback-{number}"}
            answer = services.ask("POST", "/v1/feedback", json=body)
            assert answer.status_code == 201, answer.text
            acknowledged.append(answer.json()["id"])

    def kill() -> None:
        nonlocal kills
        while kills < asked.kills and not done.wait(draws.uniform(4, 9)):
            services.kill(draws.randrange(2))
            kills += 1

    began = time.monotonic()
    threads = [threading.Thread(target=one) for one in (send_jobs, send_feedback)]
    killer = threading.Thread(target=kill)
    for one in (*threads, killer):
        one.start()
    for one in threads:
        one.join()
    states: Counter[tuple[str, int, int]] = Counter()
    while time.monotonic() - began < 3600:
        listed = [services.ask("GET", f"/v1/jobs/{one}").json() for one in jobs]
        states = Counter((one["status"], one["done"], one["failed"]) for one in listed)
        if all(one["finished"] for one in listed):
            break
        time.sleep(1)
    done.set()
    killer.join()
    services.wait()
    facets = services.ask("GET", "/v1/facets?field=number").json()
    kept: list[str] = []
    cursor = None
    while True:
        more = "" if cursor is None else f"&cursor={cursor}"
        page = services.ask("GET", f"/v1/feedback?limit=1000{more}").json()
        kept += [one["id"] for one in page["feedback"]]
        if (cursor := page["cursor"]) is None:
            break
    print(
        f"{time.monotonic() - began:.0f} s, {kills} kills; jobs by (status, done, failed): "
        f"{dict(states)}, ids {len(set(jobs))}; items {facets['items']}\n"
        f"feedback acknowledged {len(acknowledged)}, of it lost "
        f"{len(set(acknowledged) - set(kept))}, kept {len(kept)}"
    )
    alike = answered = 0
    for number in range(asked.looks):
        body = {"photo": {"base64": photos[number % len(photos)]}}
        looked = services.ask("POST", "/v1/look", json=body).json()
        for _ in range(4):
            answer = services.ask("POST", "/v1/look", json={"query_id": looked["query_id"]})
            answered += answer.status_code == 200
            alike += answer.status_code == 200 and _told(answer.json()) == _told(looked)
    print(f"refinements: {answered} of {4 * asked.looks} answered, {alike} alike")


def _told(look: dict[str, list[dict[str, object]]]) -> list[object]:
    return [match["item_id"] for match in look["matches"]]


if __name__ == "__main__":
    main()
