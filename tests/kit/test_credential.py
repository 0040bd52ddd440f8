"""Credentials: who is proven, by which of several secrets, and who is not."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import pytest

from deploytrail.errors import Misconfigured
from deploytrail.kit.credential import (
    AGE_SECONDS_MAX,
    SECRETS_MAX,
    Reason,
    Signature,
    Unproven,
    prove,
)
from deploytrail.kit.delivery import Delivery, fetched
from deploytrail.kit.schemes import SCHEMES
from tests.fakes import NOON
from tests.kit.senders import (
    BODY,
    PROVABLE,
    SHARED_SECRET,
    SIGNED,
    TIMED,
    changed,
    secret_of,
    sent,
)

SECURITY: Final = [(name, header) for name in PROVABLE for header, _ in sent(name).headers]
"""Every header that proves something, with its scheme."""


def refusal(name: str, delivery: Delivery, *secrets: str, later_seconds: float = 0) -> Unproven:
    """How it is refused; by the scheme's own secret where none is given."""
    now = NOON + timedelta(seconds=later_seconds)
    with pytest.raises(Unproven) as caught:
        prove(SCHEMES[name], delivery, secrets or [secret_of(name)], now=now)
    return caught.value


def reason(name: str, delivery: Delivery, *secrets: str, later_seconds: float = 0) -> Reason:
    return refusal(name, delivery, *secrets, later_seconds=later_seconds).reason


@pytest.mark.parametrize("name", PROVABLE)
def test_an_honest_sender_is_proven(name: str) -> None:
    proof = prove(SCHEMES[name], sent(name), [secret_of(name)], now=NOON)
    assert (proof.scheme, proof.secret) == (name, 0)
    assert (proof.method, proof.assurance) == (SCHEMES[name].method, SCHEMES[name].assurance)
    assert proof.signed == (NOON if name in TIMED else None)


@pytest.mark.parametrize("name", PROVABLE)
def test_while_secrets_change_either_proves_and_the_proof_says_which(name: str) -> None:
    new, old = secret_of(name, 1), secret_of(name)
    assert prove(SCHEMES[name], sent(name, old), [new, old], now=NOON).secret == 1
    assert prove(SCHEMES[name], sent(name, new), [new, old], now=NOON).secret == 0
    assert prove(SCHEMES[name], sent(name, old), [old, old], now=NOON).secret == 0
    most = [secret_of(name, number) for number in range(SECRETS_MAX)]
    assert prove(SCHEMES[name], sent(name, most[-1]), most, now=NOON).secret == SECRETS_MAX - 1


@pytest.mark.parametrize("name", PROVABLE)
def test_a_sender_with_another_secret_is_refused(name: str) -> None:
    assert reason(name, sent(name, secret_of(name, 2))) == "mismatch"
    assert reason(name, sent(name, secret_of(name, 2)), secret_of(name), secret_of(name, 1)) == (
        "mismatch"
    )


@pytest.mark.parametrize("name", PROVABLE)
def test_a_connection_without_a_secret_takes_nothing(name: str) -> None:
    with pytest.raises(Unproven) as caught:
        prove(SCHEMES[name], sent(name), [], now=NOON)
    assert caught.value.reason == "no-secret"


@pytest.mark.parametrize("name", PROVABLE)
def test_an_empty_secret_is_our_fault_and_never_opens(name: str) -> None:
    for secrets in ([""], [secret_of(name), ""], [" "], ["\ud800"]):
        with pytest.raises(Misconfigured):
            prove(SCHEMES[name], sent(name), secrets, now=NOON)


def test_more_secrets_than_a_change_needs_are_refused() -> None:
    with pytest.raises(Misconfigured, match=f"at most {SECRETS_MAX}"):
        prove(SCHEMES["github"], sent("github"), [secret_of("github")] * 5, now=NOON)


@pytest.mark.parametrize("name", PROVABLE)
def test_without_headers_nobody_is_proven(name: str) -> None:
    assert reason(name, fetched(BODY, NOON)) == "missing"


@pytest.mark.parametrize(("name", "header"), SECURITY)
def test_a_missing_header_is_named(name: str, header: str) -> None:
    for delivery in (changed(sent(name), header), changed(sent(name), header, "")):
        error = refusal(name, delivery)
        assert error.reason == "missing"
        assert str(error).lower().startswith(f"{header}: expected ")
        assert SCHEMES[name].page in str(error)


