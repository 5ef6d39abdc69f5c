"""The faulty network does to real connections what it is told, and nothing else."""

from __future__ import annotations

import socket
from threading import Thread

import pytest

from tests.faults.proxy import Faults, Proxy

LONG = bytes(range(256)) * 4096


class Echo:
    """A server that says what it hears."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"echo://somebody:secret@127.0.0.1:{self._server.getsockname()[1]}/path?query=1"
        self._threads = [Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self._threads.append(Thread(target=self._answer, args=(connection,), daemon=True))
            self._threads[-1].start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                while piece := connection.recv(1 << 16):
                    connection.sendall(piece)
            except OSError:
                return


class Caller:
    """A connection through the proxy."""

    def __init__(self, proxy: Proxy) -> None:
        self.socket = socket.create_connection(("127.0.0.1", proxy.port), timeout=10)

    def close(self) -> None:
        self.socket.close()

    def hears(self, content: bytes) -> bytes:
        """What comes back; sent beside, so that neither side waits for the other."""
        sender = Thread(target=self._send, args=(content,))
        sender.start()
        heard = bytearray()
        try:
            while len(heard) < len(content):
                piece = self.socket.recv(1 << 16)
                if not piece:
                    break
                heard += piece
        finally:
            sender.join(10)
        return bytes(heard)

    def _send(self, content: bytes) -> None:
        try:
            self.socket.sendall(content)
        except OSError:
            return


@pytest.fixture
def proxy():
    echo = Echo()
    with Proxy(echo.url) as made:
        yield made
    echo.close()


@pytest.fixture
def call(proxy):
    made: list[Caller] = []

    def new() -> Caller:
        made.append(Caller(proxy))
        return made[-1]

    yield new
    for one in made:
        one.close()


def test_without_faults_everything_passes(proxy, call):
    caller = call()
    assert caller.hears(LONG) == LONG
    assert caller.hears(b"again") == b"again"
    assert (proxy.accepted, proxy.connected, proxy.struck) == (1, 1, 0)


def test_an_end_passes_too(call):
    caller = call()
    caller.socket.sendall(b"last words")
    caller.socket.shutdown(socket.SHUT_WR)
    assert b"".join(iter(lambda: caller.socket.recv(100), b"")) == b"last words"


def test_the_address_is_the_targets_but_for_the_port(proxy):
    assert proxy.url == f"echo://somebody:secret@127.0.0.1:{proxy.port}/path?query=1"


@pytest.mark.parametrize("fault", [Faults(corrupt_up=300_000), Faults(corrupt_down=300_000)])
def test_one_byte_is_another_once(proxy, call, fault):
    proxy.set(fault)
    spoilt = call().hears(LONG)
    assert [at for at in range(len(LONG)) if spoilt[at] != LONG[at]] == [300_000]
    assert call().hears(LONG) == LONG
    assert proxy.struck == 1


def test_bytes_are_counted_from_when_the_fault_was_set(proxy, call):
    caller = call()
    assert caller.hears(LONG) == LONG
    proxy.set(Faults(corrupt_down=2))
    assert caller.hears(b"abcd") == b"ab\x9cd"


def test_a_connection_is_cut_after_so_many_answered_bytes(proxy, call):
    proxy.set(Faults(cut_down=100_000))
    with pytest.raises(ConnectionResetError):
        call().hears(LONG)
    assert call().hears(LONG) == LONG


def test_a_connection_is_cut_after_so_many_sent_bytes(proxy, call):
    proxy.set(Faults(cut_up=100_000))
    with pytest.raises(ConnectionResetError):
        call().hears(LONG)
    assert call().hears(LONG) == LONG


def test_every_connection_is_cut_where_that_is_wanted(proxy, call):
    proxy.set(Faults(cut_up=1, times=None))
    for _ in range(3):
        with pytest.raises(ConnectionResetError):
            call().hears(b"abc")
    proxy.heal()
    assert call().hears(b"abc") == b"abc"
    assert proxy.struck == 3


def test_what_is_connected_can_be_cut_at_any_time(proxy, call):
    caller = call()
    assert caller.hears(b"hello") == b"hello"
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        caller.socket.recv(1)
    assert call().hears(b"hello") == b"hello"


def test_nobody_listens_while_connections_are_refused(proxy, call):
    caller = call()
    assert caller.hears(b"hello") == b"hello"
    proxy.set(Faults(refuse=True))
    with pytest.raises(ConnectionResetError):
        caller.socket.recv(1)
    with pytest.raises(ConnectionRefusedError):
        call()
    proxy.heal()
    assert call().hears(b"hello") == b"hello"


def test_a_stall_holds_everything_and_loses_nothing(proxy, call):
    caller = call()
    assert caller.hears(b"hello") == b"hello"
    proxy.set(Faults(stall=True))
    late = call()
    for one in (caller, late):
        one.socket.sendall(b"after")
        one.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            one.socket.recv(5)
    proxy.heal()
    for one in (caller, late):
        one.socket.settimeout(10)
        assert one.socket.recv(5) == b"after"


def test_latency_delays_and_keeps_the_order(proxy, call):
    proxy.set(Faults(latency=0.3))
    caller = call()
    caller.socket.sendall(b"ab")
    caller.socket.settimeout(0.1)
    with pytest.raises(TimeoutError):
        caller.socket.recv(2)
    caller.socket.settimeout(10)
    caller.socket.sendall(b"cd")
    heard = b""
    while len(heard) < 4:
        heard += caller.socket.recv(4)
    assert heard == b"abcd"


def test_a_target_that_is_not_there_is_a_connection_that_ends():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (
        Proxy(f"http://127.0.0.1:{port}") as proxy,
        pytest.raises(ConnectionResetError),
        socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as caller,
    ):
        caller.recv(1)


def test_closing_ends_what_is_open():
    echo = Echo()
    proxy = Proxy(echo.url)
    caller = Caller(proxy)
    assert caller.hears(b"hello") == b"hello"
    proxy.close()
    with pytest.raises(ConnectionResetError):
        caller.socket.recv(1)
    caller.close()
    echo.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port))
