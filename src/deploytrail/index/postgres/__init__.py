"""Segments in PostgreSQL: a schema for each index, and one that says which of them answers."""
