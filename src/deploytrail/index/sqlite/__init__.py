"""Segments in SQLite: one file that lives, and one for each segment that is sealed."""
