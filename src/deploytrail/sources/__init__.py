"""Sources: one file per kind of tool, which translates what it tells us into events."""
