"""Addresses of photos, read strictly: whatever two readers could read in two ways is refused.

No reader of the standard library stands in between, because those drop tabs and line ends, guess at
missing slashes and let user names through. Pure; resolves nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urljoin

from scenesearch.fetch.errors import FetchError
from scenesearch.fetch.hosts import Host, parse_host

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


@dataclass(frozen=True, slots=True)
class Url:
    """An address of a photo.

    Attributes:
        scheme: ``http`` or ``https``.
        host: in its one spelling.
        port: 80 or 443.
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


def parse_url(text: str) -> Url:
    """Read an address.

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
    host = parse_host(parts["host"])
    port = int(parts["port"] or PORTS[scheme])
    if port not in PORTS.values():
        raise FetchError(
            f"port {port} is not allowed: expected 80 or 443; leave it out",
            code="address_not_allowed",
        )
    target = quote((match["path"] or "/") + (match["query"] or ""), safe=_KEPT)
    return Url(scheme, host, port, target)


def follow(url: Url, location: bytes) -> Url:
    """Where a redirect leads.

    Args:
        url: what was asked.
        location: the header of the answer.

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
    to = parse_url(joined)
    if url.scheme == "https" and to.scheme == "http":
        raise FetchError(
            "the server redirected from https to http, which is refused", code="address_not_allowed"
        )
    return to


def _bad(text: str, got: str, expected: str) -> FetchError:
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    return FetchError(f"the address {shown!a} {got}, expected {expected}", code="bad_url")
