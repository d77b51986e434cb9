"""Whether the engine's flags are as long as they say, asked before it maps them.

For each field, which points have a value is a file of bits, and beside it one that says how many
they are. The engine makes the bits as long as that says: where it is damaged it takes all memory,
or the whole disk, and with that the processes of others. It has a checksum for neither.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from scenesearch.core.errors import DamagedError
from scenesearch.store.census import REPAIR

_LENGTHS = (
    "segments/*/payload_index/*/*/status.dat",
    "segments/*/vector_storage*/deleted/status.dat",
)
_BITS = "flags_*.dat"


def check_flags(shard: Path) -> None:
    """Look at the flags of every segment of a shard.

    Raises:
        DamagedError: there are fewer than one of its files says.
        OSError: a file cannot be read.
    """
    for length in chain.from_iterable(map(shard.glob, _LENGTHS)):
        room = [8 * bits.stat().st_size for bits in length.parent.glob(_BITS)]
        said = int.from_bytes(length.read_bytes()[:8], "little")
        if room and said > max(room):
            raise DamagedError(
                f"{length} says that there are {said:,} flags, and the file beside it has room "
                f"for {max(room):,}: it is damaged; {REPAIR}"
            )
