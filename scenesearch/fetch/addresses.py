"""Which IP addresses a stranger may make this machine connect to: public unicast ones, no other.

The table follows IANA's special-purpose registries
(https://www.iana.org/assignments/iana-ipv4-special-registry,
https://www.iana.org/assignments/iana-ipv6-special-registry), with every form that carries an IPv4
address inside an IPv6 one refused whatever it carries, and with the addresses at which clouds hand
out credentials although some of those are public. It is deliberately stricter than
``ipaddress.is_global``, whose answers changed between releases of Python. Pure; knows no network.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_IPV4 = {
    "0.0.0.0/8": "this host",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "shared by a provider's customers",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "a cloud's own",
    "169.254.0.0/16": "link-local, where clouds hand out credentials",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "for protocols",
    "192.0.2.0/24": "for documentation",
    "192.31.196.0/24": "a sink for name queries",
    "192.52.193.0/24": "for multicast tunnels",
    "192.88.99.0/24": "for 6to4 relays",
    "192.168.0.0/16": "private",
    "192.175.48.0/24": "a sink for name queries",
    "198.18.0.0/15": "for benchmarks",
    "198.51.100.0/24": "for documentation",
    "203.0.113.0/24": "for documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
}
_IPV6 = {
    "::/128": "unspecified",
    "::1/128": "loopback",
    "::/96": "IPv4-compatible",
    "::ffff:0:0/96": "IPv4-mapped",
    "::ffff:0:0:0/96": "IPv4-translated",
    "64:ff9b::/96": "NAT64",
    "64:ff9b:1::/48": "NAT64",
    "100::/64": "discarded",
    "100:0:0:1::/64": "a dummy prefix",
    "2001::/32": "Teredo",
    "2001:2::/48": "for benchmarks",
    "2001:10::/28": "ORCHID, no locator",
    "2001:20::/28": "ORCHID, no locator",
    "2001::/23": "for protocols",
    "2001:db8::/32": "for documentation",
    "2002::/16": "6to4",
    "2620:4f:8000::/48": "a sink for name queries",
    "3fff::/20": "for documentation",
    "5f00::/16": "for segment routing",
    "fc00::/7": "private",
    "fe80::/10": "link-local",
    "fec0::/10": "site-local",
    "ff00::/8": "multicast",
}
FORBIDDEN_IPV4 = tuple((IPv4Network(text), why) for text, why in _IPV4.items())
FORBIDDEN_IPV6 = tuple((IPv6Network(text), why) for text, why in _IPV6.items())
PUBLIC_IPV6 = IPv6Network("2000::/3")
"""All that IANA has given out for unicast so far; whatever else there is, is not a web server."""
_ISATAP = (0x00005EFE, 0x02005EFE)


def forbidden(address: str) -> str | None:
    """Why an address must not be connected to; None for a public one.

    Args:
        address: in its canonical text form, as a resolver gives it; anything else is refused.
    """
    try:
        # without the scope of a link, which no public address has
        parsed = ip_address(address)
    except ValueError:
        return "no address"
    return _ipv4(parsed) if isinstance(parsed, IPv4Address) else _ipv6(parsed)


def _ipv4(address: IPv4Address) -> str | None:
    return next((why for network, why in FORBIDDEN_IPV4 if address in network), None)


def _ipv6(address: IPv6Address) -> str | None:
    if address.scope_id is not None:
        return "link-local"
    for network, why in FORBIDDEN_IPV6:
        if address in network:
            return why
    if int(address) >> 32 & 0xFFFFFFFF in _ISATAP:
        # RFC 5214: an IPv4 address behind this mark, under any prefix
        return "ISATAP"
    return None if address in PUBLIC_IPV6 else "not given out"
