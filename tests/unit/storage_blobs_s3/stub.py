"""A server that speaks as much S3 as the store needs, keeps it in memory, and does wrong what it is told to."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

BUCKET = "stub-bucket"
Headers = dict[str, str]


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b""
    headers: Headers = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """What happens to one request: is it ``done``, and what comes back: ``answer`` (None: the true one, changed by
    ``change``), after ``stall`` seconds, the connection cut after ``cut`` bytes of the body or ``drip`` seconds between
    its kilobytes."""

    answer: Answer | None = None
    done: bool = True
    change: Callable[[Answer], Answer] = lambda answer: answer
    stall: float = 0
    cut: int | None = None
    drip: float = 0


def error(status: int, code: str, *, done: bool = False) -> Fault:
    """An answer that is an error; whether it was done all the same."""
    return Fault(refusal(status, code), done=done)


def refusal(status: int, code: str) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>as the test wants it</Message></Error>"
    return Answer(status, body.encode(), {"Content-Type": "application/xml"})


def lost(*, done: bool = True) -> Fault:
    """The connection breaks before the answer."""
    return Fault(done=done, cut=-1)


class Stub:
    """The store. ``faults`` of an operation are used up one by one; ``always`` ones stay. ``asked``: what was asked."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, str]] = {}
        self.uploads: dict[str, tuple[str, dict[int, bytes]]] = {}
        self.faults: dict[str, deque[Fault]] = defaultdict(deque)
        self.always: dict[str, Fault] = {}
        self.asked: list[str] = []
        self.gate: Callable[[str], None] = lambda _: None
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.port = 0

    @property
    def url(self) -> str:
        return f"s3://{BUCKET}/p?endpoint=http://127.0.0.1:{self.port}&region=us-east-1"

    # -- what is asked ---------------------------------------------------------------------------------------------
    def answer(self, method: str, target: str, headers: Headers, body: bytes) -> tuple[Answer, Fault]:
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        _, bucket, *rest = unquote(parts.path).split("/", 2)
        key = rest[0] if rest else ""
        operation = named(method, key, query)
        self.gate(operation)
        with self.lock:
            self.asked.append(operation)
            fault = self.faults[operation].popleft() if self.faults[operation] else self.always.get(operation, Fault())
            answer = Answer()
            if bucket != BUCKET:
                answer = refusal(404, "NoSuchBucket")
            elif fault.done:
                answer = getattr(self, operation)(key, query, headers, body)
        return fault.change(fault.answer or answer), fault

    def head_bucket(self, key: str, query: Headers, headers: Headers, body: bytes) -> Answer:
        return Answer()

    def put_object(self, key: str, query: Headers, headers: Headers, body: bytes) -> Answer:
        if headers.get("If-None-Match") == "*" and key in self.objects:
            return refusal(412, "PreconditionFailed")
        self.objects[key] = (body, hashlib.md5(body).hexdigest())
        return Answer(headers={"ETag": f'"{self.objects[key][1]}"'})

    def head_object(self, key: str, query: Headers, headers: Headers, body: bytes) -> Answer:
        if key not in self.objects:
            return refusal(404, "NoSuchKey")
        content, etag = self.objects[key]
        at = formatdate(0, usegmt=True)
        return Answer(headers={"ETag": f'"{etag}"', "Content-Length": str(len(content)), "Last-Modified": at})

    def get_object(self, key: str, query: Headers, headers: Headers, body: bytes) -> Answer:
        if key not in self.objects:
            return refusal(404, "NoSuchKey")
        content, etag = self.objects[key]
        first, last = (int(one) for one in headers["Range"].removeprefix("bytes=").split("-"))
        said = {"Content-Range": f"bytes {first}-{last}/{len(content)}", "ETag": f'"{etag}"'}
        return Answer(206, content[first : last + 1], said)

    def delete_object(self, key: str, query: Headers, headers: Headers, body: bytes) -> Answer:
        self.objects.pop(key, None)
        return Answer(204)

    def delete_objects(self, key: str, query: Headers, headers: Headers, body: bytes) -> Answer:
        assert headers["Content-MD5"] == base64.b64encode(hashlib.md5(body).digest()).decode()
        for found in re.findall(r"<Key>([^<]*)</Key>", body.decode()):
            self.objects.pop(found, None)
        return xml("DeleteResult", "")

    def versioning(self, key: str, query: Headers, headers: Headers, body: bytes) -> Answer:
        return xml("VersioningConfiguration", "")

    def create_upload(self, key: str, query: Headers, headers: Headers, body: bytes) -> Answer:
        upload = f"upload{len(self.asked)}"
        self.uploads[upload] = (key, {})
        return xml("InitiateMultipartUploadResult", f"<Key>{key}</Key><UploadId>{upload}</UploadId>")

    def upload_part(self, key: str, query: Headers, headers: Headers, body: bytes) -> Answer:
        if query["uploadId"] not in self.uploads:
            return refusal(404, "NoSuchUpload")
        self.uploads[query["uploadId"]][1][int(query["partNumber"])] = body
        return Answer(headers={"ETag": f'"{hashlib.md5(body).hexdigest()}"'})

    def complete_upload(self, key: str, query: Headers, headers: Headers, body: bytes) -> Answer:
        if query["uploadId"] not in self.uploads:
            return refusal(404, "NoSuchUpload")
        _, parts = self.uploads.pop(query["uploadId"])
        ordered = [parts[number] for number in sorted(parts)]
        joint = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in ordered)).hexdigest()
        self.objects[key] = (b"".join(ordered), f"{joint}-{len(ordered)}")
        return xml("CompleteMultipartUploadResult", f"<Key>{key}</Key>")

    def abort_upload(self, key: str, query: Headers, headers: Headers, body: bytes) -> Answer:
        return Answer(204) if self.uploads.pop(query["uploadId"], None) else refusal(404, "NoSuchUpload")

    def list_parts(self, key: str, query: Headers, headers: Headers, body: bytes) -> Answer:
        if query["uploadId"] not in self.uploads:
            return refusal(404, "NoSuchUpload")
        return xml("ListPartsResult", "<IsTruncated>false</IsTruncated>")

    def list_uploads(self, key: str, query: Headers, headers: Headers, body: bytes) -> Answer:
        at = "<Initiated>2026-01-01T00:00:00.000Z</Initiated>"
        found = [
            f"<Upload><Key>{key}</Key><UploadId>{upload}</UploadId>{at}</Upload>"
            for upload, (key, _) in self.uploads.items()
            if key.startswith(query["prefix"])
        ]
        return xml("ListMultipartUploadsResult", "<IsTruncated>false</IsTruncated>" + "".join(found))

    def list_versions(self, key: str, query: Headers, headers: Headers, body: bytes) -> Answer:
        facts = (
            "<VersionId>null</VersionId><IsLatest>true</IsLatest><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        )
        found = [
            f"<Version><Key>{key}</Key>{facts}<Size>{len(content)}</Size></Version>"
            for key, (content, _) in sorted(self.objects.items())
            if key.startswith(query["prefix"])
        ]
        return xml("ListVersionsResult", "<IsTruncated>false</IsTruncated>" + "".join(found))

    def object_fact(self, key: str, query: Headers, headers: Headers, body: bytes) -> Answer:
        return refusal(404, "NoSuchObjectLockConfiguration")


def named(method: str, key: str, query: Headers) -> str:
    if not key:
        words = {"uploads": "list_uploads", "versions": "list_versions", "versioning": "versioning"}
        asked = [word for name, word in words.items() if name in query]
        return {"HEAD": "head_bucket", "POST": "delete_objects"}.get(method) or asked[0]
    if "uploads" in query:
        return "create_upload"
    if "uploadId" in query:
        words = {"PUT": "upload_part", "POST": "complete_upload", "DELETE": "abort_upload", "GET": "list_parts"}
        return words[method]
    if {"legal-hold", "retention"} & set(query):
        return "object_fact"
    return {"PUT": "put_object", "GET": "get_object", "HEAD": "head_object", "DELETE": "delete_object"}[method]


def xml(root: str, inside: str) -> Answer:
    return Answer(200, f"<{root}>{inside}</{root}>".encode(), {"Content-Type": "application/xml"})


@contextmanager
def running(stub: Stub) -> Iterator[Stub]:
    """The stub behind a port of this machine."""

    class Wire(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer, fault = stub.answer(self.command, self.path, dict(self.headers), body)
            stub.stopping.wait(fault.stall)
            if fault.cut == -1:
                self.close_connection = True
                return
            self.send_response(answer.status)
            if "Content-Length" not in answer.headers and answer.status != 204:
                self.send_header("Content-Length", str(len(answer.body)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.send_body(answer.body, fault)

        def send_body(self, body: bytes, fault: Fault) -> None:
            if fault.cut is not None:
                body = body[: fault.cut]
                self.close_connection = True
            if not fault.drip:
                self.wfile.write(body)
                return
            try:
                for at in range(0, len(body), 1024):
                    if stub.stopping.wait(fault.drip):
                        return
                    self.wfile.write(body[at : at + 1024])
            except OSError:
                self.close_connection = True  # nobody listens any more

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815 (the library's names)

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Wire) as server:
        server.daemon_threads = True
        stub.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield stub
        finally:
            stub.stopping.set()
            server.shutdown()
            thread.join()


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that comes, or fail."""
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never came")
