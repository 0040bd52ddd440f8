"""Trails over stores: the composition root, and the only room that constructs a concrete store."""

from deploytrail.app.trails.directory import open_directory

__all__ = ["open_directory"]
