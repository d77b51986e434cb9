"""How often a key may ask, over all services that share a state; as ``service/http/rate.py``."""

from __future__ import annotations

from scenesearch.service.state.postgres import Postgres

_TAKE = """
INSERT INTO buckets AS b (caller, level, at, taken) VALUES (?, ?, clock_timestamp(), true)
ON CONFLICT (caller) DO UPDATE SET (level, at, taken) = (
    SELECT CASE WHEN now.level >= 1 THEN now.level - 1 ELSE now.level END, clock_timestamp(),
        now.level >= 1
    FROM (SELECT least(?, b.level
        + greatest(0, extract(epoch FROM clock_timestamp() - b.at)) * ? / 60) AS level) now)
RETURNING level, taken
"""


class SharedRates:
    """Buckets by caller, filled by the clock of the database; safe to call from any thread."""

    def __init__(self, database: Postgres) -> None:
        self._database = database

    def take(self, caller: str, per_minute: int) -> float:
        """Take one request out.

        Args:
            caller: whose.
            per_minute: how many flow in, and how many there are room for.

        Returns:
            0, or seconds until there is one again.

        Raises:
            StoreUnavailableError: the database does not answer.
        """
        room = float(per_minute)
        with self._database.together() as db:
            found = db.execute(_TAKE, (caller, room - 1, room, room)).fetchone()
        level, taken = found
        return 0.0 if taken else (1 - float(level)) * 60 / per_minute
