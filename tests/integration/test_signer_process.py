"""The signer as a process: what it signs, for whom, and what a hostile build can do about it."""

from __future__ import annotations

import json
import os
import pwd
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from building import Builder, script_service
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from repositories import Made
from signers import Signing

from clearway import artifacts
from clearway.artifacts import PROVENANCE, Signer, sign, statement
from clearway.artifacts.model import pre_authentication, statement_bytes
from clearway.build import Sandbox
from clearway.build.ports import FakePackages, Job, Limits, Mount
from clearway.cli import supervise
from clearway.cli.doctor import examine
from clearway.cli.exits import CliError
from clearway.integrations.bubblewrap import Bubblewrap, Container, Plain
from clearway.integrations.signer_process import ProcessSigner, serve
from clearway.kernel import Invalid, Permanent, Retry
from clearway.wiring import processes
from clearway.wiring import settings as wired

pytestmark = pytest.mark.integration
DIGEST = "sha256:" + "ab" * 32
SAID = statement([("a.whl", DIGEST)], PROVENANCE, {"x": 1})


@pytest.fixture
def signing(tmp_path: Path) -> Iterator[Signing]:
    found = Signing(tmp_path).start()
    try:
        yield found
    finally:
        found.end()


def encoded(content: Any, kind: str = "application/vnd.in-toto+json") -> bytes:
    return pre_authentication(content if isinstance(content, bytes) else json.dumps(content).encode(), kind)


def test_only_statements_are_signed(signing: Signing) -> None:
    """Whoever reaches it gets no other bytes signed: no commit, no token, no other kind of envelope."""
    wrong = [
        b"",
        b"any bytes",
        encoded(SAID, "text/plain"),
        encoded(b"\xff\xfe"),
        encoded({**SAID, "_type": "https://in-toto.io/Statement/v0.1"}),
        encoded({**SAID, "subject": []}),
        encoded({**SAID, "subject": [{"digest": {"sha1": "ab" * 20}}]}),
        encoded({**SAID, "subject": [{"digest": {"sha256": "AB" * 32}}]}),
        encoded({**SAID, "predicateType": ""}),
        encoded({**SAID, "predicate": []}),
        encoded(statement_bytes(SAID)[:-1] + b',"subject":[]}'),
        encoded(b"[" * 200_000),
        encoded(b'{"_type": NaN}'),
        encoded(SAID) + b" ",
        encoded(SAID).replace(b"DSSEv1 28 ", b"DSSEv1 028 "),
    ]
    for content in wrong:
        with pytest.raises(Permanent, match="the signer refuses"):
            signing.client.sign(content)
    signing.client.sign(encoded(SAID))
    assert len(signing.log.read_text().splitlines()) == 1


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_no_bytes_are_a_statement_by_chance(content: bytes) -> None:
    """What is signed is a statement that verifiers read as the signer did."""
    for words in (content, b"DSSEv1 " + content, encoded(content)):
        with pytest.raises(serve.Refused):
            serve.read_statement(words)


def test_nonsense_on_the_socket_ends_that_caller_only(signing: Signing) -> None:
    """Half a request, an endless line, a length that is none: the next caller is answered."""
    for words in (b"sign 10\nabc", b"x" * 100_000, b"sign -1\n", b"sign 99999999999999\n", b"keys\n", b"\n"):
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(signing.address))
            caller.sendall(words)
            caller.shutdown(socket.SHUT_WR)
            assert caller.recv(1000)[:3] in (b"no ", b"")
    assert signing.client.who()["pid"] == signing.process.pid  # type: ignore[union-attr]