@pytest.mark.parametrize(("name", "header"), SECURITY)
def test_a_header_that_came_twice_is_refused_even_if_both_are_right(name: str, header: str) -> None:
    right = sent(name).header(header)
    assert right is not None
    assert reason(name, changed(sent(name), header, right, right)) == "twice"
    assert reason(name, changed(sent(name), header, "x", right)) == "twice"


@pytest.mark.parametrize("name", SIGNED)
def test_every_flipped_byte_of_a_body_is_noticed(name: str) -> None:
    delivery = sent(name)
    for at in range(len(BODY)):
        flipped = BODY[:at] + bytes([BODY[at] ^ 1]) + BODY[at + 1 :]
        assert reason(name, delivery._replace(body=flipped)) == "mismatch"
    assert reason(name, delivery._replace(body=b"")) == "mismatch"
    assert reason(name, delivery._replace(body=BODY + b"\n")) == "mismatch"


@pytest.mark.parametrize(("name", "header"), SECURITY)
def test_every_changed_character_of_a_header_is_noticed(name: str, header: str) -> None:
    right = sent(name).header(header)
    assert right is not None
    for at, character in enumerate(right):
        other = "1" if character == "0" else "0"
        forged = changed(sent(name), header, right[:at] + other + right[at + 1 :])
        assert reason(name, forged) in {"mismatch", "malformed"}, forged.headers
    assert reason(name, changed(sent(name), header, right[:-1])) in {"mismatch", "malformed"}


BAD_HEADERS: Final = {
    "beyond ASCII": "ü" * 40,
    "beyond ISO 8859-1": "签名" * 20,
    "digits of another script": "sha256=" + "٣" * 64,
    "control characters": "sha256=\x00\x1f",
    "a megabyte": "v1=" + "a" * 1_000_000,
    "a megabyte of commas": "," * 1_000_000,
    "a megabyte of spaces": "v1, " * 250_000,
    "only the prefix": "sha256=",
    "another algorithm": "sha1=" + "0" * 40,
    "longer than a digest": "sha256=" + "0" * 65,
    "in upper case": "sha256=" + "A" * 64,
    "no base64": "Basic !!!!",
    "a line end after it": "sha256=" + "0" * 64 + "\n",
}


@pytest.mark.parametrize("name", SIGNED)
@pytest.mark.parametrize("case", BAD_HEADERS)
def test_a_header_that_is_no_signature_is_malformed(case: str, name: str) -> None:
    evidence = SCHEMES[name].evidence
    assert isinstance(evidence, Signature)
    forged = changed(sent(name), evidence.header.lower(), BAD_HEADERS[case])
    assert reason(name, forged) == "malformed"


@pytest.mark.parametrize("name", SHARED_SECRET)
@pytest.mark.parametrize("case", BAD_HEADERS)
def test_a_header_that_is_no_secret_is_refused(case: str, name: str) -> None:
    evidence = SCHEMES[name].evidence
    assert evidence is not None
    forged = changed(sent(name), evidence.header.lower(), BAD_HEADERS[case])
    assert reason(name, forged) in {"mismatch", "malformed"}


@pytest.mark.parametrize(("name", "header"), SECURITY)
def test_a_header_longer_than_any_is_not_looked_at(name: str, header: str) -> None:
    error = refusal(name, changed(sent(name), header, "a" * 8193))
    assert error.reason == "malformed"
    assert "expected at most 8192 characters, found more" in str(error)


@pytest.mark.parametrize("name", ["github", "bitbucket", "hcp-terraform", "circleci", "slack"])
def test_hexadecimal_is_taken_in_lower_case_alone_as_the_vendors_compare_it(name: str) -> None:
    evidence = SCHEMES[name].evidence
    assert isinstance(evidence, Signature)
    right = sent(name).header(evidence.header) or ""
    digits = right.removeprefix(evidence.prefix)
    upper = changed(sent(name), evidence.header.lower(), evidence.prefix + digits.upper())
    assert reason(name, upper) == "malformed"


UNLIKE: Final = [
    (name, other)
    for name in PROVABLE
    for other in PROVABLE
    if SCHEMES[name].evidence != SCHEMES[other].evidence
]


