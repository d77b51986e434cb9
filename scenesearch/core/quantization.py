"""What vectors are searched by; apart, so that the command line knows the names without numpy."""

from __future__ import annotations

from typing import Literal

Quantization = Literal["none", "int8", "binary"]
"""What is searched first: the vectors themselves, or codes of a quarter or a thirty-second of
their size, whose best candidates are scored again by the vectors."""

Memory = Literal["pinned", "cached", "cold"]
"""Where what is searched first is held, the codes, or the graph where there are none: ``pinned``
for good, ``cached`` as long as there is room, ``cold`` read as it is needed."""
