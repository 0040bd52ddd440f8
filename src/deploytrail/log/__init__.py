"""The log: RFC 6962 tree, C2SP formats, and the shells that commit and publish.

Knows no SQL, HTTP, tool or vault.
"""
