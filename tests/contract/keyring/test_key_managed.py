"""What a ring under a key manager promises beyond the port: several nodes, somebody at the database, its start."""

from __future__ import annotations

import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crypto import Context, DataKey, GenerationState, Secret
from crypto.aws_kms import AwsKms
from crypto.key_managed import FRESH, KEK_STALE, SETTLED, ManagedKeyRing
from crypto.openbao import Openbao
from domain.errors import KeysUnavailable, Misconfigured, RecordsUnavailable, StateConflict
from tests.contract.keyring.masters import new_moto, new_transit
from tests.contract.keyring.memory_master import MemoryMaster
from tests.contract.keyring.places import NOW, MemoryDocuments, much_later

ENGINES = ["memory", "aws-kms", "openbao"]
ACTIVE, RETIRED, DESTROYED = GenerationState.ACTIVE, GenerationState.RETIRED, GenerationState.DESTROYED


class Seconds:
    """A stopwatch that a test moves."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


class Nodes:
    """A site's document and manager, and nodes with a stopwatch of their own."""

    def __init__(self, master) -> None:
        self.master = master
        self.documents = ShakyDocuments()
        self.seconds = Seconds()
        ManagedKeyRing.create(master, self.documents, lambda: NOW)

    def node(self, documents=None, clock=much_later) -> ManagedKeyRing:
        return ManagedKeyRing(
            self.master, documents or self.documents, clock, monotonic=self.seconds, sleep=lambda seconds: None
        )

    def states(self):
        return [row["state"] for row in json.loads(self.documents.text)["generations"]]


class ShakyDocuments(MemoryDocuments):
    """``good``: so many writings go well before one fails (None: all do). ``twice``: a database that ran the work
    again. ``lost``: others are always faster."""

    def __init__(self, text: bytes | None = None) -> None:
        super().__init__()
        self.text = text
        self.good: int | None = None
        self.twice = self.lost = False

    def replace(self, old, new):
        if self.lost:
            return False
        if self.good == 0:
            raise RecordsUnavailable
        if self.good is not None:
            self.good -= 1
        return super().replace(old, new) and (not self.twice or super().replace(old, new))


class Backup:
    """What a backup of the database holds."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.away = False

    def load(self):
        if self.away:
            raise RecordsUnavailable
        return self.text

    def replace(self, old, new):
        raise AssertionError("nobody writes to a backup")


@pytest.fixture(autouse=True)
def _quiet(caplog):
    caplog.set_level(logging.CRITICAL)


@pytest.fixture(params=ENGINES)
def nodes(request):
    match request.param:
        case "memory":
            return Nodes(MemoryMaster())
        case "aws-kms":
            return Nodes(request.getfixturevalue("aws_kms"))
    transit = new_transit()
    return Nodes(Openbao(transit.url, transit.token))


@pytest.fixture
def bao():
    """The operator's hands, and a site on the real manager."""
    transit = new_transit()
    return transit, Nodes(Openbao(transit.url, transit.token))


def context(ring):
    return Context(ring.installation, "owner", "attachment")


def rows(nodes):
    return json.loads(nodes.documents.text)["generations"]


