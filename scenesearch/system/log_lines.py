"""Lines of the log: for people, or one JSON object each for what collects them."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from typing import Literal

OURS = "scenesearch"
FIELDS = "fields"
"""Attribute of a record with values that a line has beside its message."""


class JsonLines(logging.Formatter):
    """A record as one line of JSON: time (UTC), level, logger, message, request id, values.

    Args:
        request_id: of the request that is being answered; None where there is none.
    """

    def __init__(self, request_id: Callable[[], str | None] = lambda: None) -> None:
        super().__init__()
        self._request_id = request_id

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the message holds."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        request_id = self._request_id()
        if request_id is not None:
            line["request_id"] = request_id
        line |= getattr(record, FIELDS, {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def log_to_stderr(
    form: Literal["text", "json"],
    level: int = logging.INFO,
    request_id: Callable[[], str | None] = lambda: None,
) -> None:
    """Write the log of this package to stderr, and what others warn of in the same form.

    Args:
        form: of the lines.
        level: below which nothing of this package is written.
        request_id: of the request that is being answered.
    """
    handler = logging.StreamHandler(sys.stderr)
    logger = logging.getLogger(OURS)
    logger.setLevel(level)
    if form == "text":
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.handlers = [handler]
        return
    handler.setFormatter(JsonLines(request_id))
    logger.handlers = []
    # at the root, or Python's last resort writes what others warn of as text
    logging.getLogger().handlers = [handler]
