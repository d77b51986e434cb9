"""Feedback in the state: who liked, clicked or bought what, and where it was shown."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from scenesearch.service.state.database import FEEDBACK
from scenesearch.service.state.tables import Tables

FeedbackKind = Literal["click", "like", "dislike", "purchase", "withdraw"]
_ROWS = 1_000_000
_ROW_BYTES = 2048


@dataclass(frozen=True, slots=True)
class Feedback:
    """One thing somebody did.

    Attributes:
        seq: grows from one to the next.
        at: seconds since the epoch.
        caller: which key, as a short digest; empty where there are no keys.
        kind: what was done.
        item_id: with what.
        query_id: after which look; None where that is not known.
        region: in the list of which region of it, from 0; None for the fused list.
        rank: at which place of the list, from 0.
        tenant: of that key; empty for nobody's.
    """

    seq: int
    at: float
    caller: str
    kind: FeedbackKind
    item_id: str
    query_id: str | None
    region: int | None
    rank: int | None
    tenant: str = ""


class FeedbackLog:
    """The feedback of one state; safe to call from any thread.

    Args:
        database: where it is.
        rows: how many are kept; the oldest go first.
        clock: seconds since the epoch.
    """

    def __init__(
        self, database: Tables, *, rows: int = _ROWS, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._rows = rows
        self._clock = clock

    def add(
        self,
        caller: str,
        kind: FeedbackKind,
        item_id: str,
        *,
        query_id: str | None = None,
        region: int | None = None,
        rank: int | None = None,
        tenant: str | None = None,
    ) -> Feedback:
        """Keep one; it is durable when this returns.

        Raises:
            NoSpaceError: the disk is full.
        """
        self._database.check_space(_ROW_BYTES)
        now = self._clock()
        with self._database.writing() as db:
            cursor = db.execute(
                "INSERT INTO feedback (at, caller, kind, item_id, query_id, region, rank, tenant) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING seq",
                (now, caller, kind, item_id, query_id, region, rank, tenant or ""),
            )
            seq = int(cursor.fetchone()[0])
            # numbers are never used again, so they tell which are the oldest
            db.execute("DELETE FROM feedback WHERE seq <= ?", (seq - self._rows,))
        return Feedback(seq, now, caller, kind, item_id, query_id, region, rank, tenant or "")

    def count(self, tenant: str | None = None) -> int:
        """How many are kept; of a tenant, where one is named."""
        query = "SELECT count(*) FROM feedback"
        if tenant is None:
            found = self._database.one(query)
        else:
            found = self._database.one(f"{query} WHERE tenant = ?", (tenant,))
        return int(found[0]) if found else 0

    def remove_tenant(self, tenant: str) -> int:
        """Forget what a tenant's keys sent; how much it was."""
        with self._database.writing() as db:
            return db.execute("DELETE FROM feedback WHERE tenant = ?", (tenant,)).rowcount

    def page(
        self,
        limit: int,
        *,
        since: float | None = None,
        after: int = 0,
        tenant: str | None = None,
    ) -> list[Feedback]:
        """Feedback in the order it came.

        Args:
            limit: how many at most.
            since: only from this time on, in seconds since the epoch.
            after: only with a larger ``seq``.
            tenant: only of this one's keys.
        """
        whose, named = ("", ()) if tenant is None else ("AND tenant = ? ", (tenant,))
        rows = self._database.sound_rows(
            self._database.select(
                FEEDBACK,
                "seq, at, caller, kind, item_id, query_id, region, rank, tenant",
                f"WHERE seq > ? AND at >= ? {whose}ORDER BY seq LIMIT ?",
            ),
            (after, 0.0 if since is None else since, *named, limit),
        )
        return [Feedback(*row) for row in rows]
