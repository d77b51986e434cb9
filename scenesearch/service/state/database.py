"""The file of the service's state: jobs, their records and photos, and feedback."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

from scenesearch.core.errors import StoreError
from scenesearch.system.disk import MIN_FREE_BYTES, check_free_space
from scenesearch.system.lock_file import DirectoryLock
from scenesearch.system.row_sums import Summed
from scenesearch.system.sqlite_file import DurableFile, Form, damage, explained

APPLICATION_ID = 0x53435356
"""In the header of the file (``SCSV``): what tells it from any other database."""
VERSION = 3
JOBS = Summed(
    "jobs",
    ("seq",),
    (
        *("seq", "id", "kind", "status", "total", "done", "failed", "bytes", "created", "started"),
        *("finished", "code", "detail", "tenant"),
    ),
)
RECORDS = Summed(
    "records",
    ("job", "place"),
    ("job", "place", "line", "item_id", "attributes", "photos"),
)
ERRORS = Summed(
    "errors",
    ("job", "place"),
    ("job", "place", "line", "item_id", "code", "detail"),
)
KEYS = Summed("keys", ("caller", "key"), ("caller", "key", "body", "job"))
FEEDBACK = Summed(
    "feedback",
    ("seq",),
    ("seq", "at", "caller", "kind", "item_id", "query_id", "region", "rank", "tenant"),
)
USAGE = Summed("usage", ("caller", "day", "what"), ("caller", "day", "what", "used"))
SUMMED = (JOBS, RECORDS, ERRORS, KEYS, FEEDBACK, USAGE)
"""Photos have none: their sha256 is their name."""
OF_NOBODY = "tenant TEXT NOT NULL DEFAULT ''"
_JOBS_2, _FEEDBACK_2 = (replace(one, columns=one.columns[:-1]) for one in (JOBS, FEEDBACK))
"""Before there were tenants."""
_USAGE = """
CREATE TABLE usage (caller TEXT NOT NULL, day TEXT NOT NULL, what TEXT NOT NULL,
    used INTEGER NOT NULL, sum INTEGER, PRIMARY KEY (caller, day, what)) WITHOUT ROWID;
"""
_PAGES = 25_000
TABLES = f"""
CREATE TABLE jobs (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL, status TEXT NOT NULL, total INTEGER NOT NULL, done INTEGER NOT NULL,
    failed INTEGER NOT NULL, bytes INTEGER NOT NULL, created REAL NOT NULL, started REAL,
    finished REAL, code TEXT, detail TEXT, {OF_NOBODY}, sum INTEGER);
CREATE INDEX jobs_by_status ON jobs (status, seq);
CREATE TABLE records (job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
    place INTEGER NOT NULL, line INTEGER, item_id TEXT NOT NULL, attributes TEXT NOT NULL,
    photos TEXT NOT NULL, sum INTEGER, PRIMARY KEY (job, place)) WITHOUT ROWID;
CREATE TABLE errors (job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
    place INTEGER NOT NULL, line INTEGER, item_id TEXT, code TEXT NOT NULL, detail TEXT NOT NULL,
    sum INTEGER, PRIMARY KEY (job, place)) WITHOUT ROWID;
CREATE TABLE photos (job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
    sha256 TEXT NOT NULL, data BLOB NOT NULL, UNIQUE (job, sha256));
CREATE TABLE keys (caller TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL,
    job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE, sum INTEGER,
    PRIMARY KEY (caller, key)) WITHOUT ROWID;
CREATE INDEX keys_by_job ON keys (job);
CREATE TABLE feedback (seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL,
    caller TEXT NOT NULL, kind TEXT NOT NULL, item_id TEXT NOT NULL, query_id TEXT,
    region INTEGER, rank INTEGER, {OF_NOBODY}, sum INTEGER);
