"""What reads along behind the log, and what it appends of its own."""
