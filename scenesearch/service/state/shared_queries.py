"""Photos that were looked at, so that a refinement works on any of several services.

What the models saw stays in the service that looked; another one looks again, which gives the
same, and knows it then as well.
"""

from __future__ import annotations

from itertools import count

from scenesearch.engine.tasks import Photo
from scenesearch.service.state.postgres import Postgres

PRUNED_EVERY = 16
"""Looks after which old photos are removed."""
MEGABYTE = 1_000_000


class SharedQueries:
    """The photos, in a state that services share; safe to call from any thread.

    Args:
        database: where they are.
        ttl_s: how long one is kept after its last use.
        max_megabytes: of all of them; the least recently used go first.
    """

    def __init__(self, database: Postgres, *, ttl_s: float, max_megabytes: int) -> None:
        self._database = database
        self._ttl_s = ttl_s
        self._most = max_megabytes * MEGABYTE
        self._added = count(1)

    def add(self, query_id: str, photo: Photo, tenant: str | None) -> None:
        """Keep a photo under an id.

        Raises:
            StoreUnavailableError: the database does not answer.
        """
        if len(photo.data) > self._most:
            return
        with self._database.together() as db:
            db.execute(
                "INSERT INTO queries (id, tenant, name, data) VALUES (?, ?, ?, ?)",
                (query_id, tenant or "", photo.name, photo.data),
            )
            if next(self._added) % PRUNED_EVERY == 0:
                db.execute(
                    "DELETE FROM queries WHERE used < clock_timestamp() - make_interval(secs => ?)",
                    (self._ttl_s,),
                )
                db.execute(
                    "DELETE FROM queries WHERE id IN (SELECT id FROM (SELECT id, "
                    "sum(length(data)) OVER (ORDER BY used DESC, id) AS above FROM queries) held "
                    "WHERE above > ?)",
                    (self._most,),
                )

    def get(self, query_id: str, tenant: str | None) -> Photo | None:
        """A photo of the tenant, which stays for another while; None where there is none."""
        with self._database.together() as db:
            found = db.execute(
                "UPDATE queries SET used = clock_timestamp() WHERE id = ? AND tenant = ? AND "
                "used >= clock_timestamp() - make_interval(secs => ?) RETURNING data, name",
                (query_id, tenant or "", self._ttl_s),
            ).fetchone()
        return None if found is None else Photo(bytes(found[0]), str(found[1]))

    def use(self, query_id: str) -> None:
        """Let a photo stay for another while."""
        with self._database.together() as db:
            db.execute("UPDATE queries SET used = clock_timestamp() WHERE id = ?", (query_id,))
