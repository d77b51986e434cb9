"""Who may ask: keys, compared in constant time, and never kept or logged as they are."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from scenesearch.config.service import Key, KeySettings, Scope, ServiceSettings
from scenesearch.core.errors import ConfigError

LOOPBACK_NAMES = frozenset({"localhost", "ip6-localhost"})
KEY_NAMES = frozenset(
    {"key", "api_key", "apikey", "api-key", "x-api-key", "access_token", "token", "authorization"}
)
"""Parameters of a URL in which people send keys; URLs end up in logs and histories."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a caller may do.

    Attributes:
        scopes: what it may do.
        caller: which key, as a short digest that says nothing about it; empty without keys.
        where: a filter that holds for all that is answered.
        origins: of the pages that may use the key; empty for anybody.
        expires: when it is refused from.
        per_minute: requests; 0 for any number.
        tenant: whose items it sees and changes; None for everybody's. ``where`` says so too.
        per_day: what it may cost a day, of what is limited.
    """

    scopes: frozenset[Scope]
    caller: str = ""
    where: str | None = None
    origins: tuple[str, ...] = ()
    expires: datetime | None = None
    per_minute: int = 0
    tenant: str | None = None
    per_day: Mapping[str, int] = field(default_factory=dict)

    @property
    def read(self) -> bool:
        """Whether it may see everything."""
        return "read" in self.scopes

    @property
    def write(self) -> bool:
        """Whether it may change things."""
        return "write" in self.scopes


SEARCHING: frozenset[Scope] = frozenset({"search", "feedback"})
READING: frozenset[Scope] = SEARCHING | {"read"}
WRITING: frozenset[Scope] = READING | {"write"}
NOTHING = Access(frozenset())
EVERYTHING = Access(WRITING)


class Keyring:
    """The keys of the settings, as digests of one length.

    >>> from pydantic import SecretStr
    >>> ring = Keyring((), (SecretStr("a-long-write-key-1"),))
    >>> ring.access(b"a-long-write-key-1").write, ring.access(b"another").read
    (True, False)
    """

    def __init__(
        self,
        read: Iterable[Key],
        write: Iterable[Key],
        keys: Iterable[KeySettings] = (),
        *,
        tenant_field: str | None = None,
    ) -> None:
        known = [(key, Access(READING)) for key in read]
        known += [(one.key, _access(one, tenant_field)) for one in keys]
        # last, so that a key that is named twice may do more
        known += [(key, Access(WRITING)) for key in write]
        self._known = tuple((_digest(key.get_secret_value().encode()), may) for key, may in known)

    @property
    def open(self) -> bool:
        """There are no keys: everybody may do everything."""
        return not self._known

    def access(self, key: bytes | None) -> Access:
        """What the holder of a key may do; looks at every key, whichever fits."""
        if self.open:
            return EVERYTHING
        if key is None:
            return NOTHING
        asked = _digest(key)
        found = NOTHING
        for known, may in self._known:
            if hmac.compare_digest(asked, known):
                found = may
        return found if found is NOTHING else replace(found, caller=asked.hex()[:8])

    def limited(self) -> list[tuple[str, Mapping[str, int]]]:
        """Keys with quotas: who they are in the state, and what they may cost a day."""
        return [(known.hex()[:8], may.per_day) for known, may in self._known if may.per_day]


def _access(key: KeySettings, tenant_field: str | None) -> Access:
    scopes = frozenset(key.scopes)
    if "write" in scopes:
        scopes = WRITING
    elif "read" in scopes:
        scopes = READING
    where = key.where
    if key.tenant is not None:
        # quoted as it is: a tenant's name has nothing that ends a text
        own = f'{tenant_field} = "{key.tenant}"'
        where = own if where is None else f"{own} and ({where})"
    return Access(
        scopes,
        where=where,
        origins=tuple(one.lower() for one in key.origins),
        expires=key.expires,
        per_minute=key.per_minute,
        tenant=key.tenant,
        per_day={name: most for name, most in key.per_day if most},
    )


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def key_of(headers: Mapping[str, str]) -> bytes | None:
    """The key of a request: ``Authorization: Bearer KEY``, or ``X-API-Key: KEY``."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and given.strip():
        return given.strip().encode("latin-1")
    header = headers.get("x-api-key", "").strip()
    return header.encode("latin-1") if header else None


def is_loopback(host: str) -> bool:
    """Whether a name or address means this machine only.

    >>> [is_loopback(h) for h in ("localhost", "127.0.0.1", "::1", "0.0.0.0", "example.org", "")]
    [True, True, True, False, False, False]
    """
    name = host.strip("[]").rstrip(".").lower()
    if name in LOOPBACK_NAMES or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def check_binding(settings: ServiceSettings) -> None:
    """Refuse to be reachable from elsewhere without keys.

    Raises:
        ConfigError: an address beyond this machine, and nobody needs a key.
    """
    if is_loopback(settings.host) or settings.guarded:
        return
    raise ConfigError(
        f"The service would listen on {settings.host!r}, beyond this machine, and let anybody in; "
        "expected a key, or a loopback address: set SCENESEARCH_SERVICE__WRITE_KEYS and "
        "SCENESEARCH_SERVICE__READ_KEYS to JSON lists of texts of at least 16 characters "
        "(SCENESEARCH_SERVICE__WRITE_KEYS='[\"...\"]'; python -c 'import secrets; "
        "print(secrets.token_urlsafe(32))' makes one), or --host 127.0.0.1",
        code="open_binding",
    )


def host_name(value: str) -> str:
    """The name of a ``Host`` header, without its port.

    >>> [host_name(h) for h in ("LOCALHOST:8080", "[::1]:80", "a.example.", "")]
    ['localhost', '::1', 'a.example', '']
    """
    if value.startswith("["):
        return value[1:].partition("]")[0].lower()
    return value.partition(":")[0].rstrip(".").lower()


def host_allowed(value: str, settings: ServiceSettings) -> bool:
    """Whether a ``Host`` is one of ours; a page of another name could else be made to point here.

    Args:
        value: the header.
        settings: names it, with ``*.example.org`` for subdomains.
    """
    name = host_name(value)
    if settings.allowed_hosts:
        return any(_fits(name, allowed) for allowed in settings.allowed_hosts)
    return is_loopback(name) or not is_loopback(settings.host)


def _fits(name: str, allowed: str) -> bool:
    if allowed.startswith("*."):
        return name.endswith(allowed[1:].lower())
    return allowed == "*" or name == host_name(allowed)


def origin_allowed(origin: str, host: str, settings: ServiceSettings) -> bool:
    """Whether a page of this origin may change things: our own, or one of the settings."""
    if origin in settings.cors_origins or "*" in settings.cors_origins:
        return True
    scheme, found, authority = origin.partition("://")
    return bool(found) and scheme in {"http", "https"} and authority.lower() == host.lower()
