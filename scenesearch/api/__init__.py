"""The front door: one object that indexes a catalogue and searches photos in it."""

from scenesearch.api.completing import Completing
from scenesearch.api.indexing import Indexing, IndexOutcome
from scenesearch.api.items import Items

__all__ = ["IndexOutcome", "SceneSearch"]


class SceneSearch(Indexing, Completing, Items):
    """A collection of catalogue items, and the models it was made with.

    Models and store are opened when they are first needed. Use it as a context manager, or call
    :meth:`close`.

    Args:
        store: a folder for the embedded store, or the URL of a Qdrant server.
        collection: name of the collection: ``a-z 0-9 _ -``, at most 64.
        config: a YAML file, the name of a profile that came with the package, or settings.

    >>> with SceneSearch("./store", config="cpu-small") as shop:  # doctest: +SKIP
    ...     shop.index("catalog.csv")
    ...     look = shop.shop_the_look("room.jpg", where="price < 100")
    ...     look.save("look.png")
    """
