"""A key manager that is down, stalls or says no: an outage that ends by itself, without any other key (S-37, S-85)."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from crypto import Context, DataKey
from crypto.aws_kms import AwsKms
from crypto.key_managed import KEK_STALE, ManagedKeyRing
from crypto.master_key import MasterRefused
from crypto.openbao import Openbao
from domain.errors import KeysUnavailable, Misconfigured
from tests.contract.keyring.bao_server import bao_server
from tests.contract.keyring.masters import new_moto, new_transit
from tests.contract.keyring.places import NOW, MemoryDocuments, much_later
from tests.faults.answers import Answered, Answers, anything
from tests.faults.proxy import Faults, Proxy

LABEL = {"installation": "0123456789abcdef" * 2}
CONTEXT = {"app": "bilaga", "purpose": "test"}


@pytest.fixture(autouse=True)
def _quiet(caplog):
    caplog.set_level(logging.CRITICAL)


def context(ring):
    return Context(ring.installation, "owner", "attachment")


class Through:
    """A manager behind something that spoils what passes, and how to talk to it."""

    def __init__(self, engine: str) -> None:
        self.engine = engine
        if engine == "openbao":
            self.transit = new_transit()
            self.endpoint = f"http://{self.transit.host}:{self.transit.port}"
        else:
            self.moto = new_moto()
            self.endpoint = self.moto.endpoint

    def master(self, port: int):
        if self.engine == "openbao":
            return Openbao(f"openbao://127.0.0.1:{port}/{self.transit.key}", self.transit.token)
        return AwsKms(f"aws-kms://{self.moto.key}?region=eu-north-1&endpoint=http://127.0.0.1:{port}")

    def said(self, status: int, code: str) -> Answered:
        body = {"errors": [code]} if self.engine == "openbao" else {"__type": code, "message": "no"}
        return Answered(status, (("Content-Type", "application/json"),), json.dumps(body).encode())


@pytest.fixture(params=["openbao", "aws-kms"])
def through(request):
    return Through(request.param)


class Stopwatch:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


class TestANetworkThatFails:
    @pytest.fixture
    def proxy(self, through):
        with Proxy(through.endpoint) as proxy:
            yield proxy

    @pytest.fixture
    def watch(self):
        return Stopwatch()

    @pytest.fixture
    def ring(self, through, proxy, watch):
        documents = MemoryDocuments()
        master = through.master(proxy.port)
        ManagedKeyRing.create(master, documents, lambda: NOW)
        return ManagedKeyRing(master, documents, much_later, monotonic=watch, sleep=lambda seconds: None)

    def test_is_an_outage_after_a_minute_and_is_over_by_itself(self, ring, proxy, watch):
        key = DataKey.generate()
        wrapped = ring.wrap(key, context(ring))
        proxy.set(Faults(refuse=True))
        watch.at += KEK_STALE - 1
        assert ring.unwrap(wrapped, context(ring)) == key  # what is open stays open for so long
        watch.at += 2
        for act in (
            lambda: ring.unwrap(wrapped, context(ring)),
            lambda: ring.wrap(key, context(ring)),
            lambda: ring.secret("new"),
            lambda: ring.rotate(NOW),
            ring.export_document,
            ring.ping,
        ):
            with pytest.raises(KeysUnavailable):
                act()
        assert [one.number for one in ring.generations()] == [1]
        proxy.heal()
        watch.at += 2
        assert ring.unwrap(wrapped, context(ring)) == key
        ring.ping()
        assert ring.rotate(NOW).number == 2

    def test_is_not_asked_by_everybody_while_it_is_down(self, ring, proxy, watch):
        wrapped = ring.wrap(DataKey.generate(), context(ring))
        proxy.set(Faults(stall=True))
        proxy.cut()
        proxy.set(Faults(refuse=True))
        watch.at += KEK_STALE
        asked: list[str] = []
        ring._master._master = Counting(ring._master._master, asked)

        def ask(_):
            with pytest.raises(KeysUnavailable):
                ring.unwrap(wrapped, context(ring))

        for n in range(2):
            ask(n)  # the second one was the probe
        before = len(asked)
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(ask, range(40)))
        assert len(asked) == before

    def test_that_stalls_ends_by_itself(self, through, proxy):
        """It takes the question and never answers."""
        master = through.master(proxy.port)
        wrapped = master.wrap(None, b"k" * 32, CONTEXT)
        proxy.set(Faults(stall=True))
        accepted = proxy.accepted
        with pytest.raises(KeysUnavailable):
            master.unwrap(None, wrapped, CONTEXT)
        assert proxy.accepted <= accepted + 1
        proxy.heal()
        assert master.unwrap(None, wrapped, CONTEXT) == b"k" * 32

    @pytest.mark.parametrize("fault", [Faults(cut_up=20), Faults(cut_down=1), Faults(cut_down=60)])
    def test_that_cuts_a_connection_once_is_not_noticed(self, through, proxy, ring, watch, fault):
        key = DataKey.generate()
        wrapped = ring.wrap(key, context(ring))
        proxy.cut()
        proxy.set(fault)
        watch.at += KEK_STALE
        assert ring.unwrap(wrapped, context(ring)) == key

    def test_that_changes_what_passes_never_gives_a_wrong_key(self, through, proxy):
        """Not behind TLS, and all the same: a changed answer is an error, whichever byte it is."""
        master = through.master(proxy.port)
        documents = MemoryDocuments()
        ManagedKeyRing.create(master, documents, lambda: NOW)
        whole = ManagedKeyRing(master, documents, much_later)
        key = DataKey.generate()
        wrapped = whole.wrap(key, context(whole))
        for at in range(0, 420, 35):
            proxy.cut()
            proxy.set(Faults(corrupt_down=at))
            try:
                ring = ManagedKeyRing(master, documents, much_later, sleep=lambda seconds: None)
                assert ring.unwrap(wrapped, context(ring)) == key
            except (KeysUnavailable, Misconfigured):
                pass


class Counting:
    """Counts what reaches the manager."""

    def __init__(self, master, asked) -> None:
        self._master = master
        self._asked = asked

    def __getattr__(self, name):
        self._asked.append(name)
        return getattr(self._master, name)


class TestAnswersThatSayNo:
    @pytest.fixture
    def answers(self, through):
        with Answers(through.endpoint) as answers:
            yield answers

    @pytest.fixture
    def ring(self, through, answers):
        documents = MemoryDocuments()
        master = through.master(int(answers.url.rpartition(":")[2]))
        ManagedKeyRing.create(master, documents, lambda: NOW)
        self.watch = Stopwatch()
        return ManagedKeyRing(master, documents, much_later, monotonic=self.watch, sleep=lambda seconds: None)

    @pytest.mark.parametrize(
        ("status", "code"),
        [(500, "KMSInternalException"), (503, "ServiceUnavailable"), (429, "TooManyRequestsException"), (502, "bad")],
    )
    def test_not_now_is_asked_again_and_then_an_outage(self, ring, through, answers, status, code):
        key = DataKey.generate()
        wrapped = ring.wrap(key, context(ring))
        answer = through.said(status, code)
        self.watch.at += KEK_STALE
        answers.set(anything, lambda asked, onward: answer, times=2)
        assert ring.unwrap(wrapped, context(ring)) == key
        assert answers.clear() == 2
        self.watch.at += KEK_STALE
        answers.set(anything, lambda asked, onward: answer)
        for _ in range(5):
            with pytest.raises(KeysUnavailable):
                ring.unwrap(wrapped, context(ring))
        assert answers.clear() <= 4  # three attempts, a probe, and nobody after that
        self.watch.at += 2
        assert ring.unwrap(wrapped, context(ring)) == key

    @pytest.mark.parametrize("code", ["ThrottlingException", "KeyUnavailableException", "DependencyTimeoutException"])
    def test_throttling_of_aws_may_be_asked_again(self, code):
        through = Through("aws-kms")
        with Answers(through.endpoint) as answers:
            master = through.master(int(answers.url.rpartition(":")[2]))
            answers.set(anything, lambda asked, onward: through.said(400, code), times=1)
            with pytest.raises(KeysUnavailable):
                master.ping()
            master.ping()

    @pytest.mark.parametrize(
        ("code", "words"),
        [
            ("AccessDeniedException", "does not allow us"),
            ("UnrecognizedClientException", "does not know our credentials"),
            ("ExpiredTokenException", "at their end"),
            ("KMSInvalidStateException", "about to be deleted"),
            ("DisabledException", "disabled"),
            ("SomethingNew", "refuses: SomethingNew"),
        ],
    )
    def test_never_of_aws_is_said_in_words(self, code, words):
        through = Through("aws-kms")
        with Answers(through.endpoint) as answers:
            master = through.master(int(answers.url.rpartition(":")[2]))
            answers.set(anything, lambda asked, onward: through.said(400, code))
            with pytest.raises(MasterRefused, match=words):
                master.ping()
            assert answers.clear() == 1

    @pytest.mark.parametrize(
        "answer",
        [
            Answered(200, (), b"<html>"),
            Answered(200, (), b"[]"),
            Answered(302, (("Location", "http://127.0.0.1:1/"),), b""),
            Answered(204, (), b""),
            Answered(200, (), b'{"data": 5}'),
            Answered(200, (), b'{"data": {"plaintext": 5}}'),
            Answered(200, (), b'{"data": {"plaintext": "!!"}}'),
        ],
    )
    def test_nonsense_instead_of_openbao_is_never_a_key(self, answer):
        through = Through("openbao")
        with Answers(through.endpoint) as answers:
            master = through.master(int(answers.url.rpartition(":")[2]))
            wrapped = master.wrap(None, b"k" * 32, CONTEXT)
            answers.set(anything, lambda asked, onward: answer)
            with pytest.raises((MasterRefused, KeysUnavailable)):
                master.unwrap(None, wrapped, CONTEXT)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with bao_server(tmp_path_factory.mktemp("bao")) as server:
        yield server


class TestAServerOfOnesOwn:
    @pytest.fixture
    def site(self, server):
        documents = MemoryDocuments()
        watch = Stopwatch()

        def node():
            master = Openbao(server.transit.url, server.token)
            return ManagedKeyRing(master, documents, much_later, monotonic=watch, sleep=lambda seconds: None)

        ManagedKeyRing.create(Openbao(server.transit.url, server.token), documents, lambda: NOW)
        return node, watch

    def test_that_is_sealed_is_an_outage_until_it_is_unsealed(self, server, site):
        node, watch = site
        ring, key = node(), DataKey.generate()
        wrapped = ring.wrap(key, context(ring))
        server.seal()
        watch.at += KEK_STALE
        for act in (lambda: ring.unwrap(wrapped, context(ring)), ring.ping):
            with pytest.raises(KeysUnavailable):
                act()
        with pytest.raises(KeysUnavailable, match="does not answer"):
            node()
        server.unseal()
        watch.at += 2
        assert ring.unwrap(wrapped, context(ring)) == key
        ring.ping()

    def test_that_was_killed_has_forgotten_nothing_and_is_found_again(self, server, site):
        node, watch = site
        ring, key = node(), DataKey.generate()
        wrapped, secret = ring.wrap(key, context(ring)), ring.secret("session")
        ring.rotate(NOW)
        ring.destroy(1)
        later = ring.wrap(key, context(ring))
        server.kill()
        watch.at += KEK_STALE
        with pytest.raises(KeysUnavailable):
            ring.unwrap(later, context(ring))
        server.start()
        with pytest.raises(KeysUnavailable):
            ring.ping()
        server.unseal()
        watch.at += 2
        for known in (ring, node()):
            assert known.unwrap(later, context(known)) == key
            assert known.secret("session") == secret
            with pytest.raises(KeysUnavailable):
                known.unwrap(wrapped, context(known))

    def test_that_hangs_is_an_outage_until_it_goes_on(self, server):
        master = Openbao(server.transit.url, server.token)
        wrapped = master.wrap(None, b"k" * 32, CONTEXT)
        server.freeze()
        try:
            with pytest.raises(KeysUnavailable):
                master.unwrap(None, wrapped, CONTEXT)
        finally:
            server.thaw()
        assert master.unwrap(None, wrapped, CONTEXT) == b"k" * 32


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return _certificate(tmp_path_factory.mktemp("tls") / "127.0.0.1.pem")


@pytest.fixture(scope="module")
def with_tls(tmp_path_factory, certificate):
    with bao_server(tmp_path_factory.mktemp("bao"), certificate) as server:
        yield server


class TestTls:
    def test_with_a_certificate_of_ones_own_authority(self, with_tls, certificate):
        master = Openbao(f"openbao://127.0.0.1:{with_tls.port}/site?ca={certificate}", with_tls.token)
        master.ping()
        assert master.unwrap(None, master.wrap(None, b"k" * 32, CONTEXT), CONTEXT) == b"k" * 32

    def test_without_it_nothing_is_said(self, with_tls):
        for url in (
            f"openbao://127.0.0.1:{with_tls.port}/site?tls=on",
            f"openbao://localhost:{with_tls.port}/site?tls=on",
        ):
            with pytest.raises(MasterRefused, match="certificate that is not trusted"):
                Openbao(url, with_tls.token).ping()

    def test_the_certificate_must_be_for_that_name(self, with_tls, certificate):
        with pytest.raises(MasterRefused, match="not trusted"):
            Openbao(f"openbao://localhost:{with_tls.port}/site?ca={certificate}", with_tls.token).ping()

    def test_a_server_without_tls_is_no_server(self, certificate):
        transit = new_transit()
        with pytest.raises(MasterRefused, match="TLS"):
            Openbao(f"{transit.url}?tls=on", transit.token).ping()


def _certificate(path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path
