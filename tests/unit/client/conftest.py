from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.client.far_side import FarSide


@pytest.fixture
def far() -> Iterator[FarSide]:
    side = FarSide()
    yield side
    side.close()