@pytest.mark.parametrize(("name", "other"), UNLIKE)
def test_the_connection_says_which_scheme_counts_not_the_headers(name: str, other: str) -> None:
    # The very secret that the sender has, where the other scheme can have it.
    is_alike = SCHEMES[name].form == SCHEMES[other].form
    secret = secret_of(name if is_alike else other)
    assert reason(other, sent(name), secret) in {"missing", "malformed"}


def test_githubs_sha1_is_not_looked_at() -> None:
    sha1 = changed(sent("github"), "x-hub-signature-256")
    assert reason("github", changed(sha1, "x-hub-signature", "sha1=" + "0" * 40)) == "missing"
    # Bitbucket's header bears the same name, and SHA-1 is none of its signatures.
    assert reason("bitbucket", changed(sha1, "x-hub-signature", "sha1=" + "0" * 40)) == "malformed"


@pytest.mark.parametrize("name", TIMED)
def test_a_signed_time_counts_for_five_minutes_both_ways(name: str) -> None:
    for seconds in (AGE_SECONDS_MAX, -AGE_SECONDS_MAX):
        now = NOON + timedelta(seconds=seconds)
        assert prove(SCHEMES[name], sent(name), [secret_of(name)], now=now).signed == NOON


@pytest.mark.parametrize("name", TIMED)
def test_what_is_sent_again_too_late_is_refused(name: str) -> None:
    error = refusal(name, sent(name), later_seconds=AGE_SECONDS_MAX + 1)
    assert error.reason == "too-old"
    assert "found it 301 seconds old" in str(error)
    assert reason(name, sent(name), later_seconds=10**9) == "too-old"


@pytest.mark.parametrize("name", TIMED)
def test_what_comes_from_the_future_is_refused(name: str) -> None:
    assert reason(name, sent(name), later_seconds=-AGE_SECONDS_MAX - 1) == "ahead"


@pytest.mark.parametrize("name", TIMED)
def test_only_who_has_the_secret_is_told_about_the_time(name: str) -> None:
    forged = sent(name, secret_of(name, 2))
    assert reason(name, forged, later_seconds=10**9) == "mismatch"


@pytest.mark.parametrize("name", sorted({*SIGNED} - {*TIMED}))
def test_where_no_time_is_signed_a_delivery_does_not_age(name: str) -> None:
    assert SCHEMES[name].age_seconds_max is None
    now = NOON + timedelta(days=400)
    assert prove(SCHEMES[name], sent(name), [secret_of(name)], now=now).signed is None


BAD_TIMES: Final = {
    "negative": "-1",
    "a fraction": "1.5",
    "exponent": "1e9",
    "not a number": "nan",
    "digits of another script": "١٢٣",
    "past the end of the calendar": "9" * 12,
    "a megabyte of digits": "9" * 1_000_000,
    "underscores": "1_000",
}


@pytest.mark.parametrize("case", BAD_TIMES)
@pytest.mark.parametrize(
    ("name", "header"),
    [("slack", "x-slack-request-timestamp"), ("standard-webhooks", "webhook-timestamp")],
)
def test_a_time_that_is_none_is_malformed(name: str, header: str, case: str) -> None:
    assert reason(name, changed(sent(name), header, BAD_TIMES[case])) == "malformed"


@pytest.mark.parametrize("case", BAD_TIMES)
def test_a_time_beside_the_signature_is_read_as_strictly(case: str) -> None:
    forged = f"timestamp={BAD_TIMES[case]},signature={'0' * 64}"
    delivery = changed(sent("buildkite-signature"), "x-buildkite-signature", forged)
    assert reason("buildkite-signature", delivery) == "malformed"


def test_buildkites_parts_may_stand_in_any_order_but_each_once() -> None:
    name, header = "buildkite-signature", "x-buildkite-signature"
    at, signature = (sent(name).header(header) or "").split(",")
    turned = changed(sent(name), header, f"{signature}, {at}")
    assert prove(SCHEMES[name], turned, [secret_of(name)], now=NOON).signed == NOON
    assert reason(name, changed(sent(name), header, f"{at},{at},{signature}")) == "malformed"
    assert reason(name, changed(sent(name), header, signature)) == "malformed"
    assert reason(name, changed(sent(name), header, at)) == "malformed"


