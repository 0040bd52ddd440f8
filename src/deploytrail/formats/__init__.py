"""Wire formats: what tools write, read into values.

Pure. A format knows one tool's own words and nothing of events; sources and destinations share it.
"""