CREATE INDEX feedback_by_time ON feedback (at);
{_USAGE}
{" ".join(table.triggers for table in SUMMED)}
"""
FORM = Form(
    APPLICATION_ID,
    VERSION,
    TABLES,
    other_version="{path} is of version {version}, this scenesearch writes version "
    f"{VERSION}; run the version that wrote it until its jobs are done, or move it away",
    foreign="{path} is a database of something else, expected the service's state; set "
    "service.state_dir to another folder",
    # photos of finished jobs are not left readable in the file
    pragmas=("auto_vacuum=INCREMENTAL", "foreign_keys=ON", "secure_delete=FAST"),
    summed=SUMMED,
    by_content=(("photos", "sha256", "data"),),
    never={
        "photos of records are gone": "SELECT count(*) FROM records r, json_each(r.photos) p "
        "WHERE json_extract(p.value, '$.sha256') IS NOT NULL AND NOT EXISTS (SELECT 1 FROM "
        "photos f WHERE f.job = r.job AND f.sha256 = json_extract(p.value, '$.sha256'))",
        "jobs that wait have fewer records than they say": "SELECT count(*) FROM jobs j WHERE "
        "status IN ('queued', 'running') AND total - done - failed <> "
        "(SELECT count(*) FROM records r WHERE r.job = j.seq)",
    },
    migrations={
        1: " ".join(one.migration for one in (_JOBS_2, RECORDS, ERRORS, KEYS, _FEEDBACK_2)),
        2: " ".join(
            (
                JOBS.widening(_JOBS_2, OF_NOBODY),
                FEEDBACK.widening(_FEEDBACK_2, OF_NOBODY),
                _USAGE,
                USAGE.triggers,
            )
        ),
    },
)


class Database(DurableFile):
    """The file; one process at a time. See :class:`~scenesearch.service.state.tables.Tables`.

    Args:
        folder: of ``service.sqlite`` and ``service.lock``; made where it is missing.
        min_free_bytes: larger writes are refused when less disk than this would be left.

    Raises:
        StoreUnavailableError: another service has it open, or the folder cannot be written.
        StoreError: the file is damaged, of another program, or of another version.
        NoSpaceError: the disk is full.
    """

    def __init__(self, folder: Path, *, min_free_bytes: int = MIN_FREE_BYTES) -> None:
        self.path = folder / "service.sqlite"
        self._min_free = min_free_bytes
        self._lock = DirectoryLock(folder / "service.lock", f"the service's state in {folder}")
        try:
            super().__init__(self.path, FORM, self._explained)
        except BaseException:
            self._lock.release()
            raise

    def close(self) -> None:
        """Give the file back."""
        super().close()
        self._lock.release()

    poll_s: float | None = None

    def select(self, table: Summed, columns: str, rest: str) -> str:
        """A query that says of each row whether it is what was written."""
        return table.select(columns, rest)

    def take(self, job: int) -> bool:  # noqa: ARG002
        """Every job is this service's: nobody else has the file."""
        return True

    def let_go(self) -> None:
        """Do nothing: there is nobody to take it."""

    def damaged(self, said: str) -> StoreError:
        """The error of something that is not what was written."""
        return self._explained(damage(said))

    def check_space(self, needed: int) -> None:
        """Refuse a write before it is begun.

        Raises:
            NoSpaceError: the disk has no room for it.
        """
        # the log and the file both get it
        check_free_space(self.path.parent, self._min_free + 2 * needed, self._min_free)

    def shrink(self) -> None:
        """Give pages that are no longer used back to the disk, about 100 MB of them at a time."""
        with self.guard():
            # a script, because that is stepped to its end; execute() gives back one page
            self.db.executescript(f"PRAGMA incremental_vacuum({_PAGES})")
            self.db.executescript("PRAGMA wal_checkpoint(TRUNCATE)")

    def _explained(self, error: sqlite3.Error) -> StoreError:
        return explained(
            error,
            self.path,
            what="the service's state",
            kept="nothing of this was written",
            repair=f"scenesearch verify {self.path} --repair takes out what is damaged, and says "
            "which jobs and feedback that is",
        )
