"""The IETF draft on resumable uploads, on the addresses that tus has too."""

from __future__ import annotations

import base64
import hashlib

import pytest

from tests.journeys.service import Answer, Service

PARTIAL = {"Content-Type": "application/partial-upload"}
NAMED = {"Content-Disposition": "inline; filename*=UTF-8''n%C3%A4.txt"}
TYPES = "https://iana.org/assignments/http-problem-types#"


@pytest.fixture(scope="module")
def link(service: Service) -> str:
    service.put_ticket("R-1")
    return service.upload_link("R-1", max_files=10_000)


def create(service: Service, link: str, body: bytes, complete: str, **headers: str) -> Answer:
    sent = NAMED | {"Upload-Complete": complete}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return service.anyone.post(f"{link}/files", body=body, headers=sent)


def append(service: Service, upload: str, body: bytes, offset: int, complete: str, **headers: str) -> Answer:
    sent = PARTIAL | {"Upload-Offset": str(offset), "Upload-Complete": complete}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return service.anyone("PATCH", upload, body=body, headers=sent)


def head(service: Service, upload: str) -> Answer:
    return service.anyone("HEAD", upload)


def test_a_whole_file_in_one_request_is_answered_as_a_plain_put(service, link):
    answer = create(service, link, b"hello", "?1")
    assert answer.status == 201
    assert answer.headers["Upload-Complete"] == "?1"
    assert "Tus-Resumable" not in answer.headers
    row = answer.json()
    assert (row["name"], row["size"], row["state"]) == ("nä.txt", 5, "available")
    assert row["sha256"] == hashlib.sha256(b"hello").hexdigest()
    assert service.anyone.get(row["receipt_url"]).status == 200


def test_a_file_in_pieces(service, link):
    made = create(service, link, b"", "?0", Upload_Length="10")
    assert (made.status, made.headers["Upload-Complete"], made.headers["Upload-Offset"]) == (201, "?0", "0")
    upload = made.headers["Location"]
    assert upload.startswith(f"{link}/files/")
    assert "max-size=" in made.headers["Upload-Limit"]
    assert "max-age=" in made.headers["Upload-Limit"]
    first = append(service, upload, b"0123", 0, "?0")
    assert (first.status, first.headers["Upload-Complete"], first.headers["Upload-Offset"]) == (204, "?0", "4")
    told = head(service, upload)
    assert told.status == 204
    assert told.headers["Cache-Control"] == "no-store"
    assert (told.headers["Upload-Offset"], told.headers["Upload-Length"]) == ("4", "10")
    assert told.headers["Upload-Complete"] == "?0"
    last = append(service, upload, b"456789", 4, "?1")
    assert (last.status, last.headers["Upload-Complete"]) == (201, "?1")
    assert last.json()["sha256"] == hashlib.sha256(b"0123456789").hexdigest()
    assert head(service, upload).headers["Upload-Complete"] == "?1"
    again = append(service, upload, b"", 10, "?1")
    assert (again.status, again.json()["id"]) == (201, last.json()["id"])


def test_the_length_may_be_known_only_at_the_end(service, link):
    upload = create(service, link, b"01", "?0").headers["Location"]
    assert "Upload-Length" not in head(service, upload).headers
    assert append(service, upload, b"23", 2, "?0").headers["Upload-Offset"] == "4"
    last = append(service, upload, b"", 4, "?1")
    assert (last.status, last.json()["size"]) == (201, 4)


def test_another_offset_is_told_the_right_one(service, link):
    upload = create(service, link, b"0123", "?0").headers["Location"]
    answer = append(service, upload, b"9", 9, "?0")
    assert answer.status == 409
    assert (answer.headers["Upload-Offset"], answer.headers["Upload-Complete"]) == ("4", "?0")
    body = answer.json()
    assert body["type"] == f"{TYPES}mismatching-upload-offset"
    assert (body["expected-offset"], body["provided-offset"]) == (4, 9)


def test_lengths_that_do_not_agree_are_refused(service, link):
    for answer in (
        create(service, link, b"hello", "?1", Upload_Length="6"),
        create(service, link, b"hello", "?0", Upload_Length="4"),
    ):
        assert answer.status == 400
        assert answer.json()["type"] == f"{TYPES}inconsistent-upload-length"
    upload = create(service, link, b"01", "?0", Upload_Length="10").headers["Location"]
    for answer in (
        append(service, upload, b"2", 2, "?1"),
        append(service, upload, b"2", 2, "?0", Upload_Length="9"),
        append(service, upload, b"2" * 9, 2, "?0"),
    ):
        assert answer.status == 400
        assert answer.json()["type"] == f"{TYPES}inconsistent-upload-length"
    assert head(service, upload).headers["Upload-Offset"] == "2"


