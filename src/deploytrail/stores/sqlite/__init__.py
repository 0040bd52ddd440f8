"""One directory on a local disk: SQLite through apsw, durable by fsync, one writer at a time."""
