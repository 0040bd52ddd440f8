"""Whatever is delivered, and however it is signed: an answer at once, and never a fault of ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploytrail.app.connections.taking import Connected
from deploytrail.intake.known import known
from deploytrail.kit.delivery import fetched
from deploytrail.kit.secret import RANDOM_BYTES
from deploytrail.kit.signing import sample_secret, signed
from tests.app.places import Place, place
from tests.fakes import NOON
from tests.quickly import quickly
from tests.searching import examples
from tests.web.served import Declared, Served, served

CONNECTIONS = [
    Connected(
        source.name,
        source,
        source.schemes[0],
        [sample_secret(source.schemes[0], b"\x01" * RANDOM_BYTES)],
        lambda _: None,
    )
    for source in known().sources.values()
]
BODIES = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from(
        [b"{}", b"[]", b"[{}]", b"null", b'{"Records":[]}', b'{"items":[{}]}', b"\n\n"]
    ),
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "content_type": st.sampled_from(["application/json", "application/x-protobuf", "text/x;;"]),
        "content_encoding": st.sampled_from(["gzip", "zstd", "identity", "br"]),
        "x_github_event": st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20),
        "authorization": st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40),
    },
)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return place(tmp_path_factory.mktemp("delivered"))


@pytest.fixture(scope="module")
def server(there: Place) -> Iterator[Served]:
    """One for all that is delivered; then the log is verified."""
    with served(there, known_connections=Declared(*CONNECTIONS)) as found:
        yield found
    with there.opened() as trail:
        trail.publish()
    assert there.verified().exit_code == 0


@examples(300)
@given(st.sampled_from(CONNECTIONS), BODIES, HEADERS, st.booleans())
def test_whatever_is_delivered_is_taken_or_refused(
    server: Served, over: Connected, body: bytes, headers: dict[str, str], is_signed: bool
) -> None:
    if is_signed:
        delivery = signed(over.scheme, fetched(body, NOON), over.secrets[0], at=NOON)
        headers = headers | {key.replace("-", "_"): text for key, text in delivery.headers}
    answer = quickly(lambda: server.ask("POST", f"/in/{over.name}", body, token=None, **headers))
    assert answer.status in {200, 400, 401, 413, 415}
    if is_signed and "content_encoding" not in headers:
        assert answer.status == 200
