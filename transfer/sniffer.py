"""The sniffing child: reads heads of files on standard input, answers each with a media type on standard output (S-45).

Run as a program by its path, never imported by the service: ``python -I …/transfer/sniffer.py PARENT_PID``. Started so,
it needs no package around it (an installed wheel and a checkout are alike to it) and this folder is not on its path.

libmagic is C code that reads hostile bytes. It gets them in memory and never as a path, and once its database is loaded
the process gives up all it can: ``lock_down``. What a crafted file makes of it then can compute and answer, no more.

Frames: a request is four bytes of length, big-endian, and that many bytes, ``HEAD_LIMIT`` at the most. An answer is
one byte of length and that many of ASCII. The first answer comes by itself: ``ready`` and the layers in force, or
``failed`` and what is missing.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import re
import resource
import signal
import struct
import sys
from collections.abc import Callable

HEAD_LIMIT = 1 << 16
"""Bytes of a file's beginning that are looked at. The deepest fixed offset of a type that people send is ISO 9660's,
32 KiB and 5; four times as much gave the same verdicts on 27,000 files of 40 kinds."""
UNKNOWN = "application/octet-stream"

MEMORY_LIMIT = 256 << 20
CPU_LIMIT = 60
"""Seconds over the life of one child; a single request is bounded by the parent's clock."""
OPEN_FILES_LIMIT = 8

MEDIA_TYPE = re.compile(r"[a-z]+/[A-Za-z0-9][A-Za-z0-9.+_-]{0,100}")


def main(parent: int) -> None:
    """Load, lock down, serve until the parent hangs up."""
    try:
        look = load()
        layers = lock_down(parent)
    except Missing as missing:
        _answer(f"failed {missing}")
        return
    _answer("ready " + " ".join(layers))
    while (header := _exactly(4)) and (size := int.from_bytes(header, "big")) <= HEAD_LIMIT:
        head = _exactly(size)
        if len(head) < size:
            return
        _answer(settle(look(head), head))


class Missing(Exception):
    """What the child cannot do without: libmagic, database, sandbox, parent."""


def load() -> Callable[[bytes], str]:
    """The verdict of libmagic on bytes, warmed up so that nothing needs to be opened later. Raises Missing."""
    try:
        import magic  # noqa: PLC0415 -- only this program, and only after the rest of it stands, loads the C library
    except ImportError as error:
        raise Missing("libmagic") from error
    try:
        book = magic.Magic(mime=True)
        book.from_buffer(b"%PDF-1.7\n")
        for encoding in ("utf-8", "utf-16-le", "utf-16-be"):  # codecs are read from files when first used
            text = "\ufeffå,b\n1,2\n".encode(encoding)
            settle(book.from_buffer(text), text)
    except magic.MagicException as error:
        raise Missing("database") from error

    def look(head: bytes) -> str:
        try:
            return str(book.from_buffer(head))
        except magic.MagicException:
            return UNKNOWN

    return look


# -- What libmagic cannot be believed in -------------------------------------------------------------------------------
# A page, as a browser would begin to read it; the list of the MIME Sniffing Standard (7.1) without what a text may well
# begin with (<p>, <a>, <b>, <div> …).
_PAGE = re.compile(rb"<(?:!doctype\s+html|html|head|body|script|iframe|style|title)[\s>/]", re.IGNORECASE)
_SCRIPTS = (
    (re.compile(rb"#!\s*/"), "text/x-shellscript"),
    (re.compile(rb"<\?php\s", re.IGNORECASE), "text/x-php"),
    (re.compile(rb"@echo\s+off\b", re.IGNORECASE), "text/x-msdos-batch"),
)
_GUESSED = ("text/", "application/javascript", "application/json", "message/")
_KEPT = ("text/xml", "text/rtf", "text/csv")
_SCRIPT_TYPE = re.compile(r"text/x-(script\.)?(awk|lua|msdos-batch|perl|php|python|ruby|shellscript|tcl)")


def settle(media_type: str, head: bytes) -> str:
    """The word of libmagic where it can know, a plainer one where it guesses.

    It calls a log that quotes a page text/html, prose with "import" in it Python, Markdown JavaScript and Korean text
    a DOS program: so a text is a page or a script only if it begins as one, and a program has a header.
    """
    if not MEDIA_TYPE.fullmatch(media_type):
        return UNKNOWN
    if media_type == "application/x-dosexec":
        return media_type if head[:2] == b"MZ" and b"\0" in head[:512] else "text/plain"
    if not media_type.startswith(_GUESSED):
        return media_type
    text = _narrow(head)
    if _PAGE.match(_past_prologue(text)):
        return "text/html"
    for beginning, script in _SCRIPTS:
        if beginning.match(text):
            return media_type if _SCRIPT_TYPE.fullmatch(media_type) else script
    if media_type.startswith(("text/", "application/javascript")) and media_type not in _KEPT:
        return "text/plain"
    return media_type


def _past_prologue(text: bytes) -> bytes:
    """What follows after blanks, comments and an XML declaration (a loop and no pattern: comments in hostile numbers
    must not cost more than their length)."""
    text = text.lstrip()
    while text.startswith((b"<!--", b"<?xml")):
        mark = b"-->" if text.startswith(b"<!--") else b"?>"
        _, end, text = text.partition(mark)
        text = text.lstrip() if end else b""
    return text


