from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from domain.attachment import AttachmentState, Scan
from storage.records.schema.types import Day, Instant, Word, Words

DIALECT = sqlite.dialect()


def there_and_back(kind, value):
    return kind.process_result_value(kind.process_bind_param(value, DIALECT), DIALECT)


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-9, minutes=-30))])))
def test_an_instant_comes_back_to_the_microsecond_in_utc(at):
    back = there_and_back(Instant(), at)
    assert back == at
    assert back.utcoffset() == timedelta(0)


def test_an_instant_is_microseconds_since_1970():
    assert Instant().process_bind_param(datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC), DIALECT) == 1_000_005
    assert Instant().process_bind_param(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), DIALECT) == -1


@given(st.lists(st.datetimes(timezones=st.just(UTC)), min_size=2, max_size=2))
def test_instants_sort_as_their_numbers_do(pair):
    first, second = (Instant().process_bind_param(at, DIALECT) for at in pair)
    assert first is not None
    assert second is not None
    assert (pair[0] < pair[1]) == (first < second)


def test_an_instant_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="naive"):
        Instant().process_bind_param(datetime(2026, 1, 1), DIALECT)  # noqa: DTZ001


@given(st.dates())
def test_a_day_comes_back(day):
    assert there_and_back(Day(), day) == day


def test_an_instant_is_no_day():
    with pytest.raises(TypeError):
        Day().process_bind_param(datetime(2026, 1, 1, tzinfo=UTC), DIALECT)


def test_a_day_is_written_as_iso_8601():
    assert Day().process_bind_param(date(33, 4, 3), DIALECT) == "0033-04-03"


@pytest.mark.parametrize("state", list(AttachmentState))
def test_a_word_is_its_text(state):
    kind = Word(AttachmentState)
    assert kind.process_bind_param(state, DIALECT) == state.value
    assert there_and_back(kind, state) is state


def test_a_word_of_another_list_is_refused_both_ways():
    with pytest.raises(ValueError, match="clean"):
        Word(AttachmentState).process_bind_param(Scan.CLEAN, DIALECT)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="gone"):
        Word(AttachmentState).process_result_value("gone", DIALECT)


@given(st.lists(st.text()).map(tuple))
def test_words_come_back_in_order(words):
    assert there_and_back(Words(), words) == words


@pytest.mark.parametrize("kind", [Instant(), Day(), Word(Scan), Words()])
def test_nothing_stays_nothing(kind):
    assert there_and_back(kind, None) is None
