"""Values as the JSON text that is sent."""

from __future__ import annotations

import json
from typing import Any

from scenesearch.look.as_json import plain


def to_json(values: Any) -> str:
    """ASCII text of JSON values; numbers that are not finite become null."""
    try:
        return json.dumps(values, allow_nan=False, separators=(",", ":"))
    except ValueError:
        # only attributes can hold such a number, and hardly any catalogue has one
        return json.dumps(plain(values), allow_nan=False, separators=(",", ":"))
