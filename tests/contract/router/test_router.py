"""The Router port: one suite for Envoy and for the fake, and what only a real one can get wrong."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import psutil
import pytest
from services import Load, get, wait_until

from clearway.deploy.launch import free_port
from clearway.deploy.ports import FakeRouter, Route, Router
from clearway.integrations.envoy import EnvoyRouter
from clearway.integrations.envoy.router import envoy_program
from clearway.integrations.local import Program
from clearway.kernel import Retry


class Named(BaseHTTPRequestHandler):
    """Answers with its server's name; /hold waits until it may."""

    seen: ClassVar[list[tuple[str, str | None]]] = []
    hold = threading.Event()
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Silent."""

    def do_GET(self) -> None:
        name = self.server.name  # type: ignore[attr-defined]
        self.seen.append((self.path, self.headers.get("x_old_name")))
        if self.path == "/hold":
            self.hold.wait(20)
        self.send_response(200)
        self.send_header("Content-Length", str(len(name)))
        self.send_header("X-Version", name)
        self.end_headers()
        self.wfile.write(name.encode())


@pytest.fixture
def ports() -> Iterator[dict[str, int]]:
    servers = {name: ThreadingHTTPServer(("127.0.0.1", 0), Named) for name in ("old", "new")}
    for name, server in servers.items():
        server.name, server.daemon_threads = name, True  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield {name: server.server_port for name, server in servers.items()}
    for server in servers.values():
        server.shutdown()
        server.server_close()


@pytest.fixture
def envoy(tmp_path: Path) -> Iterator[EnvoyRouter]:
    envoy = EnvoyRouter(tmp_path / "router", Program)
    yield envoy
    envoy.stop()


@pytest.fixture(params=["envoy", "fake"])
def router(request: pytest.FixtureRequest) -> Router:
    return request.getfixturevalue("envoy") if request.param == "envoy" else FakeRouter()


def route(port: int, ports: dict[str, int], **weights: int) -> Route:
    return Route("prod/shop", port, {name: [at] for name, at in ports.items()}, weights)


def test_the_same_again_is_harmless(router: Router, ports: dict[str, int]) -> None:
    """apply starts the router and can be repeated; afterwards it is alive until it is stopped."""
    for _ in range(3):
        router.apply([route(free_port(set()), ports, old=100)])
    assert router.alive()
    router.stop()


@pytest.mark.integration
def test_traffic_follows_the_weights_and_nothing_is_dropped(
    envoy: EnvoyRouter, ports: dict[str, int]
) -> None:
    """When apply returns, the new weights are true; through all moves each request is answered."""
    port = free_port(set())
    envoy.apply([route(port, {"old": ports["old"]}, old=100)])
    with Load(port, pause_s=0.001) as load:
        for share in (10, 50, 90, 100):
            rest = {"old": 100 - share} if share < 100 else {}
            envoy.apply([route(port, ports, new=share, **rest)])
        envoy.apply([route(port, {"new": ports["new"]}, new=100)])
        wait_until(lambda: get(port)[1] == "new", "the last move")
        seen = load.versions["old"]
        new = load.versions["new"]
        wait_until(lambda: load.versions["new"] > new + 100, "more answers")
        assert load.versions["old"] <= seen + 3, "only what was under way"
    assert load.dropped == []


@pytest.mark.integration
def test_shares_are_what_was_asked_for(envoy: EnvoyRouter, ports: dict[str, int]) -> None:
    """25 per cent is between 18 and 32 of each hundred, in 2,000 requests (more than seven sigma)."""
    port = free_port(set())
    envoy.apply([route(port, ports, new=25, old=75)])
    with Load(port, pause_s=0.0) as load:
        wait_until(lambda: load.requests > 2000, "2,000 requests")
    assert 0.18 < load.versions["new"] / load.requests < 0.32


@pytest.mark.integration
def test_without_a_group_it_says_so(envoy: EnvoyRouter) -> None:
    """A place that nobody serves answers 503 with its name, instead of refusing the connection."""
    port = free_port(set())
    envoy.apply([Route("prod/shop", port, {}, {})])
    status, text = get(port)
    assert status == 503
    assert "prod/shop" in text


@pytest.mark.integration
def test_a_router_that_died_is_started_with_the_same_routes(
    envoy: EnvoyRouter, ports: dict[str, int]
) -> None:
    """The next apply, the same as before, brings it back at the same port."""
    port = free_port(set())
    envoy.apply([route(port, ports, new=100)])
    pid = Program(envoy.folder / "process").pid()
    assert pid
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not envoy.alive(), "it to be gone")
    envoy.apply([route(port, ports, new=100)])
    assert get(port) == (200, "new")


class Dying:
    """A program whose process still stands for some looks after it was killed."""

    def __init__(self, program: Program, looks: int) -> None:
        self.program, self.looks = program, looks

    def __getattr__(self, name: str) -> object:
        return getattr(self.program, name)

    def alive(self) -> bool:
        self.looks -= 1
        return self.looks >= 0 or self.program.alive()


@pytest.mark.integration
@pytest.mark.parametrize("looks", [1, 5])
def test_a_dying_router_is_not_taken_for_a_living_one(
    envoy: EnvoyRouter, ports: dict[str, int], looks: int
) -> None:
    """The kernel closes a killed program's sockets before its process is gone: apply waits it out."""
    port = free_port(set())
    envoy.apply([route(port, ports, new=100)])
    program = Program(envoy.folder / "process")
    os.kill(program.pid() or 0, signal.SIGKILL)
    wait_until(lambda: not program.alive(), "it to be gone")
    envoy._program = Dying(program, looks)
    envoy.apply([route(port, ports, new=100)])
    assert get(port) == (200, "new")


