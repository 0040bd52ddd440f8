"""The process that follows asks tools, too: killed at any moment, it goes on where it stood."""

from __future__ import annotations

from pathlib import Path

from deploytrail.app.connections.configuring import applied, apply
from deploytrail.app.connections.known_connections import offers
from deploytrail.app.connections.polling import place_name
from deploytrail.app.trails.directory import open_directory
from deploytrail.event import Actor
from deploytrail.intake import declared
from tests.app.connections.polled import told
from tests.app.connections.test_asking import until
from tests.app.test_follow_process import Site
from tests.kit.servers import Server, answer, says, serving

ENTRY = """{
  "id": "ae66e491-db59-457c-8445-9c908ee726ae", "timestamp": "2026-11-22T17:52:46.000Z",
  "auth": {
    "accessor_id": "user-alice", "description": "alice", "type": "Client",
    "impersonator_id": null, "organization_id": "org-acme"
  },
  "resource": {"id": "at-1", "type": "authentication_token", "action": "create", "meta": null}
}"""
PAGE = f'{{"data":[{ENTRY}],"pagination":{{"next_page":null}}}}'.encode()


def declare(site: Site, server: Server, token: Path) -> None:
    token.write_text("the token\n")
    text = (
        '[hcp]\nsource = "hcp-terraform-audit"\n'
        f'secrets = ["file:{token}"]\ntoken = "file:{token}"\n'
        f'settings = {{ api = "{server.url("")}" }}\n'
    )
    new = declared.read({"connections.toml": text.encode()}, offers())
    with open_directory(site.home, environment=site.environment) as trail:
        before = applied(trail.store.reading, offers())
        by = Actor(type="user", id="os:bob")
        apply(trail.recorder, before, new, clock=site.clock, by=by)


def place(site: Site) -> int:
    with open_directory(site.home, environment=site.environment) as trail:
        return trail.bookmarks().load(place_name("hcp")) or 0


def test_what_a_tool_never_sends_is_asked_for_and_once_in_the_log(tmp_path: Path) -> None:
    site = Site(tmp_path)
    try:
        with serving(says(answer(body=PAGE)), is_kept=True) as server:
            declare(site, server, tmp_path / "token")
            first = site.start()
            until(lambda: place(site) > 0)
            stood = place(site)
            first.kill()
            first.wait()
            site.start()
            until(lambda: place(site) > stood)
    finally:
        for process in site.processes:
            process.kill()
            process.communicate()
    assert all(b"authorization: bearer the token" in one.lower() for one in server.requests)
    with open_directory(site.home, environment=site.environment) as trail:
        assert told(trail, "identity.") == ["identity.token.created"]
        assert told(trail, "integration.connection.") == ["integration.connection.created"]