LISTS: Final = {"standard-webhooks": " ", "gitlab-signing": " ", "circleci": ","}


@pytest.mark.parametrize("name", LISTS)
def test_sixteen_signatures_are_tried_and_no_more(name: str) -> None:
    evidence = SCHEMES[name].evidence
    assert isinstance(evidence, Signature)
    header = evidence.header.lower()
    right = sent(name).header(header) or ""
    wrong = sent(name, secret_of(name, 2)).header(header) or ""
    most = [wrong] * 15 + [right]
    proof = prove(
        SCHEMES[name],
        changed(sent(name), header, LISTS[name].join(most)),
        [secret_of(name)],
        now=NOON,
    )
    assert proof.secret == 0
    assert (
        reason(name, changed(sent(name), header, LISTS[name].join([right, *most]))) == "malformed"
    )


def test_a_sender_that_signs_with_its_old_and_its_new_secret_is_proven_by_either() -> None:
    name, header = "standard-webhooks", "webhook-signature"
    old = sent(name).header(header)
    new = sent(name, secret_of(name, 1)).header(header)
    both = changed(sent(name), header, f"{old} {new}")
    for secrets in ([secret_of(name)], [secret_of(name, 1)], [secret_of(name, 1), secret_of(name)]):
        assert prove(SCHEMES[name], both, secrets, now=NOON).secret == 0


def test_a_signed_body_can_not_pass_as_a_shorter_one_with_a_longer_id() -> None:
    seconds = str(int(NOON.timestamp()))
    name, inner = "standard-webhooks", b"{}"
    signed = sent(name, body=seconds.encode() + b"." + inner)
    assert prove(SCHEMES[name], signed, [secret_of(name)], now=NOON)
    # The very bytes that were signed, cut elsewhere.
    forged = changed(signed, "webhook-id", f"msg_1.{seconds}")._replace(body=inner)
    assert reason(name, forged) == "malformed"


@pytest.mark.parametrize(
    "value", ["bearer {}", "BEARER {}", "Bearer   {}"], ids=["lower", "upper", "spaces"]
)
def test_the_word_before_a_secret_is_in_any_case(value: str) -> None:
    delivery = changed(sent("bearer"), "authorization", value.format(secret_of("bearer")))
    assert prove(SCHEMES["bearer"], delivery, [secret_of("bearer")], now=NOON).method == "token"


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Token abc", "Bearerabc"])
def test_a_word_without_a_secret_is_malformed(value: str) -> None:
    assert reason("bearer", changed(sent("bearer"), "authorization", value)) == "malformed"


def test_nothing_proves_nobody_and_says_so() -> None:
    proof = prove(SCHEMES["nothing"], fetched(b"", NOON), [], now=NOON)
    assert proof == ("nothing", "none", 0, None, None)


def test_a_secret_where_nothing_is_checked_is_a_mistake_of_ours() -> None:
    with pytest.raises(Misconfigured, match="name the scheme that the sender uses"):
        prove(SCHEMES["nothing"], fetched(b"", NOON), [secret_of("github")], now=NOON)


@pytest.mark.parametrize("name", PROVABLE)
def test_no_refusal_repeats_a_secret_or_what_was_sent(name: str) -> None:
    secret, right = secret_of(name), sent(name)
    forged = sent(name, secret_of(name, 2))
    errors = [refusal(name, forged)]
    for header, value in right.headers:
        errors.append(refusal(name, changed(right, header)))
        errors.append(refusal(name, changed(right, header, value, value)))
        errors.append(refusal(name, changed(right, header, "ü" + value)))
    values = [value.rpartition("=")[2] or value for _, value in (*right.headers, *forged.headers)]
    hidden = [secret, secret_of(name, 2), *(value for value in values if len(value) > 8)]
    for error in errors:
        assert [one for one in hidden if one in str(error)] == []
        assert error.status == 401


@pytest.mark.parametrize("name", PROVABLE)
def test_what_is_wrong_with_our_secrets_is_said_without_them(name: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        prove(SCHEMES[name], sent(name), [secret_of(name), "\x00wrong secret "], now=NOON)
    assert "wrong secret" not in str(caught.value)
    assert secret_of(name) not in str(caught.value)
