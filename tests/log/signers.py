"""The keys of the cast; their seeds are public, so they protect nothing."""

from __future__ import annotations

from deploytrail.log.note import COSIGNATURE_V1, Signer

ORIGIN = "deploytrail.test/acme/1"

LOG = Signer(ORIGIN, b"L" * 32)
LOG_NEXT = Signer(ORIGIN, b"N" * 32)
OWN = Signer(ORIGIN, b"O" * 32, COSIGNATURE_V1)
BOB = Signer("witness.test/bob", b"B" * 32, COSIGNATURE_V1)
CAROL = Signer("witness.test/carol", b"C" * 32, COSIGNATURE_V1)
MALLORY = Signer("witness.test/mallory", b"M" * 32, COSIGNATURE_V1)
