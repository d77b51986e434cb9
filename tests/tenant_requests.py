"""Requests of every kind that a tenant's key can make, at random, for and against another's items.

Each request that names something comes with a twin that names what nobody has. A service that
answers the two alike, but for the name, says nothing of what is there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

MARK = "zanzibar"
"""A word that stands in everything of the other tenant, and in no request."""


@dataclass(frozen=True, slots=True)
class Known:
    """What an attacker may have got hold of.

    Attributes:
        tenant: who asks.
        own: ids of its items.
        other: ids of the other tenant's.
        points: ids of the other's photos.
        jobs: ids of its jobs.
        queries: ids of its looks.
        photos: base64 of photos of things, own and others'.
    """

    tenant: str
    own: Sequence[str]
    other: Sequence[str]
    points: Sequence[str]
    jobs: Sequence[str]
    queries: Sequence[str]
    photos: Sequence[str]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    method: str
    path: str
    body: Any = None

    def twin(self, name: str, instead: str) -> Asked:
        """The same, of another name."""
        path = self.path.replace(name, instead)
        text = None if self.body is None else json.dumps(self.body).replace(name, instead)
        return Asked(self.method, path, None if text is None else json.loads(text))


def filters(random: Random, tenant: str) -> str:
    """A filter of the caller, that tries to get out of the key's."""
    return random.choice(
        (
            "price > 0",
            "price > 0 or price < 1000",
            'tenant = "beta"',
            'tenant != "acme"',
            'tenant = "beta" or tenant = "acme"',
            f'not tenant = "{tenant}"',
            'not (tenant = "acme" and price > 0)',
            'tenant in ("beta", "acme")',
            'category = "chair" or not category = "chair"',
            'price > 0) or (tenant = "beta"',
            'item_id = "beta/1"',
        )
    )


def ask(random: Random, known: Known) -> tuple[Asked, str | None]:
    """A request, and the name in it that is another's; None where it names none of those."""
    kind = random.choice(tuple(_KINDS))
    return _KINDS[kind](random, known)


def stolen(random: Random, known: Known) -> str:
    """An id of the other tenant's items."""
    return random.choice(known.other)


def _where(random: Random, known: Known) -> dict[str, Any]:
    return {"where": filters(random, known.tenant)} if random.random() < 0.5 else {}


def _look(random: Random, known: Known) -> tuple[Asked, str | None]:
    body: dict[str, Any] = {"photo": {"base64": random.choice(known.photos)}, "limit": 50}
    if random.random() < 0.3:
        body["facets"] = ["category", "tenant"]
    if random.random() < 0.3:
        body["words"] = random.choice(("red chair", "gadget under 3"))
    return Asked("POST", "/v1/look", body | _where(random, known)), None


def _again(random: Random, known: Known) -> tuple[Asked, str | None]:
    query = random.choice(known.queries)
    return Asked("POST", "/v1/look", {"query_id": query, **_where(random, known)}), query


def _again_photo(random: Random, known: Known) -> tuple[Asked, str | None]:
    query = random.choice(known.queries)
    return Asked("GET", f"/v1/look/{query}/photo"), query


def _again_basket(random: Random, known: Known) -> tuple[Asked, str | None]:
    query = random.choice(known.queries)
    return Asked("POST", "/v1/basket", {"query_id": query, "budget": 100}), query


def _basket(random: Random, known: Known) -> tuple[Asked, str | None]:
    body = {"photo": {"base64": random.choice(known.photos)}, "budget": random.choice((5, 100))}
    name = None
    if random.random() < 0.5:
        name = stolen(random, known)
        body["keep"] = {"1": name}
    return Asked("POST", "/v1/basket", body | _where(random, known)), name


def _words(random: Random, known: Known) -> tuple[Asked, str | None]:
    words = random.choice(("red", "gadget", "a secret thing", "chair", "blue under 3", "beta"))
    return Asked("POST", "/v1/search", {"words": words, "limit": 50, **_where(random, known)}), None


def _like(random: Random, known: Known) -> tuple[Asked, str | None]:
    name = stolen(random, known)
    items = {name: random.choice((1.0, -0.5)), random.choice(known.own): 1.0}
    return Asked("POST", "/v1/search", {"items": items, "limit": 50}), name


def _id_as_words(random: Random, known: Known) -> tuple[Asked, str | None]:
    # other words mean other things, so there is no twin
    return Asked("POST", "/v1/search", {"words": stolen(random, known)}), None


def _photo_of(random: Random, known: Known) -> tuple[Asked, str | None]:
    photos = [{"base64": random.choice(known.photos)}]
    return Asked("POST", "/v1/search", {"photos": photos, **_where(random, known)}), None


def _complete(random: Random, known: Known) -> tuple[Asked, str | None]:
    if random.random() < 0.5:
        return Asked("GET", f"/v1/complete?item={random.choice(known.own)}&limit=20"), None
    name = stolen(random, known)
    return Asked("GET", f"/v1/complete?item={name}"), name


def _facets(random: Random, known: Known) -> tuple[Asked, str | None]:
    fields = ("category", "tenant", "item_id", "price", "title", "colour_names", "photo_sha256")
    named = "".join(f"&field={one}" for one in random.sample(fields, random.randint(0, 3)))
    return Asked("GET", f"/v1/facets?limit=50{named}"), None


def _item(random: Random, known: Known) -> tuple[Asked, str | None]:
    name = stolen(random, known)
    return Asked("GET", f"/v1/items/{name}"), name


def _list(random: Random, known: Known) -> tuple[Asked, str | None]:
    return Asked("GET", f"/v1/items?limit={random.randint(1, 100)}"), None