class TestSeveralNodes:
    def test_see_what_one_of_them_did_within_the_time_a_document_is_believed(self, nodes):
        first, second = nodes.node(), nodes.node()
        assert second.wrap(DataKey.generate(), context(second)).generation == 1
        first.rotate(NOW)
        nodes.seconds.at += FRESH
        assert second.wrap(DataKey.generate(), context(second)).generation == 2

    def test_open_at_once_what_another_wrapped_under_a_generation_they_have_not_heard_of(self, nodes):
        first, second = nodes.node(), nodes.node()
        first.rotate(NOW)
        key = DataKey.generate()
        wrapped = first.wrap(key, context(first))
        assert wrapped.generation == 2
        assert second.unwrap(wrapped, context(second)) == key

    def test_lose_nothing_that_one_wraps_under_a_generation_another_has_just_retired(self, nodes):
        first, second = nodes.node(), nodes.node()
        first.rotate(NOW)
        key = DataKey.generate()
        late = second.wrap(key, context(second))
        assert late.generation == 1
        assert first.unwrap(late, context(first)) == key
        assert second.unwrap(late, context(second)) == key

    def test_refuse_a_generation_that_another_destroyed(self, nodes):
        first, second = nodes.node(), nodes.node()
        wrapped = second.wrap(DataKey.generate(), context(second))
        first.rotate(NOW)
        first.destroy(1)
        nodes.seconds.at += FRESH
        with pytest.raises(KeysUnavailable):
            second.unwrap(wrapped, context(second))

    def test_that_are_cut_off_from_the_document_refuse_everything_after_a_minute(self, nodes):
        first = nodes.node()
        cut_off = Backup(nodes.documents.text)
        second = nodes.node(cut_off)
        wrapped = second.wrap(DataKey.generate(), context(second))
        first.rotate(NOW)
        first.destroy(1)

        cut_off.away = True
        nodes.seconds.at += KEK_STALE
        for act in (
            lambda: second.unwrap(wrapped, context(second)),
            lambda: second.wrap(DataKey.generate(), context(second)),
            second.generations,
            second.ping,
            lambda: second.secret("new"),
            lambda: second.rotate(NOW),
        ):
            with pytest.raises(KeysUnavailable):
                act()

    def test_agree_on_every_secret(self, nodes):
        first, second = nodes.node(), nodes.node()
        assert first.secret("session") == second.secret("session")
        assert second.secret("cursor") == first.secret("cursor")
        assert nodes.node().secret("cursor") == first.secret("cursor")

    def test_never_destroy_what_one_of_them_may_still_be_using(self, nodes):
        retired_at = NOW + timedelta(days=1)
        early = nodes.node(clock=lambda: retired_at + SETTLED - timedelta(seconds=1))
        early.rotate(retired_at)
        with pytest.raises(StateConflict, match="a moment ago"):
            early.destroy(1)
        assert nodes.states() == ["retired", "active"]
        nodes.node(clock=lambda: retired_at + SETTLED).destroy(1)
        assert nodes.states() == ["destroyed", "active"]

    def test_starting_together_make_one_installation(self, nodes):
        documents = MemoryDocuments()
        gate = threading.Barrier(4)

        def start():
            gate.wait()
            return ManagedKeyRing.create(nodes.master, documents, lambda: NOW).installation

        with ThreadPoolExecutor(4) as threads:
            found = {one.result() for one in [threads.submit(start) for _ in range(4)]}
        assert len(found) == 1
        assert len(documents.past) == 1

    def test_race_and_neither_lose_nor_double_anything(self, nodes):
        """Eight threads on two nodes rotate and ask for secrets at once."""
        rings = [ManagedKeyRing(nodes.master, nodes.documents, much_later) for _ in range(2)]
        key = DataKey.generate()
        gate = threading.Barrier(8)

        def work(n):
            ring = rings[n % 2]
            gate.wait()
            wrapped = [ring.wrap(key, context(ring))]
            made = [ring.rotate(NOW + timedelta(seconds=n)) for _ in range(2)]
            wrapped.append(ring.wrap(key, context(ring)))
            return made, wrapped, {purpose: ring.secret(purpose).reveal() for purpose in ("a", "b", f"own-{n}")}

        with ThreadPoolExecutor(8) as threads:
            done = [one.result() for one in [threads.submit(work, n) for n in range(8)]]
        fresh = nodes.node()
        known = fresh.generations()
        assert [one.number for one in known] == list(range(1, 18))
        assert [one.state for one in known] == [RETIRED] * 16 + [ACTIVE]
        assert sorted(one.number for made, _, _ in done for one in made) == list(range(2, 18))
        assert all(fresh.unwrap(one, context(fresh)) == key for _, wrapped, _ in done for one in wrapped)
        for _, _, secrets in done:
            assert {purpose: fresh.secret(purpose).reveal() for purpose in secrets} == secrets
        assert len(json.loads(nodes.documents.text)["secrets"]) == 10
        assert len({row["reference"] for row in rows(nodes)}) == 17


