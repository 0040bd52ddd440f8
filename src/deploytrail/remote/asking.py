"""Questions to a server: a request, and its answer as a value or as one of our errors.

What may be sent twice is sent again while the server can't answer, for as long as the caller waits:
a question, and events, of which the log takes each delivery once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from deploytrail import errors
from deploytrail.clock import Clock
from deploytrail.errors import (
    DeploytrailError,
    Malformed,
    NotPermitted,
    Overloaded,
    SenderError,
    Unreachable,
)
from deploytrail.kit.answer import Asks, Limits, Request, Response, Streamed

Parameters = Mapping[str, str | int | None]
_Answer = TypeVar("_Answer")
_JSON: Final = "application/json"
_FORM: Final = "application/x-www-form-urlencoded"
_ADDRESS_BYTES_MAX: Final = 4_096
"""A longer one may be cut off, or written down, by what stands between a server and us."""
_ANSWER_BYTES_MAX: Final = 256 * 1024 * 1024
_PROBLEM_BYTES_MAX: Final = 64 * 1024
_PAUSE_SECONDS: Final = 0.25
_NEVER: Final = threading.Event()
"""Wakes nobody."""
_PAUSE_SECONDS_MAX: Final = 5.0
_LATER_SECONDS_MAX: Final = 60
"""A server that wants to be left alone for longer is asked then all the same."""
_WHOLE: Final = Limits(read_seconds=60, total_seconds=120, bytes_max=_ANSWER_BYTES_MAX)
_LONG: Final = Limits(read_seconds=60, total_seconds=None, bytes_max=1 << 62)
"""Of a stream: as long as something comes at least every minute, and as much as comes."""


class Problem(Struct, frozen=True):
    """What a server says of an error (RFC 9457), as far as it is read here."""

    type: str = ""
    title: str = ""
    status: int = 0
    detail: str = ""
    instance: str = ""
    column: int | None = None
    expected: str = ""


class About(Struct, frozen=True):
    """Which server it is."""

    version: str


class Document(Struct, frozen=True):
    """What a server says of itself (OpenAPI), as far as it is read here."""

    info: About


class ServerFault(DeploytrailError):
    """Something failed on the server's side; its log says what, under the id of the request."""


class _Refused(Exception):
    """An answer that is none to what was asked."""

    def __init__(self, answer: Response) -> None:
        self.answer = answer


class Server:
    """One server and what opens it. Safe for use from several threads."""

    def __init__(
        self,
        url: str,
        token: str | None,
        clock: Clock,
        *,
        http: Asks | None = None,
        patience_seconds: float = 30,
        answer_seconds: float | None = None,
    ) -> None:
        """`url` has no slash at its end. `token` None asks as a stranger.

        It is asked again for `patience_seconds`; one answer is waited for `answer_seconds` at most.
        """
        self._limits = _WHOLE
        if answer_seconds is not None:
            self._limits = _WHOLE._replace(
                connect_seconds=min(answer_seconds, _WHOLE.connect_seconds),
                read_seconds=answer_seconds,
                total_seconds=answer_seconds,
            )
        self.url = url
        self._clock = clock
        if http is None:
            # What it loads takes as long as all the rest.
            from deploytrail.kit.http import Http

            http = Http(limits=_WHOLE)
        self._http = http
        self._patience_seconds = patience_seconds
        self._headers = {} if token is None else {"authorization": f"Bearer {token}"}

    def get(self, path: str, type: type[_Answer], **parameters: str | int | None) -> _Answer:
        """The answer to a question. Raises what the server says, and Unreachable."""
        answer = self._whole(self._question(path, parameters), _query(parameters))
        return _decoded(answer.body, type, self.url)

    def octets(self, path: str) -> bytes:
        """An answer as it is."""
        return self._whole(Request("GET", self.url + path)).body

    def post(self, path: str, body: bytes, type: type[_Answer], *, media: str = _JSON) -> _Answer:
        """As `get`, for what may arrive twice."""
        answer = self._whole(Request("POST", self.url + path, body, {"content-type": media}))
        return _decoded(answer.body, type, self.url)

    @contextmanager
    def stream(
        self, path: str, parameters: Parameters, *, patience_seconds: float | None = None
    ) -> Iterator[Iterator[bytes]]:
        """The body of an answer as it comes. Raises as `get`; also while it is read.

        `patience_seconds` is how long it is asked for again, where that is not as for all else.
        """
        question = self._question(path, parameters)
        with self._streamed(question, _query(parameters), patience_seconds) as chunks:
            yield chunks

    @contextmanager
    def made(self, path: str) -> Iterator[Iterator[bytes]]:
        """As `stream`, of what is made because it is asked for."""
        with self._streamed(Request("POST", self.url + path), "", None) as chunks:
            yield chunks

    def refusal(self, problem: bytes) -> DeploytrailError:
        """The error of a problem that came in the body of an answer."""
        return self._refusal(500, problem, "")

    @contextmanager
    def _streamed(
        self, question: Request, query: str, patience_seconds: float | None
    ) -> Iterator[Iterator[bytes]]:
        asked = self._opened(question, _LONG)
        with ExitStack() as stack:

            def begun() -> Streamed:
                with ExitStack() as opened:
                    answer = opened.enter_context(self._http.stream(asked))
                    if answer.status >= 300:
                        found = _beginning(answer)
                        raise _Refused(Response(answer.status, answer.headers, found))
                    stack.push(opened.pop_all())
                return answer

            found = self._patiently(begun, query=query, patience_seconds=patience_seconds)
            yield found.chunks

    def close(self) -> None:
        self._http.close()

    def _question(self, path: str, parameters: Parameters) -> Request:
        """By GET; where a query is too long for an address, by POST, which means the same."""
        _refuse_no_text(_query(parameters))
        given = {name: value for name, value in parameters.items() if value is not None}
        written = urlencode(given)
        if "q" in given and len(written) > _ADDRESS_BYTES_MAX:
            form = {"content-type": _FORM}
            return Request("POST", f"{self.url}{path}/query", written.encode(), form)
        return Request("GET", f"{self.url}{path}{'?' if given else ''}{written}")

    def _opened(self, asked: Request, limits: Limits) -> Request:
        """The request with what opens the server."""
        return asked._replace(headers={**self._headers, **asked.headers}, limits=limits)

    def _whole(self, asked: Request, query: str = "") -> Response:
        asked = self._opened(asked, self._limits)

        def answered() -> Response:
            answer = self._http.request(asked)
            if answer.status >= 300:
                raise _Refused(answer)
            return answer

        return self._patiently(answered, query=query)

    def _patiently(
        self,
        ask: Callable[[], _Answer],
        *,
        query: str = "",
        patience_seconds: float | None = None,
    ) -> _Answer:
        """What `ask` gives; it is asked again while the server can't answer."""
        patience = self._patience_seconds if patience_seconds is None else patience_seconds
        until = self._clock.monotonic() + patience
        pause = _PAUSE_SECONDS
        while True:
            wait = pause
            try:
                return ask()
            except _Refused as refused:
                answer = refused.answer
                error = self._refusal(answer.status, answer.body, query)
                if not answer.is_passing or answer.status == 500:
                    raise error from None
                wait = max(pause, min(answer.retry_after_seconds or 0, _LATER_SECONDS_MAX))
            except Unreachable as unreachable:
                error = unreachable
            if self._clock.monotonic() + wait > until:
                raise error
            self._clock.wait(_NEVER, wait)
            pause = min(2 * pause, _PAUSE_SECONDS_MAX)

    def _refusal(self, status: int, body: bytes, query: str) -> DeploytrailError:
        """The error that the server had, in its words; of a query, with the place in it."""
        try:
            problem = msgspec.json.decode(body, type=Problem)
        except (msgspec.DecodeError, UnicodeDecodeError):
            problem = Problem(status=status)
        name = problem.type.rpartition("/")[2]
        kind = _KINDS.get(name)
        if kind is not None:
            return kind(problem.detail or problem.title)
        if name == "unreadable":
            return _unreadable(query, problem)
        return _unknown(self.url, status, problem)


