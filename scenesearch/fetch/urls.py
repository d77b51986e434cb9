"""Addresses of photos, read strictly: whatever two readers could read in two ways is refused.

No reader of the standard library stands in between, because those drop tabs and line ends, guess at
missing slashes and let user names through. Hosts are put in one spelling, so that what is checked
is what is connected to. Pure; resolves nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import quote, urljoin

import idna

from scenesearch.fetch.errors import FetchError

LENGTH = 4096
PORTS = {"http": 80, "https": 443}
# RFC 3986, appendix B, with the scheme and the authority required
_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)"
    r"(?P<path>[^?#]*)(?P<query>\?[^#]*)?(?P<fragment>#.*)?"
)
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[1-9][0-9]{0,4}))?")
# controls, spaces, the backslash that some readers take for a slash, lone surrogates, and marks
# that are not seen or that turn the direction of writing
_NEVER = re.compile(
    "[\x00-\x20\x7f-\xa0\\\\\u00ad\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ud800-\udfff"
    "\ufeff\ufff0-\uffff]"
)
_KEPT = "%/:@!$&'()*+,;=~?[]|"
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


def parse_host(text: str, *, local: bool = False) -> Host:
    """A host as it stands between ``//`` and the port.

    Numbers are read as browsers read them (https://url.spec.whatwg.org/#concept-ipv4-parser), so
    ``0x7f.1``, ``0177.0.0.1`` and ``2130706433`` all are ``127.0.0.1``; other alphabets by IDNA
    (UTS #46), so ``①②⑦.⓪.⓪.①`` is that too.

    Args:
        text: the host.
        local: take names that only mean something near this machine.

    Raises:
        FetchError: ``bad_url``, it is no host; ``address_not_allowed``, it is such a name.
    """
    if text.startswith("[") and text.endswith("]"):
        return Host(_ipv6(text[1:-1]), is_address=True)
    name = _ascii(text)
    if _NUMBER.match(name.rsplit(".", 1)[-1]):
        return Host(str(_ipv4(name)), is_address=True)
    if len(name) > _HOST_LENGTH or not all(_LABEL.match(label) for label in name.split(".")):
        raise _no_host(text)
    if not local and _is_local(name):
        raise FetchError(
            f"the host {name!r} is a name of a local network, expected a public one",
            code="address_not_allowed",
        )
    return Host(name, is_address=False)


def _is_local(name: str) -> bool:
    return "." not in name or any(name == one or name.endswith(f".{one}") for one in _LOCAL)


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
            raise _no_host(text) from error
    name = name.lower()
    return name.removesuffix(".")


def _ipv6(text: str) -> str:
    # a scope names a network card of this machine
    if "%" in text or not text.isascii():
        raise _no_host(text)
    try:
        return str(IPv6Address(text))
    except AddressValueError as error:
        raise _no_host(text) from error


def _ipv4(name: str) -> IPv4Address:
    parts = name.split(".")
    if len(parts) > 4:
        raise _no_host(name)
    numbers = [_number(part, name) for part in parts]
    last = numbers.pop()
    if any(number > 255 for number in numbers) or last >= 256 ** (4 - len(numbers)):
        raise _no_host(name)
    return IPv4Address(last + sum(number << 8 * (3 - i) for i, number in enumerate(numbers)))


def _number(part: str, name: str) -> int:
    # longer than any address needs, and short enough that reading it costs nothing
    if not part or len(part) > 32:
        raise _no_host(name)
    try:
        if part.startswith("0x"):
            return int(part[2:] or "0", 16)
        return int(part, 8) if part.startswith("0") else int(part, 10)
    except ValueError as error:
        raise _no_host(name) from error


def _no_host(text: str) -> FetchError:
    return FetchError(
        f"the address names no host: got {text[:80]!r}, expected a name such as example.com",
        code="bad_url",
    )


@dataclass(frozen=True, slots=True)
class Url:
    """An address of a photo.

    Attributes:
        scheme: ``http`` or ``https``.
        host: in its one spelling.
        port: 80 or 443, or that of a host that was let in.
        target: path and query as they are sent, ASCII.
    """

    scheme: str
    host: Host
    port: int
    target: str

    @property
    def authority(self) -> str:
        """The value of the ``Host`` header."""
        if self.port == PORTS[self.scheme]:
            return self.host.in_url
        return f"{self.host.in_url}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def parse_url(text: str, private: frozenset[tuple[str, int]] = frozenset()) -> Url:
    """Read an address.

    Args:
        text: the address.
        private: hosts with ports that are let in although they are not public.

    Raises:
        FetchError: ``bad_url``, it is none or can be read in two ways; ``address_not_allowed``,
            its port or the name of its host is refused whatever it resolves to.
    """
    if len(text) > LENGTH:
        raise _bad(text, f"is {len(text)} characters long", f"at most {LENGTH}")
    found = _NEVER.search(text)
    if found is not None:
        what = f"U+{ord(found.group()):04X} at character {found.start() + 1}"
        raise _bad(text, f"holds {what}", "no spaces, controls or backslashes; write them as %XX")
    match = _URL.fullmatch(text)
    if match is None:
        raise _bad(text, "is no web address", "http://host/path or https://host/path")
    scheme = match["scheme"].lower()
    if scheme not in PORTS:
        raise _bad(text, f"begins with {scheme[:20]}:", "http: or https:")
    if "@" in match["authority"]:
        raise _bad(text, "holds a user name", "an address without one")
    if match["fragment"] and not match["path"]:
        raise _bad(text, "has # right after its host", "a path before it")
    parts = _AUTHORITY.fullmatch(match["authority"])
    if parts is None or not parts["host"]:
        raise _bad(text, "names no host, or a port that is no number", "http://host/path")
    host = parse_host(parts["host"], local=bool(private))
    port = int(parts["port"] or PORTS[scheme])
    if (host.name, port) in private:
        return Url(scheme, host, port, _target(match))
    if not host.is_address and _is_local(host.name):
        parse_host(host.name)  # says what is wrong with it
    if port not in PORTS.values():
        raise FetchError(
            f"port {port} is not allowed: expected 80 or 443; leave it out",
            code="address_not_allowed",
        )
    return Url(scheme, host, port, _target(match))


def _target(match: re.Match[str]) -> str:
    return quote((match["path"] or "/") + (match["query"] or ""), safe=_KEPT)


def follow(url: Url, location: bytes, private: frozenset[tuple[str, int]] = frozenset()) -> Url:
    """Where a redirect leads.

    Args:
        url: what was asked.
        location: the header of the answer.
        private: as for :func:`parse_url`.

    Raises:
        FetchError: as :func:`parse_url`; ``address_not_allowed`` for a redirect that leaves TLS;
            ``fetch_failed`` for a header that is no text.
    """
    try:
        text = location.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FetchError(
            "the server redirected to an address that is no UTF-8", code="fetch_failed"
        ) from error
    # before it is joined: joining drops some of what is refused here, and reads three slashes as
    # one where browsers read two
    if len(text) > LENGTH or _NEVER.search(text) or text.startswith("///"):
        raise FetchError("the server redirected to an address that cannot be read", code="bad_url")
    try:
        joined = text if _ABSOLUTE.match(text) else urljoin(str(url), text)
    except ValueError as error:
        raise FetchError(
            "the server redirected to an address that cannot be read", code="bad_url"
        ) from error
    to = parse_url(joined, private)
    if url.scheme == "https" and to.scheme == "http":
        raise FetchError(
            "the server redirected from https to http, which is refused", code="address_not_allowed"
        )
    return to


def _bad(text: str, got: str, expected: str) -> FetchError:
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    return FetchError(f"the address {shown!a} {got}, expected {expected}", code="bad_url")
