"""PostgreSQL: the store of several nodes. See docs/postgres.md for what it promises."""
