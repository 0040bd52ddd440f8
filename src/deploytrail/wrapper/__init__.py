"""The wrapper: a command is run as if we were not there, and its start and end are recorded."""
