"""The Fetcher port: the real one on a server that lies, and the fake."""

from __future__ import annotations

import hashlib
import http.server
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from clearway.build.ports import FakeFetcher, Fetched, Fetcher, Locked
from clearway.integrations.fetch import HttpFetcher, Registries
from clearway.integrations.fetch.fetcher import FetchLimits
from clearway.kernel import Permanent, Retry, sha256

GOOD = b"the package" * 1000


class Network(http.server.ThreadingHTTPServer):
    """Answers by path; a path may redirect, fail for a while, or send more than anybody wants."""

    daemon_threads = True
    files: dict[str, bytes]
    moved: dict[str, str]
    failures: dict[str, int]
    asked: list[str]


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Network

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path in self.server.moved:
            self.send_response(302)
            self.send_header("Location", self.server.moved[self.path])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.server.failures.get(self.path, 0) > 0:
            self.server.failures[self.path] -= 1
            self.send_error(503)
            return
        data = self.server.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def network() -> Iterator[Network]:
    server = Network(("127.0.0.1", 0), _Handler)
    server.files, server.moved, server.failures, server.asked = {"/good": GOOD}, {}, {}, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def url_of(network: Network, path: str = "/good") -> str:
    return f"http://127.0.0.1:{network.server_port}{path}"


def real(root: Path, network: Network, **given: object) -> HttpFetcher:
    registry = Registries({"registry": url_of(network, "/npm")})
    return HttpFetcher(root, registries=registry, waits=(0.0, 0.0), **given)  # type: ignore[arg-type]


@dataclass
class Subject:
    """A fetcher, and the address of the good bytes."""

    fetcher: Fetcher
    url: str
    network: Network
    asked: list[str] = field(default_factory=list)


@pytest.fixture(params=["real", "fake"])
def subject(request: pytest.FixtureRequest, tmp_path: Path, network: Network) -> Subject:
    if request.param == "real":
        return Subject(real(tmp_path / "store", network), url_of(network), network, network.asked)
    fake = FakeFetcher(tmp_path / "store", {url_of(network): GOOD})
    return Subject(fake, url_of(network), network, fake.asked)


def digest(kind: str, data: bytes = GOOD) -> str:
    return f"{kind}:{hashlib.new(kind, data).hexdigest()}"


def fetch(fetcher: Fetcher, *items: Locked) -> tuple[Fetched, ...]:
    return fetcher.fetch(items, lambda data: None, lambda: None)


@pytest.mark.parametrize("kinds", [("sha256",), ("sha512",), ("sha384",), ("sha1", "sha512")])
def test_what_the_lock_names_is_brought_and_kept_read_only(subject: Subject, kinds: tuple[str, ...]) -> None:
    """By any strong digest; the file cannot be written to, and is named by its SHA-256."""
    (found,) = fetch(subject.fetcher, Locked("a 1", subject.url, tuple(digest(kind) for kind in kinds)))
    assert (found.path.read_bytes(), found.digest, found.size) == (GOOD, sha256(GOOD), len(GOOD))
    assert (found.origin, found.location) == ("network", subject.url)
    assert found.path.stat().st_mode & 0o222 == 0


def test_what_is_there_is_not_asked_for_again(subject: Subject) -> None:
    """A second build of the same lock works without a network."""
    item = Locked("a 1", subject.url, (digest("sha512"),))
    fetch(subject.fetcher, item)
    (again,) = fetch(subject.fetcher, item)
    assert (again.origin, again.path.read_bytes(), len(subject.asked)) == ("store", GOOD, 1)
    assert again.location == subject.url


def test_a_file_that_was_changed_in_the_store_is_fetched_again(subject: Subject) -> None:
    """The store is never believed."""
    item = Locked("a 1", subject.url, (digest("sha512"),))
    (found,) = fetch(subject.fetcher, item)
    found.path.chmod(0o644)
    found.path.write_bytes(b"poison")
    (again,) = fetch(subject.fetcher, item)
    assert (again.origin, again.path.read_bytes()) == ("network", GOOD)


