from __future__ import annotations

import pytest

from tests.contract.scanner import daemon


@pytest.fixture(scope="session")
def clamd():
    with daemon.clamd() as running:
        yield running
