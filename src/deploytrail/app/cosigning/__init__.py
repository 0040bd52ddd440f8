"""Witnesses: who is asked, what they answer, and what one of ours has cosigned."""