class TestDestruction:
    def test_reaches_every_backup_of_the_document(self, bao):
        """On the real manager, with a node that believes an old backup."""
        transit, nodes = bao
        ring = nodes.node()
        wrapped = ring.wrap(DataKey.generate(), context(ring))
        ring.rotate(NOW)
        backup = Backup(nodes.documents.text)
        reference = rows(nodes)[0]["reference"]
        assert nodes.node(backup).unwrap(wrapped, context(ring))
        ring.destroy(1)
        with pytest.raises(KeysUnavailable):
            nodes.node(backup).unwrap(wrapped, context(ring))
        assert transit.keys().isdisjoint({reference})
        assert len(transit.keys()) == 1

    def test_of_the_backups_active_generation_stops_a_start_with_a_reason(self, bao):
        _, nodes = bao
        backup = Backup(nodes.documents.text)
        ring = nodes.node()
        ring.rotate(NOW)
        ring.destroy(1)
        with pytest.raises(Misconfigured, match=r"KEYS_URL: openbao://.*encryption key not found"):
            nodes.node(backup)

    @pytest.mark.parametrize("act", ["key", "document"])
    def test_cut_off_in_between_is_carried_through(self, act):
        nodes = Nodes(MemoryMaster())
        ring = nodes.node()
        wrapped = ring.wrap(DataKey.generate(), context(ring))
        ring.rotate(NOW)
        if act == "key":
            nodes.master.down = True
        else:
            nodes.documents.good = 1
        with pytest.raises(KeysUnavailable):
            ring.destroy(1)
        assert nodes.states() == ["ending", "active"]
        assert rows(nodes)[0]["wrapped"] is None
        nodes.master.down = False
        nodes.documents.good = None
        nodes.seconds.at += 10
        again = nodes.node()
        with pytest.raises(KeysUnavailable):
            again.unwrap(wrapped, context(again))
        assert again.generations()[0].state is RETIRED  # the job looks for these
        again.destroy(1)
        assert nodes.states() == ["destroyed", "active"]
        assert again.generations()[0].state is DESTROYED
        assert nodes.master.made == {rows(nodes)[1]["reference"]}

    def test_in_any_order(self, nodes):
        ring = nodes.node()
        kept = {}
        for number in (1, 2, 3, 4):
            key = DataKey.generate()
            kept[number] = key, ring.wrap(key, context(ring))
            ring.rotate(NOW)
        for number in (3, 1):
            ring.destroy(number)
            with pytest.raises(KeysUnavailable):
                ring.unwrap(kept.pop(number)[1], context(ring))
            assert all(ring.unwrap(wrapped, context(ring)) == key for key, wrapped in kept.values())


class TestADocumentThatCouldNotBeWritten:
    def test_changes_nothing_and_works_again_later(self):
        nodes = Nodes(MemoryMaster())
        ring = nodes.node()
        nodes.documents.good = 0
        for act in (lambda: ring.rotate(NOW), lambda: ring.secret("a")):
            with pytest.raises(KeysUnavailable):
                act()
        assert nodes.states() == ["active"]
        nodes.documents.good = None
        assert ring.rotate(NOW).number == 2
        assert ring.secret("a") == nodes.node().secret("a")

    def test_or_was_and_nobody_could_tell_is_not_written_twice(self):
        """The database ran the work again: the first time it had been done."""
        nodes = Nodes(MemoryMaster())
        ring = nodes.node()
        nodes.documents.twice = True
        assert ring.rotate(NOW).number == 2
        secret = ring.secret("a")
        assert nodes.states() == ["retired", "active"]
        assert nodes.node().secret("a") == secret

    def test_gives_up_where_others_are_always_faster(self):
        nodes = Nodes(MemoryMaster())
        ring = nodes.node()
        nodes.documents.lost = True
        with pytest.raises(KeysUnavailable):
            ring.rotate(NOW)


class TestSomebodyAtTheDatabase:
    """Who can write to it, but not use the manager."""

    CHANGES = (
        lambda found: found["generations"][0].update(state="active"),
        lambda found: found["generations"][1].update(reference=found["generations"][0]["reference"]),
        lambda found: found["generations"].reverse(),
        lambda found: found["generations"].pop(0),
        lambda found: found.update(installation="0" * 32),
        lambda found: found["secrets"].pop("session"),
        lambda found: found["secrets"].update(cursor=found["secrets"]["session"]),
        lambda found: found["generations"][0].update(created_at="2020-01-01T00:00:00Z"),
        lambda found: found.update(more=1),
        lambda found: found.pop("mac"),
        lambda found: found.update(mac="AAAA"),
        lambda found: found.update(seal_key="AAAA"),
        lambda found: found.update(format=2),
    )

    @pytest.mark.parametrize("change", CHANGES)
    def test_changes_nothing_unseen(self, change):
        nodes = Nodes(MemoryMaster())
        ring = nodes.node()
        ring.secret("session")
        ring.rotate(NOW)
        found = json.loads(nodes.documents.text)
        change(found)
        nodes.documents.text = json.dumps(found).encode()
        asked = len(nodes.master.asked)
        for act in (ring.generations, lambda: ring.rotate(NOW), lambda: ring.destroy(1)):
            with pytest.raises(KeysUnavailable):
                act()
        assert "destroy" not in nodes.master.asked[asked:]
        with pytest.raises(Misconfigured, match=r"KEYS_URL: memory://master (has a document|did not wrap)"):
            nodes.node()

    @pytest.mark.parametrize("text", [b"", b"null", b"[]", b"\x00", b"[" * 100_000, b"{}", b'{"format": 1}'])
    def test_who_writes_nonsense_causes_an_outage_and_no_more(self, text):
        nodes = Nodes(MemoryMaster())
        ring = nodes.node()
        whole, nodes.documents.text = nodes.documents.text, text
        with pytest.raises(KeysUnavailable):
            ring.generations()
        with pytest.raises(Misconfigured, match="cannot be used"):
            nodes.node()
        nodes.documents.text = whole
        assert ring.generations()

    def test_who_puts_in_another_installations_document_causes_an_outage(self):
        nodes = Nodes(MemoryMaster())
        ring = nodes.node()
        other = MemoryDocuments()
        ManagedKeyRing.create(nodes.master, other, lambda: NOW)
        nodes.documents.text = other.text
        with pytest.raises(KeysUnavailable):
            ring.generations()

    def test_reads_no_key(self):
        nodes = Nodes(MemoryMaster())
        ring = nodes.node()
        secret = ring.secret("session")
        opened = ring.export_document()
        for hidden in (secret, *opened.keks.values()):
            assert hidden.reveal() not in nodes.documents.text
            assert hidden.reveal().hex().encode() not in nodes.documents.text


