"""What a run could not hand over yet, as signed and counted lines: the format, without files."""
