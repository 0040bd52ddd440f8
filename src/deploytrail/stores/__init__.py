"""The engines of log, vault and state. Only `app.py` constructs one."""