def _query(parameters: Parameters) -> str:
    return str(parameters.get("q") or "")


def _refuse_no_text(query: str) -> None:
    """A command line may hold bytes that are no text; they can't be sent."""
    try:
        query.encode()
    except UnicodeEncodeError as error:
        from deploytrail.query.unreadable import half_a_character

        raise half_a_character(query, error) from None


def _unreadable(query: str, problem: Problem) -> Malformed:
    """As whoever reads a query here says it; without the place where it is none in that query."""
    # Who records loads nothing of queries.
    from deploytrail.query.unreadable import Unreadable

    column = problem.column
    if column is None or not 1 <= column <= len(query) + 1:
        return Malformed(problem.detail)
    return Unreadable(query, column, problem.expected, problem.detail)


def _unknown(url: str, status: int, problem: Problem) -> DeploytrailError:
    """Of a newer server, or of something between it and us."""
    what = f"{url}: {problem.detail or problem.title or f'answered with {status}'}"
    if status in {401, 403, 407}:
        return NotPermitted(what)
    if status in {502, 503, 504}:
        return Unreachable(what)
    if status == 429:
        return Overloaded(what)
    if 400 <= status < 500:
        return Malformed(what)
    if status < 400:
        return Malformed(
            f"{url}: expected an answer, found a redirection ({status}); give the address that it "
            "leads to"
        )
    return ServerFault(f"{what} ({problem.instance})" if problem.instance else what)


def _decoded(body: bytes, type: type[_Answer], url: str) -> _Answer:
    try:
        return msgspec.json.decode(body, type=type)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(
            f"{url}: expected an answer of Deploytrail, found something else ({error}); is it the "
            "address of its server?"
        ) from None


def _beginning(answer: Streamed) -> bytes:
    found = b""
    for chunk in answer.chunks:
        found += chunk
        if len(found) > _PROBLEM_BYTES_MAX:
            break
    return found


def _kebab(name: str) -> str:
    return "".join(f"-{one.lower()}" if one.isupper() else one for one in name).lstrip("-")


_KINDS: Final[dict[str, type[DeploytrailError]]] = {
    _kebab(name): each
    for name, each in vars(errors).items()
    if isinstance(each, type)
    and issubclass(each, DeploytrailError)
    and each not in {DeploytrailError, SenderError}
}
"""Our errors, by the name that a problem's `type` ends with."""


def as_error(problem: Any) -> SenderError:
    """What a server says of one event of several."""
    found = msgspec.convert(problem, Problem)
    kind = _KINDS.get(found.type.rpartition("/")[2], Malformed)
    error = kind(found.detail or found.title)
    return error if isinstance(error, SenderError) else Malformed(str(error))
