"""Feedback in the state: who liked, clicked or bought what, and where it was shown."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from scenesearch.service.state.database import FEEDBACK, Database

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
    """

    seq: int
    at: float
    caller: str
    kind: FeedbackKind
    item_id: str
    query_id: str | None
    region: int | None
    rank: int | None


class FeedbackLog:
    """The feedback of one state; safe to call from any thread.

    Args:
        database: where it is.
        rows: how many are kept; the oldest go first.
        clock: seconds since the epoch.
    """

    def __init__(
        self, database: Database, *, rows: int = _ROWS, clock: Callable[[], float] = time.time
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
    ) -> Feedback:
        """Keep one; it is durable when this returns.

        Raises:
            NoSpaceError: the disk is full.
        """
        self._database.check_space(_ROW_BYTES)
        now = self._clock()
        with self._database.writing() as db:
            cursor = db.execute(
                "INSERT INTO feedback (at, caller, kind, item_id, query_id, region, rank) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (now, caller, kind, item_id, query_id, region, rank),
            )
            seq = cursor.lastrowid
            assert seq is not None
            # numbers are never used again, so they tell how many there are
            db.execute("DELETE FROM feedback WHERE seq <= ?", (seq - self._rows,))
        return Feedback(seq, now, caller, kind, item_id, query_id, region, rank)

    def count(self) -> int:
        """How many are kept."""
        # numbers are never used again, and the oldest go first
        ((first, last),) = self._database.rows("SELECT min(seq), max(seq) FROM feedback", ())
        return 0 if first is None else int(last) - int(first) + 1

    def page(self, limit: int, *, since: float | None = None, after: int = 0) -> list[Feedback]:
        """Feedback in the order it came.

        Args:
            limit: how many at most.
            since: only from this time on, in seconds since the epoch.
            after: only with a larger ``seq``.
        """
        rows = self._database.sound_rows(
            FEEDBACK.select(
                "seq, at, caller, kind, item_id, query_id, region, rank",
                "WHERE seq > ? AND at >= ? ORDER BY seq LIMIT ?",
            ),
            (after, 0.0 if since is None else since, limit),
        )
        return [Feedback(*row) for row in rows]
