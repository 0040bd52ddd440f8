"""The routes, a file for each kind; `table.py` has them all."""