class TestTheMasterKey:
    def test_wraps_everything_anew_at_each_rotation_so_that_its_old_versions_can_go(self, bao):
        transit, nodes = bao
        ring = nodes.node()
        key = DataKey.generate()
        wrapped, secret = ring.wrap(key, context(ring)), ring.secret("session")
        transit.ask("POST", f"transit/keys/{transit.key}/rotate", {})
        ring.rotate(NOW)
        transit.ask("POST", f"transit/keys/{transit.key}/config", {"min_decryption_version": 2})
        again = nodes.node()
        assert again.unwrap(wrapped, context(again)) == key
        assert again.secret("session") == secret

    def test_deleted_locks_everything_within_a_minute(self, bao):
        transit, nodes = bao
        ring = nodes.node()
        wrapped = ring.wrap(DataKey.generate(), context(ring))
        transit.ask("POST", f"transit/keys/{transit.key}/config", {"deletion_allowed": True})
        transit.ask("DELETE", f"transit/keys/{transit.key}")
        nodes.seconds.at += KEK_STALE
        for act in (ring.ping, lambda: ring.unwrap(wrapped, context(ring)), lambda: ring.rotate(NOW)):
            with pytest.raises(KeysUnavailable):
                act()
        with pytest.raises(Misconfigured, match=f"has no key '{transit.key}'"):
            nodes.node()
        transit.ask("POST", f"transit/keys/{transit.key}", {"type": "aes256-gcm96"})
        with pytest.raises(Misconfigured, match="did not wrap the keys that the database holds"):
            nodes.node()


