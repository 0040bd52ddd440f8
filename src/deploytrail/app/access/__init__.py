"""Tokens, and which of them the log vouches for."""
