"""What becomes of a commit when the network, the server or somebody else gets in its way (S-16, S-75, S-85)."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from domain.errors import NotFound, OutcomeUnknown, RecordsUnavailable, StorageFull
from storage.records import postgres_engine
from storage.records.outcome import Mark, committed, leave
from storage.records.postgres import PostgresRecords
from storage.records.turn import TRIES
from tests.faults.proxy import NONE, Faults, Proxy


@pytest.fixture
def proxy(url):
    with Proxy(url) as made:
        yield made


@pytest.fixture
def far(proxy):
    """Records behind the proxy, that give up soon."""
    made = PostgresRecords(proxy.url, patience=1.0, resolve=1.0)
    yield made
    made.close()


class Counting:
    """A work that counts its runs in the database too; on its first run a fault comes up at its very end."""

    def __init__(self, proxy: Proxy, faults: Faults) -> None:
        self._proxy = proxy
        self._faults = faults
        self.runs = 0

    def __call__(self, unit) -> int:
        self.runs += 1
        number = int(unit.site.get("n") or "0") + 1
        unit.site.put("n", str(number))
        if self.runs == 1:
            self._proxy.set(self._faults)  # the next thing that is said is COMMIT
        return number


def kept(person: psycopg.Connection) -> str | None:
    row = person.execute("SELECT value FROM site WHERE name = 'n'").fetchone()
    return None if row is None else row[0]


# -- the connection is lost in the commit ------------------------------------------------------------------------------
def test_a_commit_that_happened_though_its_answer_was_lost_is_acknowledged_and_not_made_twice(far, proxy, person):
    work = Counting(proxy, Faults(cut_down=0))
    assert far.write(work) == 1
    assert proxy.struck == 1
    assert (work.runs, kept(person)) == (1, "1")


def test_a_commit_that_never_arrived_is_made_again(far, proxy, person):
    work = Counting(proxy, Faults(cut_up=0))
    assert far.write(work) == 1
    assert proxy.struck == 1
    assert (work.runs, kept(person)) == (2, "1")


def test_works_that_share_a_commit_share_its_outcome(far, proxy, person):
    gate = threading.Event()
    first = far.submit(lambda unit: gate.wait(10))
    works = [
        far.submit(lambda unit: unit.site.put("a", "1")),
        far.submit(lambda unit: _fail()),
        far.submit(Counting(proxy, Faults(cut_down=0))),
    ]
    gate.set()
    wait([first, *works], timeout=20)
    assert proxy.struck == 1
    assert works[0].exception() is None
    assert isinstance(works[1].exception(), NotFound)
    assert works[2].result() == 1
    assert kept(person) == "1"


def _fail() -> None:
    raise NotFound


def test_where_nobody_can_be_asked_the_outcome_is_unknown_and_said_so(far, proxy, person):
    work = Counting(proxy, Faults(cut_down=0, times=None))
    with pytest.raises(OutcomeUnknown):
        far.write(work)
    assert (work.runs, kept(person)) == (1, "1")
    proxy.heal()
    assert far.write(lambda unit: unit.site.get("n")) == "1"


def test_a_server_that_freezes_in_the_commit_is_given_up_and_its_outcome_unknown(far, proxy, person):
    work = Counting(proxy, Faults(stall=True))
    with pytest.raises(OutcomeUnknown):
        far.write(work)
    assert work.runs == 1
    proxy.heal()
    # The server ends what was left open, since its client is gone: whoever comes next waits for that and no longer.
    assert far.write(lambda unit: unit.site.get("n")) in {None, "1"}


def test_unknown_is_told_from_down(far, proxy):
    proxy.set(Faults(refuse=True))
    with pytest.raises(RecordsUnavailable) as down:
        far.write(lambda unit: None)
    assert not isinstance(down.value, OutcomeUnknown)


@pytest.fixture
def engine(url):
    made = postgres_engine.engine(url, begin=postgres_engine.WRITE, connections=2)
    yield made
    made.dispose()


def test_how_a_transaction_ended_is_known_by_its_mark(engine):
    for number, ends_well in enumerate((True, False, True), start=1):
        this = Mark("writer", number)
        with engine.connect() as connection:
            transaction = connection.begin()
            leave(connection, this)
            if ends_well:
                transaction.commit()
            else:
                transaction.rollback()
        assert committed(engine, this) is ends_well
    assert committed(engine, Mark("another", 3)) is False


def test_a_transaction_that_still_runs_is_waited_for(engine):
    this = Mark("writer", 1)
    with ThreadPoolExecutor(1) as other, engine.connect() as connection:
        transaction = connection.begin()
        leave(connection, this)
        outcome = other.submit(committed, engine, this)
        while connection.exec_driver_sql("SELECT 1 FROM pg_locks WHERE NOT granted").first() is None:
            pass
        assert not outcome.done()
        transaction.commit()
        assert outcome.result(10) is True


def test_marks_of_writers_that_are_gone_are_swept(records, person):
    records.write(lambda unit: None)
    person.execute("INSERT INTO commits VALUES ('gone', 7, now() - interval '25 hours')")
    records.tidy()
    assert person.execute("SELECT count(*) FROM commits WHERE writer = 'gone'").fetchone() == (0,)
    assert person.execute("SELECT number FROM commits").fetchall() == [(1,)]


# -- somebody who takes no turn ----------------------------------------------------------------------------------------
def test_what_somebody_changed_beside_a_work_is_seen_by_its_next_run_and_not_overwritten(records, person):
    person.execute("INSERT INTO site VALUES ('n', '10')")
    runs: list[int] = []

    def add_one(unit) -> None:
        number = int(unit.site.get("n"))
        if not runs:
            person.execute("UPDATE site SET value = '20' WHERE name = 'n'")
        runs.append(number)
        unit.site.put("n", str(number + 1))

    records.write(add_one)
    assert (runs, kept(person)) == ([10, 20], "21")


def test_a_conflict_that_does_not_end_is_given_up_after_five_more_tries(records, person):
    person.execute("INSERT INTO site VALUES ('n', '0')")
    runs: list[int] = []

    def work(unit) -> None:
        unit.site.get("n")
        runs.append(1)
        person.execute("UPDATE site SET value = value || '.' WHERE name = 'n'")
        unit.site.put("n", "mine")

    with pytest.raises(RecordsUnavailable, match="busy"):
        records.write(work)
    assert len(runs) == 1 + TRIES
    assert kept(person) == "0" + "." * len(runs)
    records.write(lambda unit: unit.site.put("n", "again"))


def test_a_deadlock_is_ended_and_the_work_run_again(records, person, url):
    person.execute("INSERT INTO site VALUES ('a', '0'), ('n', '0')")
    person.execute("SET deadlock_timeout = '60s'")  # the work is the one that finds it
    person.execute("BEGIN")
    person.execute("UPDATE site SET value = 'theirs' WHERE name = 'n'")
    other = threading.Thread(target=_cross, args=(person,))
    runs: list[int] = []

    def work(unit) -> None:
        unit.site.put("a", "mine")
        if not runs:
            other.start()
            _until_waiting(url)
        runs.append(1)
        unit.site.put("n", "mine")

    records.write(work)
    other.join()
    assert len(runs) == 2
    assert (kept(person), records.read(lambda unit: unit.site.get("a"))) == ("mine", "mine")


def _cross(person: psycopg.Connection) -> None:
    person.execute("UPDATE site SET value = 'theirs' WHERE name = 'a'")
    person.execute("COMMIT")


def _until_waiting(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as third:
        while not third.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
            time.sleep(0.01)


# -- the server ends connections ---------------------------------------------------------------------------------------
def end_all(person: psycopg.Connection) -> int:
    """As an administrator, or a restart, does."""
    (ended,) = person.execute(
        "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ).fetchone()
    return ended


@pytest.mark.parametrize(
    "ask",
    [
        lambda records: records.read(lambda unit: unit.site.get("a")),
        lambda records: records.write(lambda unit: unit.site.put("a", "1")),
        lambda records: records.now(),
        lambda records: records.ping(),
        lambda records: records.tidy(),
    ],
)
def test_connections_that_died_in_the_pool_are_replaced_unseen(records, person, ask):
    threads = [threading.Thread(target=records.read, args=(lambda unit: time.sleep(0.2),)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records.write(lambda unit: None)
    assert end_all(person) >= 6
    ask(records)


def test_a_work_whose_connection_died_in_its_middle_is_run_again(records, person):
    runs: list[int] = []

    def work(unit) -> None:
        unit.site.put("n", "1")
        if not runs:
            end_all(person)
        runs.append(1)
        unit.site.get("n")

    records.write(work)
    assert (len(runs), kept(person)) == (2, "1")


def test_a_work_whose_connection_always_dies_is_given_up(records, person):
    def work(unit) -> None:
        end_all(person)
        unit.site.put("n", "1")

    with pytest.raises(RecordsUnavailable):
        records.write(work)
    assert kept(person) is None


def test_a_server_that_is_down_is_unavailable_and_serves_again_without_a_restart_of_ours(far, proxy):
    proxy.set(Faults(refuse=True))
    for ask in (far.ping, far.now, lambda: far.read(lambda unit: None), lambda: far.write(lambda unit: None)):
        with pytest.raises(RecordsUnavailable):
            ask()
    proxy.heal()
    far.ping()
    far.write(lambda unit: unit.site.put("a", "1"))
    assert far.read(lambda unit: unit.site.get("a")) == "1"


def test_a_server_that_freezes_is_unavailable_within_bounds_and_serves_again(far, proxy):
    proxy.set(Faults(stall=True))
    for ask in (far.ping, lambda: far.read(lambda unit: unit.site.get("a"))):
        with pytest.raises(RecordsUnavailable):
            ask()
    proxy.set(NONE)
    far.ping()


# -- works and their statements ----------------------------------------------------------------------------------------
def test_a_statement_that_failed_undoes_its_work_alone(records, person):
    gate = threading.Event()
    first = records.submit(lambda unit: gate.wait(10))
    works = [
        records.submit(lambda unit: unit.site.put("n", "1")),
        records.submit(lambda unit: _execute(unit, "INSERT INTO site VALUES ('n', '2')")),
        records.submit(lambda unit: unit.site.put("a", unit.site.get("n"))),
    ]
    gate.set()
    wait([first, *works], timeout=10)
    assert isinstance(works[1].exception(), IntegrityError)
    assert [works[n].exception() for n in (0, 2)] == [None, None]
    assert records.read(lambda unit: unit.site.get("a")) == "1"


@pytest.mark.parametrize("beside", [0, 1])
def test_a_work_that_hides_the_failure_of_a_statement_is_not_acknowledged(records, person, beside):
    """PostgreSQL answers such a COMMIT with a ROLLBACK, and that is no error."""

    def work(unit) -> str:
        unit.site.put("n", "1")
        with pytest.raises(IntegrityError):
            _execute(unit, "INSERT INTO site VALUES ('n', '2')")
        return "done"

    gate = threading.Event()
    first = records.submit(lambda unit: gate.wait(10))
    others = [records.submit(lambda unit: unit.site.put("other", "1")) for _ in range(beside)]
    hiding = records.submit(work)
    gate.set()
    wait([first, *others, hiding], timeout=10)
    assert isinstance(hiding.exception(), RuntimeError)
    assert kept(person) is None
    assert [other.exception() for other in others] == [None] * beside


def test_a_full_disk_is_full(records, person):
    person.execute(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$"
    )
    person.execute("CREATE TRIGGER full_disk BEFORE INSERT ON site EXECUTE FUNCTION full_disk()")
    with pytest.raises(StorageFull):
        records.write(lambda unit: unit.site.put("a", "1"))


def test_every_transaction_has_its_limits_and_its_isolation(records):
    def settings(unit) -> list[str]:
        names = (
            "transaction_isolation",
            "transaction_read_only",
            "statement_timeout",
            "lock_timeout",
            "idle_in_transaction_session_timeout",
        )
        return [_execute(unit, f"SHOW {name}").scalar_one() for name in names]

    assert records.read(settings) == ["repeatable read", "on", "30s", "20s", "10s"]
    assert records.write(settings) == ["repeatable read", "off", "30s", "20s", "10s"]


def _execute(unit, statement: str):
    return unit.site._connection.execute(text(statement))


def test_writers_of_several_nodes_take_turns(url):
    """Each sees all that was committed before it, none fails, and none is run twice."""
    nodes = [PostgresRecords(url) for _ in range(3)]
    runs: list[int] = []

    def add_one(unit) -> None:
        runs.append(1)
        unit.site.put("n", str(int(unit.site.get("n") or "0") + 1))

    futures = [nodes[i % 3].submit(add_one) for i in range(120)]
    wait(futures, timeout=30)
    assert [future.exception() for future in futures] == [None] * 120
    assert nodes[0].read(lambda unit: unit.site.get("n")) == "120"
    assert len(runs) == 120
    for node in nodes:
        node.close()
