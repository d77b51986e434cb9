"""What every store must do, as tests: subclass, give an ``open_store`` fixture, run pytest.

::

    class TestMyStore(StoreContract):
        persistent = True

        @pytest.fixture
        def open_store(self, tmp_path):
            return lambda: MyStore(tmp_path / "index")

``conftest.py`` registers all of it for readable failures. Needs pytest.
"""

from __future__ import annotations

from store_contract.contract_life import LifeContract
from store_contract.contract_reads import ReadContract
from store_contract.contract_text import TextContract
from store_contract.contract_writes import WriteContract


class StoreContract(LifeContract, WriteContract, ReadContract, TextContract):
    """Everything in the docstrings of :class:`scenesearch.core.protocols.Store`."""