@pytest.mark.integration
def test_a_new_object_adopts_the_running_router(envoy: EnvoyRouter, ports: dict[str, int]) -> None:
    """A restart of Clearway starts no second Envoy."""
    port = free_port(set())
    envoy.apply([route(port, ports, old=100)])
    pid = Program(envoy.folder / "process").pid()
    again = EnvoyRouter(envoy.folder, Program)
    again.apply([route(port, ports, new=100)])
    assert Program(envoy.folder / "process").pid() == pid
    assert get(port) == (200, "new")


@pytest.mark.integration
def test_a_taken_port_is_named_and_works_once_it_is_free(
    envoy: EnvoyRouter, ports: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps nobody else from moving. Envoy ignores what it could not do before: it is told again."""
    from clearway.integrations.envoy import router as module

    monkeypatch.setattr(module, "AGAIN", timedelta(0))
    good = route(free_port(set()), ports, old=100)
    envoy.apply([good])
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        other = Route("prod/other", port, {"new": [ports["new"]]}, {"new": 100})
        for weights in ({"old": 100}, {"new": 100}, {"old": 100}):
            moved = replace(good, weights=weights)
            closed = envoy.apply([moved, other])
            assert list(closed) == ["prod/other"]
            assert str(port) in closed["prod/other"]
            assert get(good.port) == (200, *weights), "the others are served and moved"
    assert envoy.apply([good, other]) == {}
    assert get(port) == (200, "new")


def test_a_taken_port_of_one_place_is_answered_by_its_name(router: Router, ports: dict[str, int]) -> None:
    """The port's promise, kept by the fake too."""
    good = route(free_port(set()), ports, old=100)
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        other = replace(good, name="prod/other", port=stranger.getsockname()[1])
        if isinstance(router, FakeRouter):
            router.taken = {other.port}
        assert list(router.apply([good, other])) == ["prod/other"]


@pytest.mark.integration
def test_a_full_disk_is_a_delay(
    envoy: EnvoyRouter, ports: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retry, while the router serves on as before."""
    port = free_port(set())
    envoy.apply([route(port, ports, old=100)])
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(Retry, match="space"):
            envoy.apply([route(port, ports, new=100)])
    assert get(port) == (200, "old")
    envoy.apply([route(port, ports, new=100)])
    assert get(port) == (200, "new")


@pytest.mark.integration
def test_nobody_else_reaches_the_admin_interface(tmp_path: Path, ports: dict[str, int]) -> None:
    """No port at all, and a socket for its owner only, however long the home's path is."""
    envoy = EnvoyRouter(tmp_path / ("long" * 30) / "router", Program)
    try:
        port = free_port(set())
        envoy.apply([route(port, ports, new=100)])
        pid = Program(envoy.folder / "process").pid()
        listens = {
            each.laddr.port for each in psutil.Process(pid).net_connections("tcp") if each.status == "LISTEN"
        }
        assert listens == {port}
        made = envoy.folder / "process" / "admin.sock"
        assert made.is_socket()
        assert made.stat().st_mode & 0o077 == 0
        assert made.parent.stat().st_mode & 0o077 == 0
        assert get(port) == (200, "new")
    finally:
        envoy.stop()


@pytest.mark.integration
def test_a_router_of_an_older_clearway_is_adopted(envoy: EnvoyRouter, ports: dict[str, int]) -> None:
    """Its admin interface has a port: it serves on as it is, and the next one has none."""
    from clearway.integrations.envoy import resources

    old, port = free_port(set()), free_port(set())
    boot = resources.bootstrap(envoy.xds, "") | {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": old}}}
    }
    for name in ("cds.json", "lds.json"):
        (envoy.xds / name).write_text('{"resources": []}')
    (envoy.folder / "boot.json").write_text(json.dumps(boot))
    (envoy.folder / "admin.port").write_text(str(old))
    program = Program(envoy.folder / "process")
    program.start(
        [envoy_program(), "-c", str(envoy.folder / "boot.json"), "--disable-hot-restart"], dict(os.environ)
    )
    pid = program.pid()
    wait_until(envoy.alive, "the old one to answer", 20)
    envoy.apply([route(port, ports, new=100)])
    assert program.pid() == pid
    assert get(port) == (200, "new")
    program.stop(5)
    envoy.apply([route(port, ports, new=100)])
    assert not (envoy.folder / "admin.port").exists()
    assert get(port) == (200, "new")


@pytest.mark.integration
def test_paths_and_headers_reach_the_service_as_they_were_sent(
    envoy: EnvoyRouter, ports: dict[str, int]
) -> None:
    """%2F of a package's scope or an object's key, and underscores of a header, are the service's to read."""
    port = free_port(set())
    envoy.apply([route(port, ports, new=100)])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/@scope%2Fname", headers={"x_old_name": "1"})
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"new")
    connection.close()
    assert Named.seen[-1] == ("/@scope%2Fname", "1")


def test_nothing_is_under_way_where_nobody_asked(router: Router, ports: dict[str, int]) -> None:
    """0 before the router runs, and while nobody sends anything."""
    assert router.under_way([ports["old"]]) == 0
    router.apply([route(free_port(set()), ports, old=100)])
    assert router.under_way(list(ports.values())) == 0
    router.stop()
    assert router.under_way([ports["old"]]) == 0


@pytest.mark.integration
def test_what_leaves_ends_what_it_has_and_gets_nothing_new(envoy: EnvoyRouter, ports: dict[str, int]) -> None:
    """A request under way is counted until it is answered, though its instance left; others go elsewhere."""
    port = free_port(set())
    shared = {"shop": [ports["old"], ports["new"]]}
    envoy.apply([Route("prod/shop", port, {"shop": [ports["old"]]}, {"shop": 100})])
    Named.hold.clear()
    answers: list[tuple[int, str]] = []
    slow = threading.Thread(target=lambda: answers.append(get(port, "/hold")))
    slow.start()
    try:
        wait_until(lambda: envoy.under_way([ports["old"]]) == 1, "the request to be under way")
        envoy.apply(
            [Route("prod/shop", port, {"shop": [ports["new"]]}, {"shop": 100}, {"shop": [ports["old"]]})]
        )
        assert envoy.under_way([ports["old"]]) == 1
        assert envoy.under_way([ports["new"]]) == 0
        wait_until(lambda: get(port) == (200, "new"), "new requests to go elsewhere")
        assert {get(port) for _ in range(20)} == {(200, "new")}
    finally:
        Named.hold.set()
        slow.join(10)
    assert answers == [(200, "old")]
    wait_until(lambda: envoy.under_way(shared["shop"]) == 0, "it to be over")
