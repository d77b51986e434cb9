"""Random requests of every kind with a tenant's key: is anything of another's seen, or timed?

A service in this process over an embedded store, with models that fake: what is asked is who may
see what, and not how good it is. ``--requests`` of them go through the checks of
``tests/test_tenants.py``. Then requests that name another tenant's item, photo, look or job take
turns with twins that name what nobody has: medians, and the ratio within a round.

    python benchmarks/tenants.py --requests 10000
"""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from measure import in_turns, parser, ratio

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import service_app
import test_tenants as tenants


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--requests", type=int, default=10_000)
    arguments.add_argument("--repeats", type=int, default=200)
    asked = arguments.parse_args()
    logging.disable(logging.WARNING)
    section = {"keys": tenants.KEYS, "ucp": True}
    with (
        tempfile.TemporaryDirectory() as folder,
        service_app.serving(Path(folder), section=section, tenant_field="tenant") as served,
    ):
        tenants.fill(served.client)
        tenants.check(served.client, asked.requests, asked.seed)
        print(f"{asked.requests} requests: nothing of another's seen, counted or changed")
        known = tenants.known_of(served.client)

        def side(method: str, path: str, body: object = None) -> Callable[[], object]:
            return lambda: tenants.ask(served.client, method, path, tenants.ACME, body)

        point, job, query = known.points[0], known.jobs[0], known.queries[0]
        like = {"items": {"beta/1": 1.0}}
        nothing = {"items": {"beta/x": 1.0}}
        put = {"photos": [tenants.photo()], "attributes": {}}
        pairs = {
            "an item": (("GET", "/v1/items/beta/1"), ("GET", "/v1/items/beta/x")),
            "search like it": (("POST", "/v1/search", like), ("POST", "/v1/search", nothing)),
            "what goes with it": (
                ("GET", "/v1/complete?item=beta/1"),
                ("GET", "/v1/complete?item=beta/x"),
            ),
            "change it": (
                ("PATCH", "/v1/items/beta/1", {"attributes": {}}),
                ("PATCH", "/v1/items/beta/x", {"attributes": {}}),
            ),
            "replace it": (("PUT", "/v1/items/beta/1", put), ("PUT", "/v1/items/beta/x", put)),
            "delete it": (("DELETE", "/v1/items/beta/1"), ("DELETE", "/v1/items/beta/x")),
            "its picture": (
                ("GET", f"/v1/photos/{point}"),
                ("GET", f"/v1/photos/{'0' * 8}{point[8:]}"),
            ),
            "a look": (
                ("POST", "/v1/look", {"query_id": query}),
                ("POST", "/v1/look", {"query_id": query[:-1] + "_"}),
            ),
            "a job": (("GET", f"/v1/jobs/{job}"), ("GET", f"/v1/jobs/{'0' * len(job)}")),
        }
        for name, (theirs, nobodys) in pairs.items():
            sides = {"theirs": side(*theirs), "nobodys": side(*nobodys)}
            times = in_turns(sides, repeats=asked.repeats)
            found = ratio(times["theirs"], times["nobodys"])
            print(f"{name:20} another's / nobody's {found:.3f}")


if __name__ == "__main__":
    main()
