"""Keys, hosts and limits read again while the service runs: SIGHUP.

What models, store and sockets were made with stays until the next start, and the log says so.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from scenesearch.config.service import ServiceSettings
from scenesearch.config.settings import Settings
from scenesearch.core.errors import ConfigError
from scenesearch.service.http.auth import check_binding
from scenesearch.service.http.depends import Shared

RELOADED = (
    *("read_keys", "write_keys", "keys", "allowed_hosts"),
    *("deadline_s", "queue", "light_queue"),
)
"""Settings of the service that change without a start."""

log = logging.getLogger("scenesearch.service")
ReadSettings = Callable[[], Settings]


@runtime_checkable
class Limited(Protocol):
    """A backend whose limits can be changed."""

    def allow(self, service: ServiceSettings) -> None:
        """Take other limits from here on."""


def _check_tenants(found: Settings, now: Settings) -> None:
    field = now.store.tenant_field
    if any(key.tenant for key in found.service.keys) and found.store.tenant_field != field:
        raise ConfigError(
            f"keys have tenants and store.tenant_field is {found.store.tenant_field!r}, while this "
            f"service runs with {field!r}; start it again, which a change of that field needs"
        )


def reload_on_signal(shared: Shared, read: ReadSettings) -> None:
    """Read the settings again whenever SIGHUP comes, in the loop that runs."""
    if hasattr(signal, "SIGHUP"):
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, reload, shared, read)


def reload(shared: Shared, read: ReadSettings) -> None:
    """Take over what may change; where the settings cannot be read, everything stays as it is.

    Args:
        shared: of the application.
        read: gives the settings as they are now.
    """
    old = shared.settings.service
    try:
        found = read()
        check_binding(found.service.model_copy(update={"host": old.host}))
        _check_tenants(found, shared.settings)
    except ConfigError as error:
        # the user's to mend; where it was read is of no use
        log.error("the settings were not read again, the old ones hold: %s", error)  # noqa: TRY400
        return
    changes = {name: getattr(found.service, name) for name in RELOADED}
    names = [name for name, value in changes.items() if value != getattr(old, name)]
    service = old.model_copy(update=changes)
    shared.settings = shared.settings.model_copy(update={"service": service})
    if isinstance(shared.backend, Limited):
        shared.backend.allow(service)
    log.info("read the settings again: %s", ", ".join(names) or "nothing new")
    mine = shared.settings.model_dump(exclude={"service": {"host", "port"}})
    theirs = found.model_dump(exclude={"service": {"host", "port"}})
    waits = [name for name in mine if name != "service" and mine[name] != theirs[name]]
    waits += [f"service.{k}" for k, v in mine["service"].items() if v != theirs["service"][k]]
    if waits:
        log.warning("changed and not taken over before the next start: %s", ", ".join(waits))
