"""The record of the generations of a server's collection: a point of its companion."""

from __future__ import annotations

from scenesearch.store.server.client_meta import META_SUFFIX, ClientMeta
from scenesearch.store.server.connection import Connection, Tls

TIMEOUT_S = 10.0
NOTE = "generations"


class GenerationsNote:
    """Reads and replaces it; the server does so whole.

    Args:
        url: of the server.
        collection: the name of the first generation.
        api_key: of the server.
        tls: certificates.
    """

    def __init__(self, url: str, collection: str, api_key: str | None, tls: Tls | None) -> None:
        self._server = Connection(url, api_key, TIMEOUT_S, tls)
        self._name = collection + META_SUFFIX
        self._meta = ClientMeta(self._server, collection)

    def __str__(self) -> str:
        return f"{self._name!r} in {self._server.where}"

    def read(self) -> str | None:
        """The text, or None where there is none; asked once, for who reads often.

        Raises:
            StoreError: the server does not answer.
        """
        with self._server.at_once():
            return self._meta.read_note(NOTE)

    def write(self, text: str | None) -> None:
        """Replace it, from one moment to the next; None removes it.

        Raises:
            StoreError: the server does not take it.
        """
        if text is None:
            self._meta.forget(NOTE)
        else:
            self._meta.write_note(NOTE, text)

    def close(self) -> None:
        """End the connection."""
        self._server.close()
