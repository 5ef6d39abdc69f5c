"""The sniffing child and its keeper: S-45's sandbox, crash and time limits."""

from __future__ import annotations

import logging
import os
import random
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from domain.errors import Misconfigured, ScannerUnavailable
from tests.unit.transfer_inspect import corpus
from transfer import sniffer as program
from transfer.sandbox import Sniffer, child_command

UNKNOWN = "application/octet-stream"


def scripted(body: str) -> list[str]:
    """A child of our own making, that has the frames of the real one and behaves as ``body`` says."""
    prelude = """
        import os, sys, time
        def exactly(n):
            out = b""
            while len(out) < n and (part := os.read(0, n - len(out))): out += part
            return out
        def hear(): return exactly(int.from_bytes(exactly(4), "big"))
        def say(text): os.write(1, bytes([len(text)]) + text)
    """
    return [sys.executable, "-I", "-c", textwrap.dedent(prelude) + textwrap.dedent(body)]


@pytest.fixture
def make():
    made = []

    def make(body: str | None = None, **terms) -> Sniffer:
        made.append(Sniffer(command=None if body is None else scripted(body), **{"time_limit": 30, **terms}))
        return made[-1]

    yield make
    for sniffer in made:
        sniffer.close()


def events(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def child_of(sniffer: Sniffer) -> int:
    child = sniffer._free.queue[-1]
    assert child is not None
    return child.pid


def gone(pid: int) -> bool:
    for _ in range(500):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


def test_a_file_is_told_by_its_beginning_alone(make):
    sniffer = make()
    sniffer.start()
    content = corpus.png() + bytes(1 << 20)
    assert sniffer.sniff(content) == "image/png"
    assert sniffer.sniff(bytearray(content)) == "image/png"
    assert sniffer.sniff(memoryview(content)[:100]) == "image/png"
    assert sniffer.sniff(bytes(program.HEAD_LIMIT) + content) == UNKNOWN
    assert sniffer.sniff(b"") == "application/x-empty"
    assert sniffer.sniff(b"x") == UNKNOWN


def test_the_running_child_holds_no_right_that_it_does_not_need(make):
    sniffer = make()
    sniffer.start()
    pid = child_of(sniffer)
    status = Path(f"/proc/{pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status
    limits = Path(f"/proc/{pid}/limits").read_text()
    for words in (
        f"Max address space         {program.MEMORY_LIMIT}",
        f"Max cpu time              {program.CPU_LIMIT}",
        "Max file size             0                    0",
        f"Max open files            {program.OPEN_FILES_LIMIT}",
        "Max core file size        0                    0",
    ):
        assert words in limits
    if os.geteuid() == 0:  # others may not look into a process that cannot be dumped
        assert sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2"]
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert sorted(line.split(b"=")[0] for line in environment.split(b"\0") if line) == [b"LC_ALL", b"PATH", b"TZ"]
        assert os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net")
        assert os.readlink(f"/proc/{pid}/cwd") == "/"


ATTEMPTS = {
    "open a file": ("os.open('/etc/passwd', os.O_RDONLY)", "PermissionError"),
    "make a file": ("os.open('/dev/shm/bilaga-test', os.O_CREAT | os.O_WRONLY)", "PermissionError"),
    "look for a file": ("os.stat('/etc/passwd')", "PermissionError"),
    "list a folder": ("os.listdir('/')", "PermissionError"),
    "open a socket": ("socket.socket()", -signal.SIGSYS),
    "open a local socket": ("socket.socket(socket.AF_UNIX)", -signal.SIGSYS),
    "pass descriptors": ("ours.sendmsg([b'x'])", -signal.SIGSYS),
    "fork": ("os.fork()", -signal.SIGSYS),
    "start a program": ("os.execv('/bin/true', ['true'])", -signal.SIGSYS),
    "start a program by name": ("os.posix_spawn('/bin/true', ['true'], {})", -signal.SIGSYS),
    "start a thread": ("_thread.start_new_thread(print, ())", -signal.SIGSYS),
    "signal its parent": ("os.kill(os.getppid(), 0)", -signal.SIGSYS),
    "remove a file": ("os.unlink('/nowhere')", -signal.SIGSYS),
    "rename a file": ("os.rename('/nowhere', '/elsewhere')", -signal.SIGSYS),
    "raise its limits": ("resource.setrlimit(resource.RLIMIT_CPU, (90, 90))", -signal.SIGSYS),
    "trace a process": ("libc.ptrace(0, 0, 0, 0)", -signal.SIGSYS),
    "undo its settings": ("libc.prctl(4, 1, 0, 0, 0)", -signal.SIGSYS),
    "map memory to run code in": ("mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)", -signal.SIGSYS),
    "make memory runnable": ("libc.mprotect(page, 4096, 5)", -signal.SIGSYS),
    "take more memory than it may": ("bytearray(400 << 20)", "MemoryError"),
    "compute": ("sum(bytearray(8 << 20))", "nothing"),
    "speak": ("os.write(1, b'')", "nothing"),
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_locked_down_process_cannot(attempt):
    code, outcome = ATTEMPTS[attempt]
    script = f"""
        import _thread, ctypes, importlib.util, mmap, os, resource, socket, sys
        spec = importlib.util.spec_from_file_location("sniffer", sys.argv[1])
        sniffer = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sniffer)
        libc = ctypes.CDLL(None)
        memory = mmap.mmap(-1, 8192)
        page = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(memory)) & ~4095)
        ours, theirs = socket.socketpair()
        attempt = compile({code!r}, "attempt", "eval")
        os.dup2(ours.fileno(), 2)
        layers = sniffer.lock_down(os.getppid())
        os.write(1, b"locked\\n")
        try:
            eval(attempt)
            os.write(1, b"nothing")
        except BaseException as error:
            os.write(1, type(error).__name__.encode())
        os._exit(0)
    """
    ran = subprocess.run(
        [sys.executable, "-I", "-c", textwrap.dedent(script), child_command()[-1]],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    first, _, said = ran.stdout.partition("\n")
    assert first == "locked"
    if isinstance(outcome, str):
        assert (said, ran.returncode) == (outcome, 0)
    else:
        assert (said, ran.returncode) == ("", outcome)


def test_every_hostile_beginning_gets_a_verdict_and_harms_only_itself(make, caplog):
    sniffer = make(time_limit=30)
    seeded = random.Random(45)
    for _ in range(8):
        for _, content, _ in corpus.TAKEN:
            damaged = bytearray(content)
            for _ in range(seeded.randint(1, 12) if damaged else 0):
                damaged[seeded.randrange(len(damaged))] = seeded.randrange(256)
            assert "/" in sniffer.sniff(bytes(damaged[: seeded.randint(0, len(damaged))]))
    assert events(caplog) == []


@pytest.mark.parametrize(
    "text", [b"<!--" * 900, b"<!---->" * 600, b"<!-- a --> " * 400, b"<?xml ?>" * 500, b" " * 4000, b"#!" + b" " * 4000]
)
def test_our_own_reading_of_a_text_costs_no_more_than_its_length(text):
    assert program.settle("text/plain", text) == "text/plain"


def test_a_child_that_a_file_kills_gives_an_unknown_type_and_another_child_goes_on(make, caplog):
    sniffer = make(
        """
        say(b"ready limits calls")
        while True:
            if hear() == b"bomb": os.kill(os.getpid(), 11)
            say(b"text/plain")
        """
    )
    assert sniffer.sniff(b"bomb") == UNKNOWN
    assert events(caplog) == ["sniffer.crash"]
    assert sniffer.sniff(b"letter") == "text/plain"
    # Not fresh any more: the file is tried once again, on a child that has seen nothing else, and kills that too.
    assert sniffer.sniff(b"bomb") == UNKNOWN
    assert events(caplog) == ["sniffer.crash"] * 3
    assert sniffer.sniff(b"letter") == "text/plain"


def test_a_child_that_died_while_idle_costs_no_file_its_verdict(make):
    sniffer = make()
    assert sniffer.sniff(corpus.png()) == "image/png"
    os.kill(child_of(sniffer), signal.SIGKILL)
    assert sniffer.sniff(corpus.pdf()) == "application/pdf"


def test_a_file_that_takes_too_long_is_of_unknown_type(make, caplog):
    sniffer = make(
        """
        say(b"ready limits calls")
        while True:
            if hear() == b"slow": time.sleep(60)
            say(b"text/plain")
        """,
        time_limit=1.5,
    )
    assert sniffer.sniff(b"slow") == UNKNOWN
    assert events(caplog) == ["sniffer.timeout"]
    assert sniffer.sniff(b"quick") == "text/plain"


def test_a_child_that_does_not_read_does_not_block_its_keeper(make, caplog):
    sniffer = make('say(b"ready limits calls"); time.sleep(60)', time_limit=0.3)
    assert sniffer.sniff(bytes(program.HEAD_LIMIT)) == UNKNOWN
    assert events(caplog) == ["sniffer.timeout"]


@pytest.mark.parametrize(
    "answer",
    [
        "b''",
        "b'text'",
        "b'text/plain\\r\\nSet-Cookie: a'",
        "b'a/b/c'",
        "'å/ä'.encode()",
        "b'image/pngimage/png'",
        "b'x' * 200",
    ],
)
def test_a_child_that_was_taken_over_can_say_nothing_but_a_media_type(make, answer):
    sniffer = make(f'say(b"ready limits calls"); hear(); say({answer})')
    assert sniffer.sniff(b"x") == UNKNOWN


def test_a_child_is_replaced_after_its_number_of_answers(make):
    sniffer = make(requests=2)
    sniffer.sniff(b"a")
    first = child_of(sniffer)
    sniffer.sniff(b"b")
    assert gone(first)
    assert sniffer.sniff(corpus.pdf()) == "application/pdf"
    assert child_of(sniffer) != first


def test_many_threads_share_few_children_and_each_gets_its_own_answer(make, caplog):
    sniffer = make(children=2, requests=7)
    kinds = [(corpus.png(), "image/png"), (corpus.pdf(), "application/pdf"), (corpus.JPEG, "image/jpeg")]
    wrong = []

    def ask(number: int) -> None:
        for turn in range(10):
            content, expected = kinds[(number + turn) % 3]
            if sniffer.sniff(content) != expected:
                wrong.append((number, turn))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert events(caplog) == []


def test_children_outlive_the_thread_that_first_asked(make, caplog):
    sniffer = make()
    thread = threading.Thread(target=sniffer.sniff, args=(b"x",))
    thread.start()
    thread.join()
    time.sleep(0.2)
    pid = child_of(sniffer)
    sniffer.sniff(b"x")
    assert child_of(sniffer) == pid
    assert events(caplog) == []


@pytest.mark.parametrize(
    "child, sentence",
    [
        ('say(b"failed libmagic")', "libmagic1"),
        ('say(b"failed database")', "libmagic-mgc"),
        ('say(b"failed sandbox")', "locked down"),
        ('say(b"failed parent")', "does not start"),
        ("sys.exit(3)", "status 3"),
        ('say(b"ready limits calls"); hear(); say(b"text/plain")', "PNG"),
    ],
)
def test_a_sandbox_that_cannot_start_stops_the_service_with_one_line(make, child, sentence):
    with pytest.raises(Misconfigured, match=sentence) as refused:
        make(child).start()
    assert "\n" not in refused.value.detail


def test_a_missing_libmagic_is_told_by_the_real_child_with_its_package():
    script = """
        import runpy, sys
        class NoMagic:
            def find_spec(self, name, path=None, target=None):
                if name == "magic": raise ImportError("failed to find libmagic")
        sys.meta_path.insert(0, NoMagic())
        program, sys.argv = sys.argv[1], ["sniffer", sys.argv[2]]
        runpy.run_path(program, run_name="__main__")
    """
    sniffer = Sniffer(command=[sys.executable, "-I", "-c", textwrap.dedent(script), child_command()[-1]])
    with pytest.raises(Misconfigured, match="apt-get install libmagic1"):
        sniffer.start()
    sniffer.close()


def test_no_interpreter_at_all_is_told_too():
    sniffer = Sniffer(command=["/nowhere/python"])
    with pytest.raises(Misconfigured, match="No such file"):
        sniffer.start()
    with pytest.raises(ScannerUnavailable):
        sniffer.sniff(b"x")
    sniffer.close()


def test_a_sandbox_without_the_filter_is_warned_of(make, caplog):
    make('say(b"ready limits network"); hear(); say(b"image/png")').start()
    assert events(caplog) == ["sniffer.weak-sandbox"]


def test_closing_ends_the_children(make):
    sniffer = make()
    sniffer.start()
    pid = child_of(sniffer)
    sniffer.close()
    assert gone(pid)


def test_children_end_with_a_service_that_is_killed():
    # Its end of the socket stays open in another process, so that only the kernel can tell the child.
    script = """
        import subprocess, time
        from transfer.sandbox import Sniffer
        sniffer = Sniffer(); sniffer.start()
        child = sniffer._free.queue[-1]
        other = subprocess.Popen(["sleep", "60"], pass_fds=[child._socket.fileno()])
        print(child.pid, other.pid, flush=True)
        time.sleep(60)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    ) as service:
        assert service.stdout is not None
        child, other = map(int, service.stdout.readline().split())
        assert os.path.exists(f"/proc/{child}")
        service.kill()
    try:
        assert gone(child)
    finally:
        os.kill(other, signal.SIGKILL)


def test_the_keeper_itself_keeps_its_rights(make):
    before = resource.getrlimit(resource.RLIMIT_AS)
    make().start()
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    assert "Seccomp:\t0" in Path("/proc/self/status").read_text()
