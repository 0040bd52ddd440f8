"""A trail over HTTP: the same contract, asked of a server."""

from deploytrail.remote.trail import RemoteTrail

__all__ = ["RemoteTrail"]
