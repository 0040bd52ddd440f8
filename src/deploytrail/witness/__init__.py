"""A witness of our own: cosigns others' logs, so that their operators can't rewrite history.

`core` decides, `keeping` makes durable what was decided, `serving` speaks HTTP.
"""
