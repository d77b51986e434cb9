"""A typed client of the service, in two flavours with the same methods.

::

    with Client("http://127.0.0.1:8080", key="...") as client:
        look = client.look("room.jpg", where="price < 100")
        again = client.look(query_id=look.query_id, words="in blue")

    async with AsyncClient("http://127.0.0.1:8080") as client:
        look = await client.look("room.jpg")
"""

from scenesearch.client.asynchronous import AsyncClient
from scenesearch.client.errors import ServiceError, ServiceUnreachableError
from scenesearch.client.synchronous import Client

__all__ = ["AsyncClient", "Client", "ServiceError", "ServiceUnreachableError"]
