"""The recorded plans, states and streams that the tests of Terraform's formats read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDERS = (
    "terraform-json",
    "opentofu-json",
    "terraform-plans-checkov",
    "terraform-plans-infracost",
)


def files(fixtures: Path) -> list[Path]:
    """Every file of the four collections, sorted."""
    found = [path for name in FOLDERS for path in sorted((fixtures / name).rglob("*"))]
    return [path for path in found if path.is_file()]


def streams(fixtures: Path) -> list[Path]:
    return [path for path in files(fixtures) if path.suffix in (".log", ".jsonlog")]


def loaded(raw: bytes) -> Any:
    """A plan by another reader than ours: the standard library's, forgiving; None if it can't."""
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    text = raw.decode(encoding)
    at = text.find("{")
    try:
        return json.JSONDecoder().raw_decode(text[at:])[0]
    except ValueError:
        return None
