"""Trails over their stores: the only room that constructs a concrete one."""
