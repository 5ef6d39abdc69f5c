"""tus 1.0.0 as its text has it, and every place where servers are known to go wrong."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import time
import zlib
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from tests.journeys.service import Answer, Form, Service

TUS = {"Tus-Resumable": "1.0.0"}
OCTETS = "application/offset+octet-stream"
CONTENT = {"Content-Type": OCTETS}
FILE = "filename YS50eHQ="
KIB, MIB = 1 << 10, 1 << 20


@pytest.fixture(scope="module")
def link(service: Service) -> str:
    service.put_ticket("R-1")
    return service.upload_link("R-1", max_files=10_000)


def create(service: Service, link: str, length: int | None = 10, body: bytes | None = None, **headers: Any) -> Answer:
    sent = TUS | ({"Upload-Length": str(length)} if length is not None else {})
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return service.anyone.post(f"{link}/files", body=body, headers=sent)


def begun(service: Service, link: str, length: int | None = 10, **headers: Any) -> str:
    answer = create(service, link, length, Upload_Metadata=FILE, **headers)
    assert answer.status == 201, answer.body
    return str(answer.headers["Location"])


def patch(service: Service, upload: str, body: bytes, offset: object, **headers: Any) -> Answer:
    sent = TUS | CONTENT | {"Upload-Offset": str(offset)}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return service.anyone("PATCH", upload, body=body, headers=sent)


def head(service: Service, upload: str) -> Answer:
    return service.anyone("HEAD", upload, headers=TUS)


def at(service: Service, upload: str) -> int:
    answer = head(service, upload)
    assert answer.status == 200
    return int(answer.headers["Upload-Offset"])


def refused(answer: Answer, status: int, problem: str) -> None:
    assert (answer.status, answer.problem) == (status, problem), answer.body
    assert answer.headers["Tus-Resumable"] == "1.0.0"


def newest(service: Service) -> dict:
    rows = service.as_("agent").get("/api/v1/tickets/R-1/attachments").json()["attachments"]
    return max(rows, key=lambda row: row["id"])


# -- the whole way -----------------------------------------------------------------------------------------------------
def test_a_file_in_three_pieces_becomes_one_attachment(service, link):
    made = create(service, link, 10, Upload_Metadata=FILE)
    upload = made.headers["Location"]
    assert made.status == 201
    assert re.fullmatch(re.escape(link) + r"/files/[\w-]{44}", upload), "absolute, from the configured base"
    assert parsedate_to_datetime(made.headers["Upload-Expires"]).timestamp() > time.time() + 23 * 3600
    first = patch(service, upload, b"0123", 0)
    assert (first.status, first.headers["Upload-Offset"], first.body) == (204, "4", b"")
    assert "Upload-Expires" in first.headers
    assert patch(service, upload, b"456", 4).headers["Upload-Offset"] == "7"
    last = patch(service, upload, b"789", 7)
    assert (last.status, last.headers["Upload-Offset"]) == (204, "10")
    assert "Upload-Expires" not in last.headers, "what is complete does not expire"
    row = newest(service)
    assert (row["name"], row["size"], row["sha256"]) == ("a.txt", 10, hashlib.sha256(b"0123456789").hexdigest())
    done = head(service, upload)
    assert (done.headers["Upload-Offset"], done.headers["Upload-Length"]) == ("10", "10")


def test_the_receipt_of_a_sitting_is_told_once_and_holds_all_of_it(service, link):
    first = create(service, link, 0, Upload_Metadata="filename YS50eHQ=")
    receipt = first.headers["Bilaga-Receipt"]
    coded = base64.b64encode(receipt.encode()).decode()
    second = create(service, link, 0, Upload_Metadata=f"filename Yi50eHQ=,receipt {coded}")
    assert second.status == 201
    assert "Bilaga-Receipt" not in second.headers
    names = {one["name"] for one in service.anyone.get(receipt).json()["attachments"]}
    assert names == {"a.txt", "b.txt"}
    other = base64.b64encode(b"rnonsense").decode()
    refused(create(service, link, 0, Upload_Metadata=f"receipt {other}"), 400, "bad-request")


def test_creation_with_upload_brings_it_at_once(service, link):
    answer = create(service, link, 5, b"hello", Upload_Metadata=FILE, Content_Type=OCTETS)
    assert (answer.status, answer.headers["Upload-Offset"]) == (201, "5")
    part = create(service, link, 5, b"he", Upload_Metadata=FILE, Content_Type=OCTETS)
    assert part.headers["Upload-Offset"] == "2"
    assert patch(service, part.headers["Location"], b"llo", 2).headers["Upload-Offset"] == "5"


def test_a_body_of_another_type_is_no_body(service, link):
    answer = create(service, link, 5, b"", Content_Type="application/octet-stream")
    assert answer.status == 201
    assert at(service, answer.headers["Location"]) == 0


def test_a_length_of_zero_is_complete_at_once(service, link):
    upload = begun(service, link, 0)
    assert at(service, upload) == 0
    assert newest(service)["size"] == 0


def test_a_creation_without_metadata_and_with_empty_metadata(service, link):
    assert create(service, link, 1).status == 201
    answer = create(service, link, 1, Upload_Metadata="")
    assert answer.status == 201
    assert "Upload-Metadata" not in head(service, answer.headers["Location"]).headers


def test_the_metadata_comes_back_as_it_was_sent(service, link):
    raw = "Filename w7YudHh0,flag,x AAH/"
    upload = create(service, link, 1, Upload_Metadata=raw).headers["Location"]
    assert head(service, upload).headers["Upload-Metadata"] == raw


def test_a_completed_upload_says_so_though_its_file_used_the_link_up_until_the_link_is_revoked(service):
    service.put_ticket("R-4")
    link = service.upload_link("R-4", max_files=1)
    upload = begun(service, link, 3)
    assert patch(service, upload, b"hej", 0).status == 204
    assert service.browser.get(link).status == 410, "it takes nothing more"
    told = head(service, upload)
    assert (told.status, told.headers["Upload-Offset"], told.headers["Upload-Length"]) == (200, "3", "3")
    draft = service.anyone.get(upload)
    assert (draft.status, draft.headers["Upload-Offset"], draft.headers["Upload-Complete"]) == (204, "3", "?1")
    assert patch(service, upload, b"", 3).headers["Upload-Offset"] == "3", "the last answer, once more"
    (listed,) = service.as_("agent").get("/api/v1/tickets/R-4/links").json()["links"]
    service.as_("agent").delete(f"/api/v1/links/{listed['id']}")
    assert head(service, upload).status == 410


# -- offers ------------------------------------------------------------------------------------------------------------
def test_options_say_what_works(service, link):
    for path in (f"{link}/files", f"{link}/files/x"):
        answer = service.anyone("OPTIONS", path)
        assert answer.status == 204
        assert answer.headers["Tus-Version"] == "1.0.0"
        assert answer.headers["Tus-Extension"].split(",") == [
            "creation",
            "creation-with-upload",
            "creation-defer-length",
            "expiration",
            "checksum",
            "termination",
            "concatenation",
        ]
        assert answer.headers["Tus-Checksum-Algorithm"] == "sha1,sha256,sha512,crc32"
        assert int(answer.headers["Tus-Max-Size"]) > 0
        assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("version", [None, "0.2.2", "1.0", "1.0.0, 1.0.0", ""])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_another_version_is_refused_before_anything_else(service, link, version, method):
    headers = {} if version is None else {"Tus-Resumable": version}
    address = f"{link}/files" if method == "POST" else begun(service, link)
    answer = service.anyone(method, address, body=b"x", headers=headers | {"Upload-Length": "?", "Upload-Offset": "?"})
    refused(answer, 412, "precondition")
    assert answer.headers["Tus-Version"] == "1.0.0"


def test_errors_name_the_version_and_an_error_to_head_names_no_offset(service, link):
    for address in (f"{link}/files/fNOTHING", f"{link[:-4]}AAAA/files/x"):
        answer = head(service, address)
        assert answer.status == 404
        assert answer.headers["Tus-Resumable"] == "1.0.0"
        assert "Upload-Offset" not in answer.headers
    refused(patch(service, f"{link}/files/fNOTHING", b"x", 0), 404, "not-found")
    refused(service.anyone("PUT", f"{link}/files", headers=TUS), 405, "method")


# -- wrong creations ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Upload-Length": "5", "Upload-Defer-Length": "1"},
        {"Upload-Defer-Length": "0"},
        {"Upload-Length": "-1"},
        {"Upload-Length": "+5"},
        {"Upload-Length": "5.0"},
        {"Upload-Length": "1_000"},
        {"Upload-Length": "99999999999999999999"},
        {"Upload-Length": "5", "Upload-Metadata": "filename !!"},
        {"Upload-Length": "5", "Upload-Metadata": "filename AA=="},
        {"Upload-Length": "5", "Upload-Concat": "something"},
        {"Upload-Length": "5", "Upload-Checksum": "md5 AAAA"},
        {"Upload-Length": "5", "Upload-Concat": "final;/u/x/files/y"},
    ],
)
def test_a_malformed_creation_is_refused(service, link, headers):
    refused(service.anyone.post(f"{link}/files", headers=TUS | headers), 400, "bad-request")


def test_more_than_is_taken_is_refused_before_a_byte(service, link):
    largest = int(service.anyone("OPTIONS", f"{link}/files").headers["Tus-Max-Size"])
    answer = create(service, link, largest + 1)
    refused(answer, 413, "too-large")
    assert answer.headers["Upload-Limit"].startswith(f"max-size={largest}")


def test_a_refused_type_is_refused_at_its_creation(service, link):
    name = base64.b64encode(b"virus.exe").decode()
    refused(create(service, link, 5, Upload_Metadata=f"filename {name}"), 415, "media-type")


def test_an_idempotency_key_makes_one_upload_of_two_requests(service, link):
    one = create(service, link, 5, Idempotency_Key="k1", Upload_Metadata=FILE)
    two = create(service, link, 5, Idempotency_Key="k1", Upload_Metadata=FILE)
    assert (one.status, two.status) == (201, 201)
    assert one.headers["Location"] == two.headers["Location"]
    refused(create(service, link, 6, Idempotency_Key="k1", Upload_Metadata=FILE), 422, "idempotency-conflict")


# -- wrong appends -----------------------------------------------------------------------------------------------------
def test_another_offset_is_a_conflict_that_changes_nothing(service, link):
    upload = begun(service, link)
    patch(service, upload, b"0123", 0)
    for offset in (0, 3, 5, 10, 11):
        answer = patch(service, upload, b"4", offset)
        refused(answer, 409, "offset-conflict")
        assert answer.headers["Upload-Offset"] == "4"
    assert at(service, upload) == 4
    assert patch(service, upload, b"456789", 4).status == 204, "what HEAD says is taken"


@pytest.mark.parametrize("offset", ["", "-1", "+0", "0.0", " ", "x", "٠".encode().decode("latin-1")])
def test_an_offset_that_is_no_number_is_refused(service, link, offset):
    refused(patch(service, begun(service, link), b"0", offset), 400, "bad-request")


def test_the_wrong_type_is_refused(service, link):
    upload = begun(service, link)
    refused(patch(service, upload, b"0", 0, Content_Type="application/octet-stream"), 415, "media-type")
    refused(patch(service, upload, b"0", 0, Content_Encoding="gzip"), 415, "media-type")
    assert at(service, upload) == 0


def test_more_than_the_length_is_refused_and_none_of_it_kept_past_it(service, link):
    upload = begun(service, link, 4)
    refused(patch(service, upload, b"01234", 0), 413, "too-large")
    assert at(service, upload) == 0
    chunked = service.anyone(
        "PATCH", upload, body=iter([b"012", b"345"]), headers=TUS | CONTENT | {"Upload-Offset": "0"}
    )
    refused(chunked, 413, "too-large")
    assert at(service, upload) <= 4


def test_nothing_is_no_progress(service, link):
    upload = begun(service, link)
    refused(patch(service, upload, b"", 0), 400, "bad-request")
    assert patch(service, upload, b"0123456789", 0).status == 204
    again = patch(service, upload, b"", 10)
    assert (again.status, again.headers["Upload-Offset"]) == (204, "10")


def test_an_upload_is_useless_with_another_link(service, link):
    token = begun(service, link).rpartition("/")[2]
    service.put_ticket("R-2")
    for other in (service.upload_link("R-1"), service.upload_link("R-2")):
        answer = head(service, f"{other}/files/{token}")
        assert answer.status == 404
        assert "Upload-Offset" not in answer.headers
        refused(patch(service, f"{other}/files/{token}", b"x", 0), 404, "not-found")


def test_a_file_named_like_an_upload_is_a_file(service, link):
    upload = begun(service, link)
    token = upload.rpartition("/")[2]
    assert service.anyone.put(f"{link}/put/{token}", body=b"other").status == 201
    assert at(service, upload) == 0


# -- lengths that come later -------------------------------------------------------------------------------------------
def test_a_deferred_length_comes_with_any_append(service, link):
    upload = begun(service, link, None, Upload_Defer_Length="1")
    told = head(service, upload)
    assert told.headers["Upload-Defer-Length"] == "1"
    assert "Upload-Length" not in told.headers
    assert patch(service, upload, b"0123", 0).headers["Upload-Offset"] == "4"
    refused(patch(service, upload, b"", 4, Upload_Length="3"), 400, "bad-request")
    assert patch(service, upload, b"45", 4, Upload_Length="10").headers["Upload-Offset"] == "6"
    told = head(service, upload)
    assert "Upload-Defer-Length" not in told.headers
    assert told.headers["Upload-Length"] == "10"
    refused(patch(service, upload, b"6", 6, Upload_Length="11"), 400, "bad-request")
    assert patch(service, upload, b"6789", 6).headers["Upload-Offset"] == "10"


def test_an_empty_append_that_declares_the_length_ends_it(service, link):
    upload = begun(service, link, None, Upload_Defer_Length="1")
    patch(service, upload, b"0123", 0)
    last = patch(service, upload, b"", 4, Upload_Length="4")
    assert (last.status, last.headers["Upload-Offset"]) == (204, "4")
    assert newest(service)["size"] == 4


# -- checksums ---------------------------------------------------------------------------------------------------------
def digest(algorithm: str, content: bytes) -> str:
    raw = zlib.crc32(content).to_bytes(4, "big") if algorithm == "crc32" else hashlib.new(algorithm, content).digest()
    return f"{algorithm} {base64.b64encode(raw).decode()}"


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512", "crc32"])
def test_what_matches_is_taken_and_what_does_not_leaves_the_offset_as_it_was(service, link, algorithm):
    upload = begun(service, link)
    assert patch(service, upload, b"0123", 0, Upload_Checksum=digest(algorithm, b"0123")).status == 204
    wrong = patch(service, upload, b"4567", 4, Upload_Checksum=digest(algorithm, b"0123"))
    refused(wrong, 460, "checksum-mismatch")
    assert at(service, upload) == 4
    assert patch(service, upload, b"456789", 4, Upload_Checksum=digest(algorithm, b"456789")).status == 204


def test_the_status_of_a_mismatch_has_a_phrase(service, link):
    upload = begun(service, link)
    connection = service.connect()
    sent = TUS | CONTENT | {"Upload-Offset": "0", "Upload-Checksum": digest("sha1", b"x")}
    connection.request("PATCH", service.path(upload), b"0", sent)
    assert connection.getresponse().reason == "Checksum Mismatch"
    connection.close()


def test_unknown_and_malformed_checksums_are_refused(service, link):
    upload = begun(service, link)
    for text in ("md5 AAAA", "sha1 AAAA", "sha1", "crc32 !!!!"):
        refused(patch(service, upload, b"0", 0, Upload_Checksum=text), 400, "bad-request")
    assert at(service, upload) == 0


def test_content_digest_is_held_to_as_well_and_beside_the_checksum(service, link):
    upload = begun(service, link)
    wrong = "sha-256=:" + base64.b64encode(hashlib.sha256(b"x").digest()).decode() + ":"
    refused(patch(service, upload, b"0", 0, Content_Digest=wrong), 460, "checksum-mismatch")
    both = {"Content_Digest": wrong, "Upload_Checksum": digest("sha1", b"0")}
    refused(patch(service, upload, b"0", 0, **both), 460, "checksum-mismatch")
    assert at(service, upload) == 0


def test_a_creation_whose_body_does_not_match_leaves_nothing(service):
    service.put_ticket("R-3")
    link = service.upload_link("R-3", max_files=1)
    answer = create(service, link, 5, b"hello", Upload_Checksum=digest("sha1", b"x"), Content_Type=OCTETS)
    refused(answer, 460, "checksum-mismatch")
    assert create(service, link, 5, b"hello", Content_Type=OCTETS).status == 201, "the one place is free again"


# -- cut ---------------------------------------------------------------------------------------------------------------
def started(service: Service, upload: str, size: int, *more: str) -> socket.socket:
    wire = service.wire()
    host = service.url.removeprefix("http://")
    lines = (
        f"PATCH {service.path(upload)} HTTP/1.1",
        f"Host: {host}",
        "Tus-Resumable: 1.0.0",
        "Content-Type: application/offset+octet-stream",
        "Upload-Offset: 0",
        f"Content-Length: {size}",
        *more,
    )
    wire.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    return wire


def settled(service: Service, upload: str, most: int) -> int:
    """The offset once the cut was noticed."""
    until = time.monotonic() + 20
    while (offset := at(service, upload)) == 0 and most and time.monotonic() < until:
        time.sleep(0.05)
    return offset


@pytest.mark.parametrize("size, sent", [(10, 4), (200 * KIB, 70 * KIB), (4 * MIB, 300 * KIB), (4 * MIB, 2 * MIB + 7)])
def test_what_came_before_a_cut_is_kept(service, link, size, sent):
    upload = begun(service, link, size)
    content = bytes(range(256)) * (size // 256 + 1)
    with started(service, upload, size) as wire:
        wire.sendall(content[:sent])
        time.sleep(0.3)
    offset = settled(service, upload, sent)
    assert offset == sent
    assert patch(service, upload, content[offset:size], offset).headers["Upload-Offset"] == str(size)
    assert newest(service)["sha256"] == hashlib.sha256(content[:size]).hexdigest()


def test_of_an_announced_checksum_nothing_is_kept_when_it_is_cut(service, link):
    upload = begun(service, link, 4 * MIB)
    with started(service, upload, 4 * MIB, "Upload-Checksum: " + digest("sha1", b"x")) as wire:
        wire.sendall(bytes(2 * MIB))
        time.sleep(0.3)
    time.sleep(0.3)
    assert at(service, upload) == 0


@pytest.mark.parametrize("size, sent", [(4 * MIB, MIB + 5), (200 * KIB, 70 * KIB)])
def test_a_newer_request_takes_the_upload_over(service, link, size, sent):
    upload = begun(service, link, size)
    with started(service, upload, size) as old:
        old.sendall(bytes(sent))
        time.sleep(0.3)
        offset = at(service, upload)
        assert offset == sent
        assert patch(service, upload, bytes(size - offset), offset).status == 204
        said = old.recv(4096)
        assert said == b"" or said.startswith(b"HTTP/1.1 423 "), said


def test_an_expectation_is_answered_only_when_nothing_speaks_against_it(service, link):
    upload = begun(service, link, 10)
    with started(service, upload, 10, "Expect: 100-continue") as wire:
        assert wire.recv(100).startswith(b"HTTP/1.1 100 ")
        wire.sendall(b"0123456789")
        assert wire.recv(4096).startswith(b"HTTP/1.1 204 ")
    with started(service, upload, 10, "Expect: 100-continue") as wire:
        assert wire.recv(4096).startswith(b"HTTP/1.1 409 ")


# -- the end of it -----------------------------------------------------------------------------------------------------
def test_an_upload_that_is_terminated_is_gone(service, link):
    upload = begun(service, link)
    patch(service, upload, b"01", 0)
    gone = service.anyone.delete(upload, headers=TUS)
    assert (gone.status, gone.headers["Tus-Resumable"]) == (204, "1.0.0")
    assert head(service, upload).status in {404, 410}
    assert patch(service, upload, b"2", 2).status in {404, 410}
    assert service.anyone.delete(upload, headers=TUS).status in {404, 410}


def test_a_revoked_link_ends_what_came_by_it(service):
    service.put_ticket("R-4")
    made = service.as_("agent").post("/api/v1/tickets/R-4/upload-links", json_body={})
    link = made.json()["url"]
    upload = begun(service, link)
    patch(service, upload, b"01", 0)
    assert service.as_("agent").delete(f"/api/v1/links/{made.json()['id']}").status in {200, 204}
    for answer in (head(service, upload), patch(service, upload, b"2", 2), create(service, link)):
        assert answer.status == 410
        assert "Upload-Offset" not in answer.headers


def test_what_is_taken_back_on_the_way_leaves_its_receipt_and_its_place(service):
    service.put_ticket("R-6")
    link = service.upload_link("R-6", max_files=2)
    made = create(service, link, 0, Upload_Metadata=FILE)
    receipt = made.headers["Bilaga-Receipt"]
    coded = base64.b64encode(receipt.encode()).decode()
    other = create(service, link, 10, Upload_Metadata=f"filename Yi50eHQ=,receipt {coded}")
    upload = other.headers["Location"]
    assert patch(service, upload, b"0123", 0).status == 204
    (coming,) = [one for one in service.anyone.get(receipt).json()["attachments"] if one["state"] == "receiving"]
    answer = service.anyone.post(f"{receipt}/withdraw", json_body={"attachment": coming["id"]})
    assert answer.status == 200, answer.body
    assert [one["name"] for one in answer.json()["attachments"]] == ["a.txt"]
    assert head(service, upload).status == 404
    assert create(service, link, 10, Upload_Metadata=FILE).status == 201, "its place is free again"


def test_a_passcode_is_needed_to_begin(service):
    service.put_ticket("R-5")
    link = service.upload_link("R-5", passcode="öppna dig")
    refused(create(service, link), 403, "passcode")
    answer = create(service, link, 2, Upload_Metadata=FILE, Bilaga_Passcode="öppna dig".encode().decode("latin-1"))
    assert answer.status == 201, answer.body
    assert patch(service, answer.headers["Location"], b"ab", 0).status == 204


# -- the method by another name ----------------------------------------------------------------------------------------
def test_a_post_to_an_upload_may_name_the_method(service, link):
    upload = begun(service, link)
    headers = TUS | CONTENT | {"Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    assert service.anyone.post(upload, body=b"0123", headers=headers).headers["Upload-Offset"] == "4"
    assert service.anyone.post(upload, headers=TUS | {"X-HTTP-Method-Override": "DELETE"}).status == 204
    refused(service.anyone.post(upload, headers=TUS), 405, "method")
    refused(service.anyone.post(upload, headers=TUS | {"X-HTTP-Method-Override": "PUT"}), 405, "method")


def test_elsewhere_it_means_nothing(service, link):
    form = Form.of(("a.txt", b"hej"))
    answer = service.anyone.post(link, form=form, headers={"X-HTTP-Method-Override": "DELETE"})
    assert answer.status == 201
    assert service.anyone("PATCH", begun(service, link), headers={"X-HTTP-Method-Override": "DELETE"}).status == 412


# -- concatenation -----------------------------------------------------------------------------------------------------
def part(service: Service, link: str, content: bytes) -> str:
    upload = begun(service, link, len(content), Upload_Concat="partial")
    assert patch(service, upload, content, 0, Upload_Concat="partial").status == 204
    return upload


def test_partial_uploads_become_one_file(service, link):
    one, two = part(service, link, b"hello "), part(service, link, b"world")
    assert head(service, one).headers["Upload-Concat"] == "partial"
    field = f"final;{one} {two.removeprefix(service.url)}"
    answer = create(service, link, None, Upload_Concat=field, Upload_Metadata=FILE)
    assert answer.status == 201, answer.body
    final = answer.headers["Location"]
    told = head(service, final).headers
    assert (told["Upload-Concat"], told["Upload-Offset"], told["Upload-Length"]) == (field, "11", "11")
    row = newest(service)
    assert (row["name"], row["sha256"]) == ("a.txt", hashlib.sha256(b"hello world").hexdigest())
    refused(patch(service, final, b"!", 11), 403, "forbidden")


def test_a_long_list_of_pieces_is_taken(service, link):
    pieces = [part(service, link, b"%d" % (number % 10)) for number in range(300)]
    answer = create(service, link, None, Upload_Concat="final;" + " ".join(pieces), Upload_Metadata=FILE)
    assert answer.status == 201, answer.body
    assert newest(service)["size"] == 300


def test_unfinished_foreign_and_whole_uploads_are_no_pieces(service, link):
    done, open_one = part(service, link, b"x"), begun(service, link, 5, Upload_Concat="partial")
    service.put_ticket("R-2")
    foreign = part(service, service.upload_link("R-2"), b"x")
    for other in (open_one, foreign, begun(service, link, 0), f"{link}/files/fUNKNOWN"):
        refused(create(service, link, None, Upload_Concat=f"final;{done} {other}"), 400, "bad-request")
    refused(create(service, link, 1, Upload_Concat=f"final;{done}"), 400, "bad-request")