def test_everything_that_was_signed_is_in_the_log(signing: Signing) -> None:
    """Key, moment, type, subjects and the digest of what was signed; for nobody but the owner to read."""
    sign(signing.client, SAID)
    line = json.loads(signing.log.read_text())
    assert line["keyid"] in signing.client.public_keys()
    assert (line["predicateType"], line["subjects"]) == (PROVENANCE, ["ab" * 32])
    assert line["pid"] == os.getpid()
    assert stat.S_IMODE(signing.log.stat().st_mode) == 0o600
    assert stat.S_IMODE(signing.address.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(signing.key.stat().st_mode) == 0o600


def test_many_at_once_are_all_answered(signing: Signing) -> None:
    """More callers than it hears at a time; each signature has its line."""
    found: list[str] = []

    def ask(number: int) -> None:
        content = sign(signing.client, statement([("a", DIGEST)], PROVENANCE, {"number": number}))
        found.append(content["signatures"][0]["sig"])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(60)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(set(found)) == 60
    assert len({json.loads(line)["statement"] for line in signing.log.read_text().splitlines()}) == 60


def test_killed_at_any_moment_nothing_is_lost(signing: Signing) -> None:
    """Whoever asked while it was away gets the signature when it is back, by the same key."""
    made: list[dict[str, Any]] = []
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            for number in range(150):
                said = statement([("a", DIGEST)], PROVENANCE, {"number": number})
                made.append(sign(signing.client, said))
        except BaseException as error:  # noqa: BLE001 - told by the test
            failed.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    for least in (20, 60, 100):
        deadline = time.monotonic() + 30
        while len(made) < least and asking.is_alive():
            assert time.monotonic() < deadline
            time.sleep(0.001)
        signing.kill()
        signing.start()
    asking.join()
    assert failed == []
    assert len({each["signatures"][0]["keyid"] for each in made}) == 1
    logged = {json.loads(line)["statement"] for line in signing.log.read_text().splitlines()}
    assert len(made) == len(logged) == 150


def test_away_it_is_a_matter_of_trying_again(tmp_path: Path, signing: Signing) -> None:
    """Retry, with where to look; keys verify meanwhile, for they are files."""
    content = sign(signing.client, SAID)
    signing.kill()
    away = ProcessSigner(signing.address, signing.key, wait_s=0.1)
    with pytest.raises(Retry, match="does not answer"):
        away.sign(encoded(SAID))
    artifacts.verify_envelope(content, away.public_keys())
    with pytest.raises(Retry, match="made no key yet"):
        ProcessSigner(tmp_path / "none/socket", tmp_path / "none/evidence.pem").public_keys()


def test_a_new_key_keeps_the_old_one_s_word(signing: Signing) -> None:
    """Changing the key is: remove its file, start the signer again."""
    old = sign(signing.client, SAID)
    signing.kill()
    signing.key.unlink()
    signing.start()
    new = sign(signing.client, SAID)
    assert old["signatures"][0]["keyid"] != new["signatures"][0]["keyid"]
    for content in (old, new):
        artifacts.verify_envelope(content, signing.client.public_keys())


def test_a_second_signer_waits_for_the_first_one_s_end(signing: Signing) -> None:
    """One at a time at a socket; the one that waited takes over by itself."""
    second = Signing(signing.key.parent.parent)
    words = [sys.executable, "-I", serve.__file__, "--key", str(signing.key)]
    second.process = subprocess.Popen(
        [*words, "--socket", str(signing.address), "--log", str(signing.log)], stderr=subprocess.PIPE
    )
    try:
        assert signing.client.who()["pid"] == signing.process.pid  # type: ignore[union-attr]
        signing.kill()
        assert signing.client.who()["pid"] == second.process.pid
    finally:
        second.end()


def test_a_place_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    """A folder or a key that others may open: it does not start, and says why."""
    (tmp_path / "signer").mkdir(mode=0o755)
    (tmp_path / "signer").chmod(0o755)
    words = [sys.executable, "-I", serve.__file__, "--key", str(tmp_path / "k.pem")]
    words += ["--socket", str(tmp_path / "signer/socket"), "--log", str(tmp_path / "l")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert (done.returncode, "others may enter" in done.stderr) == (1, True)
    (tmp_path / "signer").chmod(0o700)
    (tmp_path / "k.pem").chmod(0o644)
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert (done.returncode, "others may read the signing key" in done.stderr) == (1, True)


def test_a_path_too_long_for_a_socket_works(tmp_path: Path) -> None:
    """Homes lie where people want them."""
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    signing = Signing(deep).start()
    try:
        signing.client.sign(encoded(SAID))
    finally:
        signing.end()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts a process of another user")
def test_as_its_own_user_it_can_be_asked_and_no_longer_be_root(tmp_path: Path) -> None:
    """Root opens key, log and socket; what answers afterwards is the user that was set."""
    signing = Signing(tmp_path).start("--user", "nobody")
    try:
        own = ProcessSigner(signing.address, signing.key, "nobody")
        assert own.who()["uid"] == pwd.getpwnam("nobody").pw_uid
        assert own.kind == "process of its own user"
        artifacts.verify_envelope(sign(own, SAID), own.public_keys())
        assert len(signing.log.read_text().splitlines()) == 1
    finally:
        signing.end()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_another_user_is_not_heard() -> None:
    """Also when somebody opened the folder to him: the kernel says who calls."""
    with tempfile.TemporaryDirectory() as name:
        signing = Signing(Path(name)).start()
        try:
            for folder in (Path(name), signing.address.parent):
                folder.chmod(0o755)
            signing.address.chmod(0o777)
            read, write = os.pipe()
            if (child := os.fork()) == 0:  # no new program: the interpreter may lie where he may not look
                try:
                    os.setuid(pwd.getpwnam("nobody").pw_uid)
                    with socket.socket(socket.AF_UNIX) as caller:
                        caller.connect(str(signing.address))
                        caller.sendall(b"who\n")
                        os.write(write, caller.recv(999))
                finally:
                    os._exit(0)
            os.close(write)
            os.waitpid(child, 0)
            with os.fdopen(read, "rb") as answer:
                assert answer.read() == b"no you are not heard here\n"
        finally:
            signing.end()


# What a hostile step tries; it prints a line for each thing that it got.
HOSTILE = """
import ctypes, glob, os, socket, sys
address, key, log, pid = sys.argv[1:5]
said = bytes.fromhex(PAYLOAD)
def got(what): print("GOT", what, flush=True)
def tried(what, function):
    try:
        if function(): got(what)
    except Exception as error: print("failed", what, type(error).__name__)
def ask(where):
    with socket.socket(socket.AF_UNIX) as c:
        c.settimeout(5); c.connect(where); c.sendall(b"sign %d\\n" % len(said) + said)
        return c.makefile("rb").readline().startswith(b"ok ")
def listed(): return "PRIVATE" in open(key).read()
tried("signature", lambda: ask(address))
tried("key", listed)
tried("log", lambda: open(log).read())
tried("process", lambda: b"serve.py" in open(f"/proc/{pid}/cmdline", "rb").read())
tried("memory", lambda: open(f"/proc/{pid}/mem", "rb"))
tried("descriptors", lambda: os.listdir(f"/proc/{pid}/fd"))
tried("root", lambda: os.listdir(f"/proc/{pid}/root"))
tried("signal", lambda: os.kill(int(pid), 0) is None)
if "--trace" in sys.argv: tried("trace", lambda: ctypes.CDLL(None).ptrace(16, int(pid), 0, 0) == 0)
for name in glob.glob("/proc/*/root" + address): tried("socket by " + name, lambda: ask(name))
for line in open("/proc/net/unix").read().splitlines()[1:]:
    if line.split()[-1].startswith("@"): got("abstract socket")
print("done")
"""


def attack(sandbox: Sandbox, folder: Path, signing: Signing, *more: str) -> str:
    (folder / "hostile.py").write_text(HOSTILE.replace("PAYLOAD", repr(encoded(SAID).hex())))
    bench, output = Mount(folder, "/build", writable=True), bytearray()
    assert signing.process is not None
    words = [sandbox.python, f"{sandbox.where(bench)}/hostile.py", str(signing.address), str(signing.key)]
    job = Job(
        argv=(*words, str(signing.log), str(signing.process.pid), *more),
        cwd=sandbox.where(bench),
        environment={"PATH": "/usr/bin:/bin"},
        mounts=(bench,),
        limits=Limits(seconds=60),
    )
    sandbox.run(job, output.extend, lambda: None)
    assert output.decode().endswith("done\n"), output.decode()
    return output.decode()


def usable(found: Bubblewrap | Container) -> Sandbox:
    if reason := found.usable():
        pytest.skip(f"{found.mode} cannot be used here: {reason}")
    return found


@pytest.mark.parametrize("kind", [Bubblewrap, Container])
def test_no_step_in_a_sandbox_reaches_signer_key_or_log(
    tmp_path: Path, signing: Signing, kind: type[Bubblewrap | Container]
) -> None:
    """It knows every path and number, and finds none of them behind."""
    folder = tmp_path / "bench"
    folder.mkdir()
    told = attack(usable(kind()), folder, signing, "--trace")
    assert "GOT" not in told, told
    assert not signing.log.exists() or signing.log.read_text() == ""


@pytest.mark.parametrize("kind", [Bubblewrap, Container])
def test_a_socket_that_is_mounted_by_mistake_does_not_hear_a_sandboxed_job(
    signing: Signing, kind: type[Bubblewrap | Container]
) -> None:
    """A second wall: a caller in other namespaces is refused, even where the folder is in its root."""
    sandbox, output = usable(kind()), bytearray()
    code = "import socket; c = socket.socket(socket.AF_UNIX); c.connect('/mistake/socket'); "
    code += "c.sendall(b'who\\n'); print(c.recv(999).decode())"
    job = Job(
        (sandbox.python, "-c", code), "/", {}, (Mount(signing.address.parent, "/mistake", writable=True),)
    )
    sandbox.run(job, output.extend, lambda: None)
    assert output.decode().strip() == "no you are not heard here"


def test_a_step_in_a_plain_process_can_and_docs_say_so(tmp_path: Path, signing: Signing) -> None:
    """The honest half: as the same user without a sandbox it gets signatures and the key."""
    folder = tmp_path / "bench"
    folder.mkdir()
    told = attack(Plain(), folder, signing)
    assert "GOT signature" in told
    assert "GOT key" in told
    text = (Path(__file__).parents[2] / "docs/security/slsa.md").read_text()
    assert "a step that runs as a plain process can" in text.replace("\n", " ")


def test_a_build_is_signed_by_the_process_and_says_so(
    tmp_path: Path, signing: Signing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between two builds, and the next is signed by the same key."""
    made = Made(tmp_path / "repository")
    steps = "  - {name: compile, run: [sh, -c, 'echo made > out.txt']}\n"
    script_service(made, steps)
    builder = Builder(tmp_path, str(made.root), usable(Bubblewrap()), FakePackages(tmp_path / "p"))
    builder.database.tools[Signer] = signing.client
    for _ in range(2):
        done = builder.run(twice=False)
        assert done.status == "succeeded", done.error
        with builder.database.read() as uow:
            found = artifacts.verify_stored(uow, done.artifacts[0].digest)
        provenance = next(each for each in found if each.predicate_type == PROVENANCE)
        told = provenance.predicate["buildDefinition"]["internalParameters"]["signer"]
        assert told == {"key": "process"}
        signing.kill()
        signing.start()


def test_a_hostile_recipe_builds_and_gets_nothing(tmp_path: Path, signing: Signing) -> None:
    """By clearway.yaml, as a team would commit it: no prize in its log, nothing signed but its own."""
    made = Made(tmp_path / "repository")
    assert signing.process is not None
    prizes = [str(signing.address), str(signing.key), str(signing.log), str(signing.process.pid), "--trace"]
    words = json.dumps(["sh", "-c", 'python hostile.py "$@"; echo made > out.txt', "sh", *prizes])
    hostile = HOSTILE.replace("PAYLOAD", repr(encoded(SAID).hex()))
    script_service(made, f"  - {{name: attack, run: {words}}}\n", files={"hostile.py": hostile})
    builder = Builder(tmp_path, str(made.root), usable(Bubblewrap()), FakePackages(tmp_path / "p"))
    builder.database.tools[Signer] = signing.client
    done = builder.run(twice=False)
    log = builder.log(done.id)
    assert (done.status, "attack | done" in log) == ("succeeded", True), log
    assert "GOT" not in log
    subjects = [json.loads(line)["subjects"] for line in signing.log.read_text().splitlines()]
    assert {digest for each in subjects for digest in each} == {done.artifacts[0].digest[7:]}


def test_clearway_starts_it_with_its_settings(tmp_path: Path) -> None:
    """`clearway up` has it as a child beside server and worker; its places are where those look for it."""
    assert [each.name for each in supervise._children(tmp_path, "127.0.0.1", 1)] == [
        "server",
        "worker",
        "signer",
    ]
    words = [sys.executable, "-m", "clearway.wiring", "signer", "--home", str(tmp_path)]
    process = subprocess.Popen(words)
    try:
        chosen = wired.load(tmp_path)
        found = ProcessSigner(chosen.signer_socket, chosen.signer_key)
        assert found.who()["pid"] == process.pid
        artifacts.verify_envelope(sign(found, SAID), found.public_keys())
    finally:
        process.kill()
        process.wait()


def test_up_starts_it_again(tmp_path: Path) -> None:
    """Killed, it is back after half a second, and who asked meanwhile has waited."""
    (tmp_path / "logs").mkdir()
    child = supervise._children(tmp_path, "127.0.0.1", 1)[2]
    chosen = wired.load(tmp_path)
    client = ProcessSigner(chosen.signer_socket, chosen.signer_key)
    child.start()
    try:
        keyid, _ = client.sign(encoded(SAID))
        assert child.process is not None
        child.process.kill()
        child.process.wait()
        asked: list[str] = []
        asking = threading.Thread(target=lambda: asked.append(client.sign(encoded(SAID))[0]))
        asking.start()
        deadline = time.monotonic() + 30
        while asking.is_alive():
            assert time.monotonic() < deadline
            child.look()
            time.sleep(0.02)
        assert asked == [keyid]
    finally:
        child.ask_to_stop()
        child.stop(time.monotonic() + 10)


def test_doctor_asks_it(tmp_path: Path, signing: Signing) -> None:
    """Whether it answers, and by which key; that it is away is a finding with what to do."""

    def nobody() -> Any:
        raise CliError("no server")

    def said() -> dict[str, str]:
        return next(each for each in examine(tmp_path, nobody) if each["name"] == "signer")

    (keyid,) = signing.client.public_keys()
    assert (said()["status"], keyid[:16] in said()["message"]) == ("ok", True)
    signing.kill()
    assert (said()["status"], "logs/signer.log" in said()["todo"]) == ("warning", True)
    assert [each for each in examine(tmp_path / "new", nobody) if each["name"] == "signer"] == []


def test_only_root_gives_it_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who wants the wall must not get none because of a setting that cannot be kept."""
    (tmp_path / "clearway.toml").write_text('signer_user = "nobody"\n')
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Invalid, match="only root"):
        processes.signer(wired.load(tmp_path))


def test_the_signer_loads_nothing_of_ours(tmp_path: Path) -> None:
    """What holds the key is one file, the standard library and cryptography."""
    code = f"import runpy, sys; runpy.run_path({serve.__file__!r}); "
    code += "print([n for n in sys.modules if n.startswith(('clearway', 'pydantic', 'sqlalchemy'))])"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