def _narrow(head: bytes) -> bytes:
    """The beginning of a text as ASCII would have it: without byte order mark, two-byte characters made one."""
    head = head[:4096]
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if head.startswith(mark):
            return head[2:].decode(encoding, "replace").encode("ascii", "replace")
    return head.removeprefix(b"\xef\xbb\xbf")


# -- Lock-down ---------------------------------------------------------------------------------------------------------
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_SECCOMP_MODE_FILTER = 2
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000


def lock_down(parent: int) -> tuple[str, ...]:
    """Give up rights, for good; gives the names of the layers in force. Raises Missing.

    Without both a network namespace and a filter of system calls there would be a way to the network: then it refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    os.closerange(3, 1024)
    layers = ["limits"]
    # With root's right directly, else by way of a user namespace; either may be forbidden here.
    if libc.unshare(_CLONE_NEWNET) == 0 or libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0:
        layers.append("network")
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY_LIMIT),
        (resource.RLIMIT_CPU, CPU_LIMIT),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, OPEN_FILES_LIMIT),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))
    # After unshare: a change of credentials clears both.
    _prctl(libc, _PR_SET_PDEATHSIG, signal.SIGKILL)
    _prctl(libc, _PR_SET_DUMPABLE, 0)
    _prctl(libc, _PR_SET_NO_NEW_PRIVS, 1)
    if os.getppid() != parent:
        raise Missing("parent")
    if filter_calls(libc):
        layers.append("calls")
    if len(layers) == 1:
        raise Missing("sandbox")
    return tuple(layers)


def _prctl(libc: ctypes.CDLL, option: int, value: int) -> None:
    if libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
        raise Missing("sandbox")


# Numbers of system calls, by machine; from the kernel's tables (arch/x86/entry/syscalls/syscall_64.tbl and
# include/uapi/asm-generic/unistd.h).
_MACHINES: dict[str, tuple[int, dict[str, int]]] = {
    "x86_64": (
        0xC000003E,
        {"read": 0, "write": 1, "open": 2, "close": 3, "stat": 4, "fstat": 5, "lstat": 6, "lseek": 8, "mmap": 9}
        | {"mprotect": 10, "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15}
        | {"access": 21, "sched_yield": 24, "mremap": 25, "madvise": 28, "exit": 60, "readlink": 89, "futex": 202}
        | {"restart_syscall": 219, "clock_gettime": 228, "exit_group": 231, "openat": 257, "newfstatat": 262}
        | {"getrandom": 318, "statx": 332},
    ),
    "aarch64": (
        0xC00000B7,
        {"openat": 56, "close": 57, "lseek": 62, "read": 63, "write": 64, "readlinkat": 78, "newfstatat": 79}
        | {"fstat": 80, "exit": 93, "exit_group": 94, "futex": 98, "clock_gettime": 113, "sched_yield": 124}
        | {"restart_syscall": 128, "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139, "brk": 214}
        | {"munmap": 215, "mremap": 216, "mmap": 222, "mprotect": 226, "madvise": 233, "getrandom": 278, "statx": 291},
    ),
}
# Refused with an error and not with death: a library that looks for an optional file goes on without it.
_REFUSED_CALLS = frozenset(
    {"open", "openat", "stat", "lstat", "newfstatat", "statx", "access", "readlink", "readlinkat"}
)
_NEVER_EXECUTABLE = frozenset({"mmap", "mprotect"})

_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_JMP|JSET|K, BPF_RET|K
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCHITECTURE, _THIRD_ARGUMENT = 0, 4, 32  # offsets in struct seccomp_data
_PROT_EXEC = 4


def filter_calls(libc: ctypes.CDLL) -> bool:
    """Allow the calls that computing and answering need; all others end the process. False where the kernel or the
    machine has no such filter."""
    if platform.machine() not in _MACHINES:
        return False
    architecture, numbers = _MACHINES[platform.machine()]
    # (code, jump if true, jump if false, operand); jumps count the instructions to leave out.
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    for name, number in numbers.items():
        if name in _NEVER_EXECUTABLE:
            program += [(_EQUAL, 0, 4, number), (_LOAD, 0, 0, _THIRD_ARGUMENT), (_ANY_BIT, 0, 1, _PROT_EXEC)]
            program += [(_RETURN, 0, 0, _KILL), (_RETURN, 0, 0, _ALLOW)]
        else:
            verdict = _ERROR | errno.EPERM if name in _REFUSED_CALLS else _ALLOW
            program += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, verdict)]
    program.append((_RETURN, 0, 0, _KILL))
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *instruction) for instruction in program))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    filtered = libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), header)
    return bool(filtered == 0)


# -- Frames ------------------------------------------------------------------------------------------------------------
def _exactly(size: int) -> bytes:
    """That many bytes of standard input, fewer only at its end."""
    parts = []
    while size > 0 and (part := os.read(0, size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _answer(text: str) -> None:
    os.write(1, bytes([len(text)]) + text.encode("ascii"))


if __name__ == "__main__":
    main(int(sys.argv[1]))
    os._exit(0)  # the interpreter's own way out makes calls that the filter does not allow
