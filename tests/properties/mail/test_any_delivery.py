"""Whatever bytes come: taken whole and handed on, or refused and nothing kept; never an error, never in between."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from tests.properties.mail.test_any_message import chunks, messages, sizes
from tests.transfers import TransferSite
from tests.unit.mail.test_delivery import Mailed


@pytest.fixture(scope="module")
def mailed(tmp_path_factory):
    site = TransferSite(tmp_path_factory.mktemp("any"))
    yield Mailed(site)
    site.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(messages, sizes)
def test_any_message_is_taken_whole_or_refused(mailed, raw, size):
    rows, handed = len(mailed.rows), len(mailed.hop.taken)
    reply = mailed.delivering.take("kim@kund.example", mailed.ticket, chunks(raw, size))
    outcome = mailed.outcomes[-1]
    if outcome == "relayed":
        assert reply.startswith("250 2.0.0")
        assert len(mailed.hop.taken) == handed + 1
    else:
        # What is put off would come again for ever: nothing in the bytes themselves may lead to that.
        assert (outcome, reply[:1]) in {("refused", "5"), ("again", "2")}, reply
        assert (len(mailed.rows), len(mailed.hop.taken)) == (rows, handed)


def test_and_nothing_is_left_over(mailed):
    assert mailed.site.findings() == []
