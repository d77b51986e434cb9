"""What became of one record, as an answer: a failure of the only one is an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scenesearch.service.http.problems import BY_CODE, ProblemError


def refuse_failure(outcome: Mapping[str, Any]) -> None:
    """Do nothing for what was stored.

    Args:
        outcome: of one record, as :class:`~scenesearch.engine.tasks.PutItems` answers.

    Raises:
        ProblemError: it failed: the record's own error, with the status of its code.
    """
    if outcome["status"] != "failed":
        return
    error = outcome["error"]
    code = str(error["code"])
    raise ProblemError(code, str(error["detail"]), status=BY_CODE.get(code, 422))
