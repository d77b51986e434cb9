"""What vectors are searched by; apart, so that the command line knows the names without numpy."""

from __future__ import annotations

from typing import Literal

Quantization = Literal["none", "int8", "binary"]
"""What is searched first: the vectors themselves, or codes of a quarter or a thirty-second of
their size, whose best candidates are scored again by the vectors."""
