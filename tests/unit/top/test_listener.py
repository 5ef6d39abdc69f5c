"""The end of a listener: whoever stands in its queue is served, whoever comes later finds it closed."""

from __future__ import annotations

import socket
from threading import Thread

import pytest

from domain.errors import Misconfigured
from listener import close_door, open_listener

HOSTS = ["127.0.0.1", "::1"]


@pytest.mark.parametrize("host", HOSTS)
def test_whoever_came_before_the_door_closed_is_taken_and_nobody_after_it(host: str) -> None:
    listener = open_listener(host, 0)
    address = listener.getsockname()[:2]
    answers: list[bytes | OSError] = []

    def come_late() -> None:
        try:
            socket.create_connection(address, timeout=20).close()
        except OSError as error:
            answers.append(error)

    with socket.create_connection(address, timeout=20) as early:
        early.sendall(b"request")
        close_door(listener)
        late = Thread(target=come_late)
        late.start()
        taken, _ = listener.accept()
        listener.settimeout(0.3)
        with pytest.raises(TimeoutError):
            listener.accept()
        listener.close()
        with taken:
            assert taken.recv(7) == b"request"
            taken.sendall(b"answer")
        assert early.recv(6) == b"answer"
    late.join(20)
    assert isinstance(answers[0], ConnectionRefusedError)


def test_an_address_that_is_taken_is_one_clear_line() -> None:
    with open_listener("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(Misconfigured, match=rf"127\.0\.0\.1:{port}: Address already in use"):
            open_listener("127.0.0.1", port)


def test_a_host_that_there_is_not_is_one_clear_line() -> None:
    with pytest.raises(Misconfigured, match="no-such-host"):
        open_listener("no-such-host.invalid", 0)
