"""Finds dead links in our Markdown: `python -m tools.links`

Offline: relative files and anchors are looked up, addresses of the web are not. Files that git
ignores are left out.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parent.parent


def dead_links(pages: dict[Path, str]) -> Iterator[str]:
    """One sentence for each link of these pages (path to text) that leads nowhere."""
    for page, text in pages.items():
        for line, target in links(text):
            reason = _why_dead(page, target, pages)
            if reason:
                yield f"{page}:{line}: {target}: {reason}"


def links(text: str) -> Iterator[tuple[int, str]]:
    """Line (of the paragraph, from 1) and target of each link and image that isn't on the web."""
    for block in _blocks(text):
        for token in block.children or ():
            target = token.attrGet("href") or token.attrGet("src")
            if isinstance(target, str) and not urlsplit(target).scheme:
                yield (block.map or [0])[0] + 1, target


def anchors(text: str) -> set[str]:
    """What may follow `#` in a link to this page, by the rule of GitHub."""
    seen: Counter[str] = Counter()
    found = set()
    blocks = _blocks(text, after="heading_open")
    for block in blocks:
        words = "".join(
            t.content for t in block.children or () if t.type in {"text", "code_inline"}
        )
        anchor = re.sub(r"[^\w\- ]", "", words.lower()).strip().replace(" ", "-")
        found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return found


def _blocks(text: str, after: str | None = None) -> Iterator[Token]:
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "inline" and (after is None or (before and before.type == after)):
            yield token


def _why_dead(page: Path, target: str, pages: dict[Path, str]) -> str | None:
    parts = urlsplit(target)
    if parts.path.startswith("/"):
        return "is absolute: link relative to the page"
    goal = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if goal not in pages and not goal.exists():
        return "no such file"
    if not goal.is_relative_to(ROOT):
        return "leads out of the project"
    if not parts.fragment or goal.suffix != ".md":
        return None
    text = pages.get(goal) or goal.read_text(encoding="utf-8")
    return None if unquote(parts.fragment) in anchors(text) else "no such heading"


def tracked_pages() -> dict[Path, str]:
    """Every Markdown file of the tree that git doesn't ignore, with its text."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.md"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    paths = [ROOT / name for name in listing.split("\0") if name]
    return {path: path.read_text(encoding="utf-8") for path in paths if path.exists()}


def main() -> int:
    pages = tracked_pages()
    found = [line.replace(f"{ROOT}/", "") for line in dead_links(pages)]
    print("\n".join(found) or f"No dead links in {len(pages)} pages.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