@pytest.mark.parametrize("digests", [(digest("sha512", b"x"),), (digest("sha512"), digest("sha1", b"x"))])
def test_other_bytes_are_refused(subject: Subject, digests: tuple[str, ...]) -> None:
    """Every digest that the lock gives must be right, the weak ones too; nothing is kept."""
    with pytest.raises(Permanent, match=r"a 1: .*other bytes than the lock"):
        fetch(subject.fetcher, Locked("a 1", subject.url, digests))
    with pytest.raises(Permanent):
        fetch(subject.fetcher, Locked("a 1", subject.url, digests))
    assert len(subject.asked) == 2


@pytest.mark.parametrize("digests", [(), (digest("sha1"),), (digest("md5"),)])
def test_a_digest_that_proves_nothing_is_refused(subject: Subject, digests: tuple[str, ...]) -> None:
    """SHA-1 alone can be forged; nobody is asked."""
    with pytest.raises(Permanent, match="a 1: the lock file has"):
        fetch(subject.fetcher, Locked("a 1", subject.url, digests))
    assert subject.asked == []


def test_what_is_not_there_ends_it_all(subject: Subject) -> None:
    """All or nothing."""
    missing = Locked("b 2", subject.url + "-not", (digest("sha512", b"b"),))
    with pytest.raises(Permanent, match="b 2"):
        fetch(subject.fetcher, Locked("a 1", subject.url, (digest("sha512"),)), missing)


def test_the_answers_have_the_order_of_the_questions(subject: Subject) -> None:
    """Also when some were there before."""
    item = Locked("a 1", subject.url, (digest("sha512"),))
    fetch(subject.fetcher, item)
    again = Locked("again", subject.url, (digest("sha256"), digest("sha512")))
    assert [each.name for each in fetch(subject.fetcher, again, item, again)] == ["again", "a 1", "again"]
    assert fetch(subject.fetcher) == ()


def test_the_fake_is_away_when_told() -> None:
    """So that others can be tested."""
    fake = FakeFetcher(Path("/nonexistent"), away=True)
    with pytest.raises(Retry):
        fetch(fake, Locked("a 1", "x", (digest("sha512"),)))


def test_one_file_has_many_names_and_lies_there_once(network: Network, tmp_path: Path) -> None:
    """Fetched by SHA-512, found by SHA-256, on the disk once."""
    fetcher = real(tmp_path, network)
    (first,) = fetch(fetcher, Locked("a 1", url_of(network), (digest("sha512"),)))
    (second,) = fetch(fetcher, Locked("a 1", url_of(network), (digest("sha256"),)))
    assert second.origin == "store"
    assert len({each.stat().st_ino for each in tmp_path.rglob("*") if each.is_file()}) == 1
    assert first.path.stat().st_ino == second.path.stat().st_ino


@pytest.mark.parametrize(
    "url",
    ["http://localhost:1/good", "file:///etc/passwd", "ftp://127.0.0.1/x", "git+ssh://127.0.0.1/x", "x", ""],
)
def test_only_registries_of_this_machine_are_asked(network: Network, tmp_path: Path, url: str) -> None:
    """A lock file says which bytes, not whom we connect to."""
    with pytest.raises(Permanent, match=r"a 1: it would come from"):
        fetch(real(tmp_path, network), Locked("a 1", url, (digest("sha512"),)))
    assert network.asked == []


def test_a_host_that_the_settings_name_is_asked(network: Network, tmp_path: Path) -> None:
    """For files that no registry has."""
    url = f"http://localhost:{network.server_port}/good"
    (found,) = fetch(real(tmp_path, network, hosts=["LOCALHOST"]), Locked("a", url, (digest("sha512"),)))
    assert found.location == url


