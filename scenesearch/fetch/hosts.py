"""Hosts in one spelling, so that what is checked is what is connected to.

Pure; resolves nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address

import idna

from scenesearch.fetch.errors import FetchError

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\Z")
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\Z")
_LOCAL = ("localhost", "local", "internal", "intranet", "lan", "home.arpa", "onion", "test")
"""Names, and domains, that mean something near this machine, or nothing."""
_HOST_LENGTH = 253


@dataclass(frozen=True, slots=True)
class Host:
    """A host in its one spelling.

    Attributes:
        name: an ASCII name in lower case without a trailing dot, or an IP address in its
            canonical form, without brackets.
        is_address: whether it is an IP address.
    """

    name: str
    is_address: bool

    @property
    def in_url(self) -> str:
        """As it is written in an address: IPv6 in brackets."""
        return f"[{self.name}]" if ":" in self.name else self.name


def parse_host(text: str) -> Host:
    """A host as it stands between ``//`` and the port.

    Numbers are read as browsers read them (https://url.spec.whatwg.org/#concept-ipv4-parser), so
    ``0x7f.1``, ``0177.0.0.1`` and ``2130706433`` all are ``127.0.0.1``; other alphabets by IDNA
    (UTS #46), so ``①②⑦.⓪.⓪.①`` is that too.

    Raises:
        FetchError: ``bad_url``, it is no host; ``address_not_allowed``, it is a name that only
            means something near this machine.
    """
    if text.startswith("[") and text.endswith("]"):
        return Host(_ipv6(text[1:-1]), is_address=True)
    name = _ascii(text)
    if _NUMBER.match(name.rsplit(".", 1)[-1]):
        return Host(str(_ipv4(name)), is_address=True)
    if len(name) > _HOST_LENGTH or not all(_LABEL.match(label) for label in name.split(".")):
        raise _bad(text)
    if "." not in name or any(name == one or name.endswith(f".{one}") for one in _LOCAL):
        raise FetchError(
            f"the host {name!r} is a name of a local network, expected a public one",
            code="address_not_allowed",
        )
    return Host(name, is_address=False)


def listed(name: str, hosts: tuple[str, ...]) -> bool:
    """Whether a host is on a list of hosts, where ``*.domain`` stands for its subdomains."""
    for entry in hosts:
        wanted = entry.lower().rstrip(".")
        if wanted.startswith("*."):
            # with the dot, so that notexample.com is no part of *.example.com
            if name.endswith(wanted[1:]) and len(name) > len(wanted) - 1:
                return True
        elif name == wanted:
            return True
    return False


def _ascii(text: str) -> str:
    name = text
    if not name.isascii():
        try:
            name = idna.encode(name[:512], uts46=True, std3_rules=True).decode("ascii")
        except (idna.IDNAError, UnicodeError) as error:
            raise _bad(text) from error
    name = name.lower()
    return name.removesuffix(".")


def _ipv6(text: str) -> str:
    # a scope names a network card of this machine
    if "%" in text or not text.isascii():
        raise _bad(text)
    try:
        return str(IPv6Address(text))
    except AddressValueError as error:
        raise _bad(text) from error


def _ipv4(name: str) -> IPv4Address:
    parts = name.split(".")
    if len(parts) > 4:
        raise _bad(name)
    numbers = [_number(part, name) for part in parts]
    last = numbers.pop()
    if any(number > 255 for number in numbers) or last >= 256 ** (4 - len(numbers)):
        raise _bad(name)
    return IPv4Address(last + sum(number << 8 * (3 - i) for i, number in enumerate(numbers)))


def _number(part: str, name: str) -> int:
    # longer than any address needs, and short enough that reading it costs nothing
    if not part or len(part) > 32:
        raise _bad(name)
    try:
        if part.startswith("0x"):
            return int(part[2:] or "0", 16)
        return int(part, 8) if part.startswith("0") else int(part, 10)
    except ValueError as error:
        raise _bad(name) from error


def _bad(text: str) -> FetchError:
    return FetchError(
        f"the address names no host: got {text[:80]!r}, expected a name such as example.com",
        code="bad_url",
    )
