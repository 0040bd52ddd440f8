"""Evidence comes behind its event, is kept beside the log, and is given out as it came."""

from __future__ import annotations

import hashlib
import json

import pytest

from deploytrail import attachment_line
from deploytrail.event import EventId
from deploytrail.trail import Attachment
from tests.app.places import Place
from tests.events import body, new_id
from tests.web.served import Answer, Served

OUTPUT = b"Apply complete! Resources: 1 added.\n" * 99


def behind(id: EventId, data: bytes = OUTPUT) -> bytes:
    return attachment_line.encode(id, Attachment(type="output", data=data))


def sent(server: Served, *lines: bytes, **options: str) -> Answer:
    return server.record(b"\n".join(lines), content_type="application/x-ndjson", **options)


def test_it_is_read_back_as_it_came(server: Served, there: Place) -> None:
    first, second = new_id(), new_id()
    plan = attachment_line.encode(second, Attachment(type="plan", data=b"\x00\xff"))
    answer = sent(server, body(id=first), body(id=second), behind(second), plan, body())
    assert [one["receipt"]["index"] for one in answer.json()["items"]] == [0, 1, 2]
    shown = server.get(f"/v1/events/{second}").json()["event"]
    kept = [(one["type"], one["size"]) for one in shown["evidence"]]
    assert kept == [("output", len(OUTPUT)), ("plan", 2)]
    paths = [f"/v1/events/{second}/evidence/{one['id']}" for one in shown["evidence"]]
    found = [server.get(path, token="viewer") for path in paths]
    assert [one.body for one in found] == [OUTPUT, b"\x00\xff"]
    assert found[0].headers["content-type"] == "application/octet-stream"
    assert found[0].headers["content-disposition"] == "attachment"
    assert found[0].headers["cache-control"] == "no-store"
    assert server.get(paths[0].replace(str(second), "1")).body == OUTPUT
    with there.opened() as trail:
        assert trail.attachment(second, shown["evidence"][0]["id"]) == OUTPUT
        trail.publish()
    assert there.verified().exit_code == 0


def test_the_same_again_is_the_first_receipt_and_no_second_attachment(server: Served) -> None:
    id = new_id()
    event = body(id=id)
    first, again = (sent(server, event, behind(id)).json() for _ in range(2))
    assert first == again
    assert len(server.get(f"/v1/events/{id}").json()["event"]["evidence"]) == 1


def test_the_entry_names_it_by_a_digest_that_cannot_be_guessed(server: Served) -> None:
    id = new_id()
    sent(server, body(id=id), behind(id))
    (named,) = server.get(f"/v1/events/{id}").json()["event"]["evidence"]
    assert named["digest"] != "sha256:" + hashlib.sha256(OUTPUT).hexdigest()


def test_what_is_not_there_is_absent(server: Served) -> None:
    id, other = new_id(), new_id()
    sent(server, body(id=id), behind(id), body(id=other))
    (named,) = server.get(f"/v1/events/{id}").json()["event"]["evidence"]
    for path in (
        f"/v1/events/{id}/evidence/AAAAAAAAAAAAAAAAAAAAAA",
        f"/v1/events/{other}/evidence/{named['id']}",
        f"/v1/events/{new_id()}/evidence/{named['id']}",
        f"/v1/events/99/evidence/{named['id']}",
    ):
        answer = server.get(path)
        assert answer.status == 404, path
        assert "expected" in answer.detail


ID = new_id()
REFUSED = {
    "it belongs to another event": (behind(new_id()), f"attachment_of: expected {ID}"),
    "it is no base64": (
        json.dumps({"attachment_of": ID, "type": "output", "data": "%"}).encode(),
        "attachment: expected base64",
    ),
    "its type is none": (
        json.dumps({"attachment_of": ID, "type": "song", "data": ""}).encode(),
        "Invalid enum value",
    ),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_an_event_is_refused_with_its_evidence_where(server: Served, reason: str) -> None:
    line, why = REFUSED[reason]
    answer = sent(server, body(id=ID), line, body())
    refused, recorded = answer.json()["items"]
    assert (refused["problem"]["status"], why in refused["problem"]["detail"]) == (400, True)
    assert recorded["receipt"]["index"] == 0


def test_an_attachment_before_all_events_is_refused(server: Served) -> None:
    answer = sent(server, behind(ID), body(id=ID))
    assert (answer.status, "send the event first" in answer.detail) == (400, True)
