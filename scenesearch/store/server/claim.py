"""Who makes a collection, where several begin to at once.

A server makes a collection once and refuses it to everyone after. Whoever made it writes who it
is into the collection's metadata, and then what belongs to the collection, its record last. The
others wait for the record. Where none comes, its maker died, and one of them takes its place.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from scenesearch.core.errors import CollectionMismatchError
from scenesearch.core.protocols import WORDS
from scenesearch.core.types import CollectionSchema
from scenesearch.store.bm25 import has_words
from scenesearch.store.server.client_translate import vector_params, words_config, words_params
from scenesearch.store.server.connection import CONSENSUS_S, Connection

MAKER = "scenesearch_maker"
"""Key of the metadata: the ``made`` of the schema that is being written."""
DEAD_S = 60.0
"""A maker that has not come to the end after so long never will."""
POLL_S = 0.2
SETTLE_S = 0.5
"""Between taking a place and looking whether another took it at the same time."""


def claim(
    server: Connection,
    name: str,
    schema: CollectionSchema,
    record: Callable[[], CollectionSchema | None],
    layout: Mapping[str, int],
) -> bool:
    """Make a collection, or wait until somebody has.

    Args:
        server: where.
        name: of the collection.
        schema: with a ``made`` of its own.
        record: reads what the collection knows of itself; None until it was written.
        layout: shards and copies, as the server's arguments.

    Returns:
        Whether the caller made it, and has to write its record; else the record is there.

    Raises:
        CollectionMismatchError: somebody else's collection has the name.
    """
    what = f"create {name!r}"
    seen, since = "", time.monotonic()
    while True:
        if server.ask(what, lambda c: _created(c, name, schema, layout)):
            return True
        if record() is not None:
            return False
        maker = server.ask(what, lambda c: _maker(c, name))
        if maker == schema.made:
            return True  # the answer to our own creation was lost
        if maker is not None and maker != seen:
            seen, since = maker, time.monotonic()
        # made by hand, or by one that died
        if maker is None or time.monotonic() - since > DEAD_S:
            server.ask(what, lambda c: _take(c, server.where, name, schema))
            time.sleep(SETTLE_S)
            if server.ask(what, lambda c: _maker(c, name)) == schema.made:
                return True
        time.sleep(POLL_S)


def _created(client: Any, name: str, schema: CollectionSchema, layout: Mapping[str, int]) -> bool:
    from qdrant_client.http.exceptions import UnexpectedResponse

    try:
        client.create_collection(
            name,
            vectors_config=vector_params(schema),
            sparse_vectors_config=words_params() if has_words(schema) else None,
            metadata={MAKER: schema.made},
            timeout=CONSENSUS_S,
            **layout,
        )
    except UnexpectedResponse as error:
        if error.status_code == 409 or b"already exists" in error.content:
            return False
        raise
    except ValueError as error:
        # the in-memory mode has no status to tell by
        if "already exists" in str(error):
            return False
        raise
    return True


def _maker(client: Any, name: str) -> str | None:
    found = (client.get_collection(name).config.metadata or {}).get(MAKER)
    return None if found is None else str(found)


def _take(client: Any, where: str, name: str, schema: CollectionSchema) -> None:
    """Take over a collection that nobody finishes, if it is empty and has the right spaces."""
    params = client.get_collection(name).config.params.vectors
    found = (
        {space: (one.size, str(one.distance.value)) for space, one in params.items()}
        if isinstance(params, dict)
        else None
    )
    wanted = {space: (dim, "Cosine") for space, dim in schema.vectors.items()}
    if found != wanted or client.count(name, exact=True).count:
        raise CollectionMismatchError(
            f"{where} has a collection {name!r} that scenesearch did not make (vectors {found}, "
            f"expected none of its points yet and {wanted}); choose another name, or delete it on "
            "the server"
        )
    if has_words(schema):
        client.create_vector_name(name, WORDS, words_config(), timeout=CONSENSUS_S)
    client.update_collection(name, metadata={MAKER: schema.made}, timeout=CONSENSUS_S)