class TestTheStart:
    """One line that says what to mend, and no new key in place of a missing one (S-37)."""

    def refused(self, master, documents, match):
        with pytest.raises(Misconfigured, match=match) as caught:
            ManagedKeyRing(master, documents, much_later)
        assert caught.value.field == "KEYS_URL"
        assert caught.value.detail.startswith("KEYS_URL: ")
        assert "\n" not in caught.value.detail
        return caught.value.detail

    def test_without_a_document(self, nodes):
        documents = MemoryDocuments()
        self.refused(nodes.master, documents, "holds no keys of this key manager")
        assert documents.text is None

    def test_with_a_wrong_token(self, bao):
        transit, nodes = bao
        detail = self.refused(Openbao(transit.url, "hvs.wrong"), nodes.documents, "refuses our token")
        assert "hvs.wrong" not in detail

    def test_with_a_token_that_may_do_nothing(self, bao):
        transit, nodes = bao
        token = transit.token_for('path "sys/health" { capabilities = ["read"] }')
        self.refused(Openbao(transit.url, token), nodes.documents, "refuses our token")

    def test_with_a_key_that_is_not_there(self, bao):
        transit, nodes = bao
        url = f"openbao://{transit.host}:{transit.port}/mistyped"
        self.refused(Openbao(url, transit.token), nodes.documents, "has no key 'mistyped'")
        with pytest.raises(Misconfigured, match="has no key 'mistyped'"):
            ManagedKeyRing.create(Openbao(url, transit.token), MemoryDocuments(), much_later)

    def test_with_a_mount_that_is_not_there(self, bao):
        transit, nodes = bao
        self.refused(Openbao(f"{transit.url}?mount=other", transit.token), nodes.documents, "at other/")

    def test_with_another_key_than_before(self, nodes):
        other = {"memory": MemoryMaster, "aws-kms": _other_aws, "openbao": _other_bao}
        make = other[{"MemoryMaster": "memory", "AwsKms": "aws-kms", "Openbao": "openbao"}[type(nodes.master).__name__]]
        self.refused(make(), nodes.documents, r"did not wrap the keys|does not allow us")

    def test_with_a_key_of_aws_that_is_not_there(self, nodes):
        moto = new_moto()
        url = f"aws-kms://00000000-0000-0000-0000-000000000000?region=eu-north-1&endpoint={moto.endpoint}"
        self.refused(AwsKms(url), nodes.documents, "has no such key")

    def test_where_nobody_answers_is_an_outage_that_names_the_address(self, nodes):
        for master in (Openbao("openbao://127.0.0.1:1/key", "token"), _closed_aws()):
            with pytest.raises(KeysUnavailable, match=r"KEYS_URL: (openbao|aws-kms)://.* does not answer"):
                ManagedKeyRing(master, nodes.documents, much_later)

    def test_never_makes_a_second_document(self, nodes):
        before = nodes.documents.text
        installation = nodes.node().installation
        assert ManagedKeyRing.create(nodes.master, nodes.documents, much_later).installation == installation
        with pytest.raises(Misconfigured, match="holds keys already"):
            ManagedKeyRing.create_from(nodes.master, nodes.documents, much_later, nodes.node().export_document())
        assert nodes.documents.text == before

    def test_takes_over_in_place_of_its_own_older_document_alone(self, nodes):
        older, newer = nodes.node(), MemoryDocuments()
        ManagedKeyRing.create_from(nodes.master, newer, much_later, older.export_document())
        moved = ManagedKeyRing(nodes.master, newer, much_later)
        moved.rotate(NOW)
        back = ManagedKeyRing.take_over(nodes.master, nodes.documents, much_later, moved.export_document())
        assert back.generations() == moved.generations()
        foreign = Nodes(nodes.master)
        with pytest.raises(Misconfigured, match="another installation"):
            ManagedKeyRing.take_over(nodes.master, foreign.documents, much_later, moved.export_document())


def _other_aws():
    return AwsKms(new_moto().url)


def _other_bao():
    transit = new_transit()
    return Openbao(transit.url, transit.token)


def _closed_aws():
    return AwsKms("aws-kms://00000000-0000-0000-0000-000000000000?region=eu-north-1&endpoint=http://127.0.0.1:1")


ACTS = st.one_of(
    st.tuples(st.just("rotate"), st.just(0)),
    st.tuples(st.just("destroy"), st.integers(1, 8)),
    st.tuples(st.just("wrap"), st.just(0)),
    st.tuples(st.just("secret"), st.integers(1, 3)),
    st.tuples(st.just("restart"), st.just(0)),
    st.tuples(st.just("wait"), st.sampled_from([1, 3, 40, 70])),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 1), ACTS), max_size=25))
def test_secrets_and_wrappings_survive_any_sequence(acts):
    """On two nodes, in any order: what is under a living generation opens, what is under a destroyed one never does."""
    nodes = Nodes(MemoryMaster())
    rings = [nodes.node(), nodes.node()]
    wrapped, active = [], 1
    secrets: dict[int, Secret] = {}
    gone: set[int] = set()
    for who, (act, number) in acts:
        ring = rings[who]
        match act:
            case "rotate":
                active = ring.rotate(NOW).number
            case "destroy" if number < active:
                ring.destroy(number)
                gone.add(number)
            case "wrap":
                key = DataKey.generate()
                one = ring.wrap(key, context(ring))
                if one.generation not in gone:  # `destroy` keeps its distance from that by SETTLED; here nobody waits
                    wrapped.append((key, one))
            case "secret":
                assert ring.secret(f"p{number}") == secrets.setdefault(number, ring.secret(f"p{number}"))
            case "restart":
                rings[who] = nodes.node()
            case "wait":
                nodes.seconds.at += number
    nodes.seconds.at += FRESH
    for ring in rings:
        assert [one.number for one in ring.generations() if one.state is DESTROYED] == sorted(gone)
        for key, one in wrapped:
            if one.generation in gone:
                with pytest.raises(KeysUnavailable):
                    ring.unwrap(one, context(ring))
            else:
                assert ring.unwrap(one, context(ring)) == key
        assert all(ring.secret(f"p{number}") == secret for number, secret in secrets.items())
    assert len(nodes.master.made) == active - len(gone)