def test_an_append_needs_its_fields_and_its_type(service, link):
    upload = create(service, link, b"01", "?0").headers["Location"]
    for headers in (PARTIAL, PARTIAL | {"Upload-Complete": "?0"}, PARTIAL | {"Upload-Complete": "1"}):
        assert service.anyone("PATCH", upload, body=b"x", headers=headers).status == 400
    assert append(service, upload, b"x", 2, "?0", Content_Type="text/plain").status == 415
    assert (
        append(service, upload, b"x", 2, "?0", Content_Type="text/plain", Upload_Draft_Interop_Version="5").status
        == 204
    )


def test_digests_are_held_to(service, link):
    right = "sha-256=:" + base64.b64encode(hashlib.sha256(b"hello").digest()).decode() + ":"
    upload = create(service, link, b"", "?0", Repr_Digest=right).headers["Location"]
    assert append(service, upload, b"jello", 0, "?0", Content_Digest=right).status == 460
    assert head(service, upload).headers["Upload-Offset"] == "0"
    last = append(service, upload, b"hello", 0, "?1", Content_Digest=right, Want_Repr_Digest="sha-256=1")
    assert (last.status, last.headers["Repr-Digest"]) == (201, right)
    wrong = create(service, link, b"jello", "?1", Repr_Digest=right)
    assert (wrong.status, wrong.problem) == (460, "checksum-mismatch")


def test_an_upload_is_cancelled(service, link):
    upload = create(service, link, b"01", "?0").headers["Location"]
    assert service.anyone.delete(upload).status == 204
    assert head(service, upload).status in {404, 410}


def test_a_piece_is_not_taken_for_a_file_where_files_are_put(service, link):
    answer = service.anyone.put(f"{link}/put/a.txt", body=b"hel", headers={"Upload-Complete": "?0"})
    assert (answer.status, answer.problem, answer.json()["field"]) == (400, "bad-request", "Upload-Complete")
    assert service.anyone.put(f"{link}/put/a.txt", body=b"hello", headers={"Upload-Complete": "?1"}).status == 201


def test_limits_are_offered(service, link):
    assert "max-size=" in service.anyone("OPTIONS", f"{link}/files").headers["Upload-Limit"]
    largest = int(service.anyone("OPTIONS", f"{link}/files").headers["Tus-Max-Size"])
    answer = create(service, link, b"", "?0", Upload_Length=str(largest + 1))
    assert (answer.status, answer.problem) == (413, "too-large")
    assert "max-size=" in answer.headers["Upload-Limit"]


def test_one_protocol_goes_on_with_what_the_other_began(service, link):
    upload = create(service, link, b"0123", "?0", Upload_Length="8").headers["Location"]
    tus = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream", "Upload-Offset": "4"}
    assert service.anyone("PATCH", upload, body=b"45", headers=tus).status == 204
    assert append(service, upload, b"67", 6, "?1").json()["size"] == 8


def interim(service: Service, link: str, *more: str) -> bytes:
    lines = (
        f"POST {service.path(link)}/files HTTP/1.1",
        f"Host: {service.url.removeprefix('http://')}",
        "Upload-Complete: ?1",
        "Content-Length: 5",
        "Connection: close",
        *more,
    )
    with service.wire() as wire:
        wire.sendall(("\r\n".join(lines) + "\r\n\r\n").encode() + b"hello")
        said = b""
        while piece := wire.recv(65_536):
            said += piece
    return said


@pytest.mark.parametrize("version", [8, 7, 6, 5])
def test_a_client_of_a_spoken_version_is_told_early_where_it_can_go_on(service, link, version):
    said = interim(service, link, f"Upload-Draft-Interop-Version: {version}")
    first, _, rest = said.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 104 Upload Resumption Supported\r\n")
    assert f"Upload-Draft-Interop-Version: {version}".encode() in first
    assert f"Location: {link}/files/".encode() in first
    assert b"Upload-Limit: " in first
    assert rest.startswith(b"HTTP/1.1 201 ")


@pytest.mark.parametrize("more", [(), ("Upload-Draft-Interop-Version: 9",), ("Upload-Draft-Interop-Version: ?1",)])
def test_no_other_client_is(service, link, more):
    assert interim(service, link, *more).startswith(b"HTTP/1.1 201 ")
