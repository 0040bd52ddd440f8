"""The log as C2SP has it (c2sp.org/tlog-tiles): checkpoint and hashes for anybody, entries not."""

from __future__ import annotations

import gzip
from typing import Final

from starlette.responses import Response

from deploytrail.access.principal import Permission
from deploytrail.app import published
from deploytrail.errors import Malformed, NotFound
from deploytrail.log.tiles import Bundle, Tile, decode_path
from deploytrail.web.accepting import takes
from deploytrail.web.answering import tagged
from deploytrail.web.call import Call
from deploytrail.web.header import CODING, FOR_EVER, FOR_ITS_READER, VARY
from deploytrail.web.route import IF_NONE_MATCH, TAGGED, UNCHANGED, Part, Reply, Route
from deploytrail.zstd import zstd

_TEXT: Final = "text/plain; charset=utf-8"
_BYTES: Final = "application/octet-stream"
_INDEX: Final = Part(
    "index",
    "The index as c2sp.org/tlog-tiles writes it, such as `x001/234`; of a partial one with `.p/` "
    "and its width behind it.",
    r"(?:x[0-9]{3}/){0,6}[0-9]{3}(?:\.p/[0-9]{1,3})?",
)
_ACCEPT_ENCODING: Final = Part(
    "Accept-Encoding", "Packed as `zstd` or `gzip` where it says so.", ".*"
)


async def checkpoint(call: Call) -> Response:
    """The newest one. It changes, so it is asked for again each time."""
    note = await call.server.lookups.ask(lambda served: published.checkpoint(served.trail.store))
    return tagged(call.request, note, _TEXT)


async def tile(call: Call) -> Response:
    """Hashes. What a tile holds never changes."""
    wanted = decode_path(f"tile/{call.parts['level']}/{call.parts['index']}")
    octets = await _part(call, wanted)
    return Response(octets, headers={"cache-control": FOR_EVER.value}, media_type=_BYTES)


async def bundle(call: Call) -> Response:
    """Entries as they stand in the log: everything, whatever one's scope."""
    octets = await _part(call, decode_path(f"tile/entries/{call.parts['index']}"))
    headers = {"cache-control": FOR_ITS_READER.value, "vary": VARY.value}
    accepted = call.request.headers.get("accept-encoding", "")
    if takes(accepted, "zstd"):
        headers["content-encoding"] = "zstd"
        octets = zstd.compress(octets)
    elif takes(accepted, "gzip"):
        headers["content-encoding"] = "gzip"
        octets = gzip.compress(octets, 6, mtime=0)
    return Response(octets, headers=headers, media_type=_BYTES)


async def _part(call: Call, wanted: Tile | Bundle) -> bytes:
    return await call.server.lookups.ask(lambda served: published.part(served.trail.store, wanted))


ROUTES: Final = (
    Route(
        method="GET",
        path="/checkpoint",
        name="readCheckpoint",
        what="The log's newest signed checkpoint (c2sp.org/tlog-checkpoint), with cosignatures.",
        answer=checkpoint,
        permission=None,
        headers=(IF_NONE_MATCH,),
        replies=(Reply(200, "A signed note.", _TEXT, headers=TAGGED), UNCHANGED),
        problems=(NotFound,),
    ),
    Route(
        method="GET",
        path="/tile/entries/{index}",
        name="readEntries",
        what="An entry bundle (c2sp.org/tlog-tiles): each entry after its length, as zstd, gzip or "
        "plain, as the client takes it.",
        answer=bundle,
        permission=Permission.READ_LOG,
        parts=(_INDEX,),
        headers=(_ACCEPT_ENCODING,),
        replies=(Reply(200, "The bundle.", _BYTES, headers=(FOR_ITS_READER, VARY, CODING)),),
        problems=(NotFound, Malformed),
    ),
    Route(
        method="GET",
        path="/tile/{level}/{index}",
        name="readTile",
        what="A tile of hashes (c2sp.org/tlog-tiles), full or partial.",
        answer=tile,
        permission=None,
        parts=(Part("level", "From 0.", "[0-9]{1,2}"), _INDEX),
        replies=(Reply(200, "The hashes.", _BYTES, headers=(FOR_EVER,)),),
        problems=(NotFound, Malformed),
    ),
)