def _put(random: Random, known: Known) -> tuple[Asked, str | None]:
    name = stolen(random, known)
    attributes = random.choice(({}, {"tenant": "beta"}, {"Tenant": "beta"}, {"price": 2.0}))
    photos = [{"base64": random.choice(known.photos)}]
    return Asked("PUT", f"/v1/items/{name}", {"photos": photos, "attributes": attributes}), name


def _put_own(random: Random, known: Known) -> tuple[Asked, str | None]:
    attributes = random.choice(
        (
            {"category": "chair", "price": 2.0},
            {"category": "rug"},
            {"tenant": "beta"},
            {"tenant": 3},
        )
    )
    photos = [{"base64": random.choice(known.photos)}]
    body = {"photos": photos, "attributes": attributes}
    return Asked("PUT", f"/v1/items/{random.choice(known.own)}", body), None


def _patch(random: Random, known: Known) -> tuple[Asked, str | None]:
    attributes = random.choice(({"price": 3.0}, {"tenant": "acme"}, {"tenant": None}))
    if random.random() < 0.5:
        path = f"/v1/items/{random.choice(known.own)}"
        return Asked("PATCH", path, {"attributes": {"tenant": random.choice(("beta", None))}}), None
    name = stolen(random, known)
    return Asked("PATCH", f"/v1/items/{name}", {"attributes": attributes}), name


def _delete(random: Random, known: Known) -> tuple[Asked, str | None]:
    name = stolen(random, known)
    return Asked("DELETE", f"/v1/items/{name}"), name


def _delete_many(random: Random, known: Known) -> tuple[Asked, str | None]:
    if random.random() < 0.5:
        # filters that hold for the other's items, and for none of its own
        where = random.choice(('tenant = "beta"', 'not tenant = "acme"', 'item_id = "beta/1"'))
        return Asked("POST", "/v1/items/delete", {"where": where}), None
    name = stolen(random, known)
    return Asked("POST", "/v1/items/delete", {"ids": [name]}), name


def _picture(random: Random, known: Known) -> tuple[Asked, str | None]:
    name = random.choice(known.points)
    return Asked("GET", f"/v1/photos/{name}"), name


def _job(random: Random, known: Known) -> tuple[Asked, str | None]:
    records = [
        {
            "id": random.choice((stolen(random, known), random.choice(known.own))),
            "photos": [{"base64": random.choice(known.photos)}],
            "attributes": random.choice(({}, {"tenant": "beta"})),
        }
    ]
    return Asked("POST", "/v1/jobs", {"records": records}), None


def _jobs(random: Random, known: Known) -> tuple[Asked, str | None]:
    return Asked("GET", "/v1/jobs?limit=100"), None


def _a_job(random: Random, known: Known) -> tuple[Asked, str | None]:
    name = random.choice(known.jobs)
    method, rest = random.choice(
        (("GET", ""), ("GET", "/errors"), ("POST", "/cancel"), ("DELETE", ""))
    )
    return Asked(method, f"/v1/jobs/{name}{rest}"), name


def _feedback(random: Random, known: Known) -> tuple[Asked, str | None]:
    if random.random() < 0.5:
        return Asked("GET", "/v1/feedback?limit=1000"), None
    return Asked("POST", "/v1/feedback", {"kind": "like", "item_id": known.own[0]}), None


def _of_all(random: Random, known: Known) -> tuple[Asked, str | None]:
    method, path, body = random.choice(
        (
            ("GET", "/metrics", None),
            ("GET", "/v1/tenants", None),
            ("GET", "/v1/tenants/beta", None),
            ("GET", "/v1/tenants/beta/items", None),
            ("DELETE", "/v1/tenants/beta", None),
            ("POST", "/v1/scenes/search", {"text": "red"}),
            ("GET", "/v1/scenes/facets", None),
            ("POST", "/v1/backups", {"name": "mine"}),
        )
    )
    return Asked(method, path, body), None


def _agents(random: Random, known: Known) -> tuple[Asked, str | None]:
    name = stolen(random, known)
    query = random.choice(("red", "gadget", "chair"))
    kind = random.randrange(4)
    if kind == 0:
        return Asked("POST", "/ucp/catalog/search", {"query": query}), None
    if kind == 1:
        return Asked("POST", "/ucp/catalog/lookup", {"ids": [name]}), name
    if kind == 2:
        return Asked("POST", "/ucp/catalog/product", {"id": name}), name
    call = {"name": "search_catalog", "arguments": {"catalog": {"query": query}}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    return Asked("POST", "/ucp/mcp", body), None


_KINDS: Mapping[str, Callable[[Random, Known], tuple[Asked, str | None]]] = {
    "look": _look,
    "look again": _again,
    "photo of a look": _again_photo,
    "basket again": _again_basket,
    "basket": _basket,
    "words": _words,
    "like an item": _like,
    "an id as words": _id_as_words,
    "photo of one thing": _photo_of,
    "complete": _complete,
    "facets": _facets,
    "item": _item,
    "items": _list,
    "put": _put,
    "put its own": _put_own,
    "patch": _patch,
    "delete": _delete,
    "delete many": _delete_many,
    "picture": _picture,
    "job": _job,
    "jobs": _jobs,
    "a job": _a_job,
    "feedback": _feedback,
    "what is everybody's": _of_all,
    "agents": _agents,
}
_CHANGING = re.compile(r'"timings_ms":\s*(?:\{[^}]*\}|[\d.]+)')


def same_but_for(one: str, name: str, other: str, instead: str) -> bool:
    """Whether two answers differ in the name that was asked for, and in times, alone."""
    first, second = (_CHANGING.sub("", text) for text in (one, other))
    return first.replace(name, "?") == second.replace(instead, "?")
