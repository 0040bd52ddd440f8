"""Connections at work: what is known of them, and what is taken in over them."""
