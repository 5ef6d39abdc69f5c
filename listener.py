"""The socket that a service, or all workers of one, take connections from: opened, and closed without losing one."""

from __future__ import annotations

import ctypes
import socket
import struct
from contextlib import suppress

from domain.errors import Misconfigured

BACKLOG = 512

_SO_ATTACH_FILTER = 26
# Classic BPF (linux/filter.h) over the TCP header: a first SYN is dropped, all else is let through.
_LOAD_FLAGS = (0x30, 0, 0, 13)
_IF_SYN = (0x45, 0, 1, 0x02)
_DROP = (0x06, 0, 0, 0)
_PASS = (0x06, 0, 0, 0xFFFFFFFF)


def open_listener(host: str, port: int) -> socket.socket:
    """A listening socket. Raises Misconfigured in one line where there can be none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise Misconfigured(f"{host}:{port}: {error.strerror or error}") from error


def close_door(listener: socket.socket) -> None:
    """Let no new connection begin, while those that have begun can still be taken.

    A socket that is closed resets whoever stands in its queue, with a request already sent. So first new SYNs are
    dropped: their senders ask again within a second, and find the socket closed, or another node. Only for a socket
    that nobody else goes on taking connections from. Where the system has no such filter, the queue alone is the grace.
    """
    program = b"".join(struct.pack("HBBI", *one) for one in (_LOAD_FLAGS, _IF_SYN, _DROP, _PASS))
    kept = ctypes.create_string_buffer(program, len(program))
    with suppress(OSError):
        listener.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(kept))
        )