def test_a_path_is_below_the_registry(network: Network, tmp_path: Path) -> None:
    """Of its scope, when that has its own."""
    network.files["/npm/ms/-/ms-1.tgz"] = b"ms"
    network.files["/own/@a/b/-/b-1.tgz"] = b"scoped"
    npm = {"registry": url_of(network, "/npm"), "@a:registry": url_of(network, "/own")}
    fetcher = HttpFetcher(tmp_path, registries=Registries(npm))
    found = fetch(
        fetcher,
        Locked("ms 1", "ms/-/ms-1.tgz", (digest("sha512", b"ms"),), "npm"),
        Locked("@a/b 1", "@a/b/-/b-1.tgz", (digest("sha512", b"scoped"),), "npm", "@a"),
    )
    assert [each.path.read_bytes() for each in found] == [b"ms", b"scoped"]


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("file:///etc/passwd", "only http"),
        ("http://localhost:1/x", "no registry of this machine"),
        ("/loop", "redirects"),
    ],
)
def test_a_redirect_is_a_new_address(network: Network, tmp_path: Path, target: str, reason: str) -> None:
    """Under the same rules, and not for ever."""
    network.moved["/loop"] = target
    with pytest.raises(Permanent, match=reason):
        fetch(real(tmp_path, network), Locked("a", url_of(network, "/loop"), (digest("sha512"),)))


def test_a_redirect_to_the_same_registry_is_followed(network: Network, tmp_path: Path) -> None:
    """The place that is told is the one that was asked for."""
    network.moved["/old"] = "/good"
    (found,) = fetch(real(tmp_path, network), Locked("a", url_of(network, "/old"), (digest("sha512"),)))
    assert (found.location, found.path.read_bytes()) == (url_of(network, "/old"), GOOD)


def test_https_never_becomes_less(network: Network, tmp_path: Path) -> None:
    """Also on the same host."""
    with pytest.raises(Permanent, match="from https to http"):
        real(tmp_path, network).must_be_allowed(
            Locked("a", "", ()), url_of(network), "https://127.0.0.1/before"
        )


def test_a_file_may_only_be_so_large(network: Network, tmp_path: Path) -> None:
    """Nothing of it stays."""
    fetcher = real(tmp_path, network, limits=FetchLimits(file_bytes=100))
    with pytest.raises(Permanent, match="more than"):
        fetch(fetcher, Locked("a", url_of(network), (digest("sha512"),)))
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []


def test_all_files_may_only_be_so_large(network: Network, tmp_path: Path) -> None:
    """Together."""
    fetcher = real(tmp_path, network, limits=FetchLimits(total_bytes=100))
    with pytest.raises(Permanent, match="together"):
        fetch(fetcher, Locked("a", url_of(network), (digest("sha512"),)))


def test_a_registry_that_is_busy_is_asked_again(network: Network, tmp_path: Path) -> None:
    """Three times in all."""
    network.failures["/good"] = 2
    item = Locked("a", url_of(network), (digest("sha512"),))
    assert fetch(real(tmp_path / "a", network), item)[0].path.read_bytes() == GOOD
    network.failures["/good"] = 3
    with pytest.raises(Retry, match="503"):
        fetch(real(tmp_path / "b", network), item)


def test_a_registry_that_is_away_is_retry(network: Network, tmp_path: Path) -> None:
    """Not the fault of whoever builds."""
    fetcher = HttpFetcher(tmp_path, ["127.0.0.1"], Registries({}), waits=())
    with pytest.raises(Retry, match="cannot be reached"):
        fetch(fetcher, Locked("a", "http://127.0.0.1:1/x", (digest("sha512"),)))


def test_a_stop_ends_the_fetching(network: Network, tmp_path: Path) -> None:
    """What `watch` raises goes on, and no thread is left."""

    class Stopped(Exception):
        pass

    def watch() -> None:
        raise Stopped

    before = threading.active_count()
    with pytest.raises(Stopped):
        real(tmp_path, network).fetch(
            [Locked("a", url_of(network), (digest("sha512"),))], lambda data: None, watch
        )
    assert not [each for each in threading.enumerate() if each.name.startswith("ThreadPoolExecutor")]
    assert threading.active_count() <= before + 1


@pytest.mark.skipif(not shutil.which("npm"), reason="no npm")
def test_this_machine_knows_its_registry() -> None:
    """As npm itself says; a repository's own settings are not read."""
    assert Registries().npm().startswith("http")
    assert Registries().hosts()
