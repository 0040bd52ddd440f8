"""`POST /v1/backup`: the trail as two sealed files, in one stream."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from typing import Final

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from deploytrail import backup_stream
from deploytrail.access.principal import Permission, Principal
from deploytrail.access.scope import written
from deploytrail.errors import CommitUnknown, DeploytrailError, DiskFull, NotPermitted, Overloaded
from deploytrail.query.tree import EVERYTHING
from deploytrail.web import problem
from deploytrail.web.answering import encoded
from deploytrail.web.backups import Making, refuse_ending
from deploytrail.web.call import Call
from deploytrail.web.header import FILE
from deploytrail.web.route import Reply, Route

SILENT_SECONDS: Final = 5.0
"""One that is made by then, or fails, says so by its status; of a longer one, its progress is sent.

What stands between a server and its client takes who says nothing for long for dead.
"""
_TELL_SECONDS: Final = 1.0
_PIECE_BYTES: Final = 256 * 1024


async def backup(call: Call) -> Response:
    """Made whole before a byte of it is sent; how far it is is told meanwhile."""
    _refuse_narrow(call.principal)
    making = call.server.backups.begin()
    try:
        await making.made(call.server.ending, seconds_max=call.server.silent_seconds)
    except BaseException:
        making.end()
        raise
    return _Taken(making, _members(call, making))


def _refuse_narrow(who: Principal) -> None:
    """Whoever takes a backup reads what stands clear in each entry."""
    who.may(Permission.READ)
    if who.scope != EVERYTHING:
        raise NotPermitted(
            f"{who.id}: expected a credential without a scope, since a backup has the whole trail, "
            f"found one for {written(who.scope)}; use another"
        )


class _Taken(StreamingResponse):
    """What is sent of a backup. Its files are let go also where not a byte of it could be sent."""

    def __init__(self, making: Making, members: AsyncGenerator[bytes, None]) -> None:
        super().__init__(
            members,
            media_type=backup_stream.MEDIA_TYPE,
            headers={"content-disposition": 'attachment; filename="backup-and-keys.tar"'},
        )
        self._making = making

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._making.end()


async def _members(call: Call, making: Making) -> AsyncGenerator[bytes, None]:
    ending = call.server.ending
    try:
        while (done := await making.made(ending, seconds_max=_TELL_SECONDS)) is None:
            standing = encoded(backup_stream.Standing(*making.stood))
            yield backup_stream.member(backup_stream.PROGRESS, standing)
    except DeploytrailError as error:
        said = problem.encoded(problem.problem(error, instance=call.id))
        yield backup_stream.member(backup_stream.PROBLEM, said)
        # The connection breaks as well, so that nobody takes it for whole.
        raise
    for name, file in ((backup_stream.KEYS, making.keys), (backup_stream.LOG, making.log)):
        size = os.fstat(file.fileno()).st_size
        yield backup_stream.head(name, size)
        while piece := await making.read(file, _PIECE_BYTES):
            refuse_ending(ending)
            yield piece
        yield backup_stream.padding(size)
    yield backup_stream.member(backup_stream.DONE, encoded(done)) + backup_stream.END


ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/backup",
        name="makeBackup",
        what="A backup of the whole trail, sealed: a tar of the file of the log and that of its "
        "keys. Without the trail's own key, which is in neither, both are noise.",
        answer=backup,
        permission=Permission.OPERATE,
        replies=(
            Reply(
                200,
                "A tar: progress.json while it is made, backup.tar.keys, backup.tar, and last "
                "backup.json. Without that one it is not whole (docs/backup.md).",
                backup_stream.MEDIA_TYPE,
                headers=(FILE,),
            ),
        ),
        problems=(Overloaded, DiskFull, CommitUnknown),
    ),
)
