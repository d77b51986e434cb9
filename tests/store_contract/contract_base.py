"""The fixtures that the contract suite runs on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import pytest
from fakes.store import MemoryStore
from store_contract.contract_data import SCHEMA, make_points

from scenesearch.core.protocols import Store
from scenesearch.core.types import Point

OpenStore = Callable[[], Store]


@cache
def same_points() -> list[Point]:
    """What stores of the contract are filled with; no test changes it."""
    return make_points(240)


def fill(store: Store) -> None:
    """Write the points in two batches."""
    points = same_points()
    middle = len(points) // 2
    store.upsert(points[:middle])
    store.upsert(points[middle:])


class ContractBase:
    """Fixtures; a store's own test class overrides ``open_store``.

    Attributes:
        persistent: what is written is there after ``close`` and opening again.
    """

    persistent = True

    @pytest.fixture
    def counts_as_one(self) -> bool:
        """Whether a word is as rare as in the whole collection, and not as in a shard of it."""
        return True

    @pytest.fixture
    def open_store(self) -> OpenStore:
        """Opens the same collection each time; it does not exist before the test."""
        raise NotImplementedError("override open_store with a fixture that gives a factory")

    @pytest.fixture
    def store(self, open_store: OpenStore) -> Iterator[Store]:
        """A store with an empty collection."""
        store = open_store()
        store.create(SCHEMA)
        yield store
        store.close()

    @pytest.fixture
    def points(self) -> list[Point]:
        """What ``filled`` and ``answering`` hold."""
        return same_points()

    @pytest.fixture
    def filled(self, store: Store) -> Store:
        """A store with points, written in two batches."""
        fill(store)
        return store

    @pytest.fixture
    def answering(self, filled: Store) -> Store:
        """The same, for tests that write nothing; where opening is dear, one for all of them."""
        return filled

    @pytest.fixture
    def oracle(self, points: list[Point]) -> MemoryStore:
        """The same points in the reference store."""
        memory = MemoryStore()
        memory.create(SCHEMA)
        memory.upsert(points)
        return memory
