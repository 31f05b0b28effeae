"""Rebuilding what was built, with real programs in a real sandbox."""

from __future__ import annotations

import json
import logging
import shutil
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from answers import Held
from building import Builder, Killed, Steps, script_service
from repositories import Made
from servers import Settings, serving

from clearway import access, artifacts, build, catalog
from clearway.api import create_app
from clearway.artifacts import REBUILT
from clearway.build import Reproduction
from clearway.build.flows import run_reproduction
from clearway.build.reproduce import store as reproduction_store
from clearway.build.reproduce.schedule import start_due
from clearway.cli import main
from clearway.integrations.bubblewrap import Bubblewrap
from clearway.integrations.python_packages import PythonPackages
from clearway.kernel import SYSTEM

pytestmark = pytest.mark.integration


@pytest.fixture
def builder(tmp_path: Path) -> Any:
    sandbox = Bubblewrap()
    if reason := sandbox.usable():
        pytest.skip(f"bubblewrap cannot be used here: {reason}")

    def make(steps: str, outputs: str = "[dist/*]", files: dict[str, str] | None = None) -> Builder:
        made = Made(tmp_path / "repository")
        script_service(made, steps, outputs, files=files)
        return Builder(tmp_path, str(made.root), sandbox, PythonPackages(tmp_path / "wheelhouse"))

    return make


def reproduce(builder: Builder, done: build.Build, steps: Steps | None = None) -> Reproduction:
    """Ask for it, and run it to its end."""
    return builder.reproduce(done, steps)


def names(found: Reproduction) -> list[str]:
    return [each["name"] for each in found.report["causes"]]


STEP = "    - {name: pack, run: [sh, -c, '%s']}\n"
PACK = (
    "mkdir -p dist && tar --sort=name --mtime=@$SOURCE_DATE_EPOCH --owner=0 --group=0 --numeric-owner"
    " --mode=u=rwX,go=rX -cf - a.txt b | gzip -n > dist/a.tar.gz"
)
FILES = {"a.txt": "a\n", "b/c.txt": "c\n", "b/d.txt": "d\n"}


def test_what_depends_on_nothing_is_bit_identical(builder: Any) -> None:
    """One rebuild with everything varied is enough, and the statement says what was varied."""
    system = builder(STEP % PACK, files=FILES)
    found = reproduce(system, system.run())
    assert (found.status, found.verdict) == ("done", "identical"), found.report
    assert len(found.report["rebuilds"]) == 1
    assert {"umask", "path", "timezone", "user", "host"} <= set(found.report["varied"])
    with system.database.read() as uow:
        said = [each for each in artifacts.evidence(uow, found.digest) if each.predicate_type == REBUILT]
    assert [each.predicate["identical"] for each in said] == [True]
    assert said[0].predicate["varied"] == found.report["varied"]
    assert not set(said[0].predicate["varied"]) & set(said[0].predicate["notVaried"])


LEAKS = {
    "umask": ("mkdir -p dist b && echo x > b/e && stat -c %%a b/e > dist/it", "different"),
    "timezone": ("mkdir -p dist && date -d @$SOURCE_DATE_EPOCH +%%H > dist/it", "different"),
    "locale": ("mkdir -p dist && echo $LANG > dist/it", "different"),
    "path": ("mkdir -p dist && pwd > dist/it", "different"),
    "home": ("mkdir -p dist && basename $HOME > dist/it", "different"),
    "host": ("mkdir -p dist && hostname > dist/it", "different"),
    "user": ("mkdir -p dist && id -u > dist/it", "different"),
    "cpus": ("mkdir -p dist && nproc > dist/it", "different"),
    "kernel": ("mkdir -p dist && uname -r > dist/it", "different"),
    "hash-seed": ('mkdir -p dist && python3 -c "print(hash(str(1)))" > dist/it', "different"),
    "variables": ("mkdir -p dist && env | grep -c VARIED > dist/it; true", "different"),
    "search-path": ("mkdir -p dist && echo $PATH | grep -c nowhere > dist/it; true", "different"),
    "order": ("mkdir -p dist && ls -U b > dist/it", "different"),
    "file-times": ("mkdir -p dist && tar -cf dist/it.tar --owner=0 --group=0 a.txt", "equivalent"),
    "clock": ("mkdir -p dist && date +%%Y > dist/it", "different"),
}


@pytest.mark.parametrize("name", LEAKS)
def test_each_variation_finds_its_leak(builder: Any, name: str) -> None:
    """The cause that is named is the one that is there, and it was shown by experiment."""
    command, verdict = LEAKS[name]
    files = {**FILES, **{f"b/{each}.txt": each for each in "qwertzuiopghjkl"}}
    text = command.replace("%%", "%").replace("'", "''")
    system = builder(STEP % text, files=files)
    done = system.run(twice=False)
    found = reproduce(system, done)
    variation = "file-order" if name == "order" else name
    if reason := found.report.get("not_varied", {}).get(variation):
        pytest.skip(reason)
    assert (found.status, found.verdict) == ("done", verdict), (found, system.log(done.id))
    assert names(found) == [name], found.report
    assert found.report["causes"][0]["certainty"] == "shown"
    assert found.report["causes"][0]["fix"]


def test_what_is_drawn_by_lot_is_called_so(builder: Any) -> None:
    """No variation is blamed for what differs between any two builds."""
    system = builder(STEP % "mkdir -p dist && head -c 20 /dev/urandom | base32 > dist/it")
    found = reproduce(system, system.run(twice=False))
    assert (found.verdict, names(found)) == ("different", ["randomness"]), found.report
    assert found.report["causes"][0]["certainty"] == "likely"
    assert found.report["differences"][0]["lines"]


def test_a_clock_of_whole_seconds_is_blamed_on_nothing_else(builder: Any) -> None:
    """Quick rebuilds within one second look stable; what differs between seconds is still the clock's."""
    system = builder(STEP % "mkdir -p dist && date +%s > dist/a.txt")
    found = reproduce(system, system.run())
    assert (found.verdict, len(found.report["rebuilds"])) == ("different", 3)
    assert {each["certainty"] for each in found.report["causes"]} == {"likely"}
    assert not {"umask", "kernel", "hash-seed", "user"} & set(names(found))


def test_a_variation_that_breaks_the_build_is_told_and_left_out(builder: Any) -> None:
    """The rest decides."""
    system = builder(STEP % 'mkdir -p dist && test "$(hostname)" = build && echo ok > dist/it')
    found = reproduce(system, system.run(twice=False))
    assert found.verdict == "identical", found.report
    assert "fails" in found.report["not_varied"]["host"]
    assert "host" not in found.report["varied"]


def test_several_causes_are_all_found(builder: Any) -> None:
    """Each with its own name."""
    system = builder(STEP % "mkdir -p dist && (pwd; hostname; date -d @1700000000) > dist/it")
    found = reproduce(system, system.run(twice=False))
    assert set(names(found)) == {"path", "host", "timezone"}


def test_what_cannot_be_built_any_more_says_why(builder: Any) -> None:
    """The mirror is gone: no verdict, an error, and no statement."""
    system = builder(STEP % "mkdir -p dist && echo ok > dist/it")
    done = system.run(twice=False)
    for each in (system.workshop.root.parent / "mirrors").glob("*.git"):
        shutil.rmtree(each)
    found = reproduce(system, done)
    assert (found.status, found.verdict) == ("failed", None)
    assert found.error
    with system.database.read() as uow:
        kinds = [each.predicate_type for each in artifacts.evidence(uow, found.digest)]
    assert REBUILT not in kinds


def test_a_crash_in_the_middle_goes_on(builder: Any) -> None:
    """What was rebuilt before the crash is not rebuilt again, and nothing is left in the workshop."""
    system = builder(STEP % "mkdir -p dist && hostname > dist/it")
    done = system.run(twice=False)
    steps = Steps()
    steps.die_after = 1
    with pytest.raises(Killed):
        reproduce(system, done, steps)
    ran = len(steps.ran)
    found = reproduce(system, done, steps.again())  # asks again, and is given the one under way
    assert names(found) == ["host"]
    assert steps.ran.count("rebuild 1") == 1
    assert len(steps.ran) > ran
    assert [each.name for each in (system.workshop.root / found.id).iterdir()] == ["log.txt"]


def test_a_rebuild_answers_from_no_cache_and_fills_none(builder: Any) -> None:
    """Else the second build would be the first one's bytes, or a varied rebuild would poison later builds."""
    system = builder(STEP % "mkdir -p dist && hostname > dist/it")
    done = system.run(twice=False)
    found = reproduce(system, done)
    assert found.verdict == "different"
    again = system.run(twice=False)
    assert again.artifacts[0].digest == done.artifacts[0].digest


def test_api_and_command_line_ask_wait_and_tell(
    builder: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By digest, file, or service and version; exit code 0 for the same bytes, 1 for others."""
    system = builder(STEP % "mkdir -p dist && echo ok > dist/it && hostname > dist/other")
    done = system.run(twice=False)
    good, bad = done.artifacts
    with system.database.begin() as uow:
        token = access.bootstrap(uow)
    app = create_app(system.database, Settings(tmp_path))
    for name, value in {"CLEARWAY_CONFIG": str(tmp_path / "none"), "CLEARWAY_TOKEN": str(token)}.items():
        monkeypatch.setenv(name, value)

    def worker() -> None:
        """Runs what was queued, as a worker would."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for _, key, args in list(system.queued.started):
                if key.startswith("rep_") and key not in ran:
                    ran.add(key)
                    run_reproduction(system.database, Steps(), **args)
            if ended.wait(0.1):
                return

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    ran: set[str] = set()
    ended = threading.Event()
    running = threading.Thread(target=worker, daemon=True)
    running.start()
    (tmp_path / "it").write_text("ok\n")
    with serving(app) as address:
        monkeypatch.setenv("CLEARWAY_URL", address)
        assert main(["reproduce", good.digest]) == 0
        assert "bit-identical" in capsys.readouterr().out
        assert main(["reproduce", str(tmp_path / "it"), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["verdict"] == "identical"
        assert main(["reproduce", bad.digest]) == 1
        said = capsys.readouterr().out
        assert "different" in said
        assert "cause (shown): host" in said
        assert "fix: " in said
        assert main(["reproduce", "shop", str(done.version)]) == 0
        assert main(["reproduce", "shop", "0.0.9"]) == 2
        assert main(["reproduce", "--score", "shop"]) == 0
        assert "100% of its newest builds" in capsys.readouterr().out
        assert main(["reproduce", "--list", "shop"]) == 0
        assert bad.name in capsys.readouterr().out
        assert main(["reproduce", str(tmp_path / "missing.tar")]) == 2
    structlog.reset_defaults()
    ended.set()
    running.join(20)
    with Held(app, headers={"Authorization": f"Bearer {token}"}) as client:
        asked = client.post("/v1/reproductions", json={"artifact": good.digest})
        assert asked.status_code == 202
        assert client.get(asked.headers["location"]).json()["status"] == "queued"
        again = client.post("/v1/reproductions", json={"artifact": good.digest}).json()
        assert again["id"] == asked.json()["id"]
        assert client.post("/v1/reproductions", json={}).status_code == 422
        assert client.post("/v1/reproductions", json={"artifact": "sha256:" + "0" * 64}).status_code == 404
        rows = client.get("/v1/reproductions", params={"build": done.id}).json()["items"]
        assert len(rows) == 5
        assert client.get(f"/v1/reproductions/{rows[-1]['id']}").json()["report"]["outputs"]
        assert client.get("/v1/services/shop/reproducibility").json()["share"] == 1.0
        assert client.get("/v1/services/none/reproducibility").status_code == 404


def test_what_is_due_is_asked_for_once(builder: Any) -> None:
    """By Clearway itself, as often as the service says; a service that says nothing is left alone."""
    system = builder(STEP % "mkdir -p dist && echo ok > dist/it")
    start_due(system.database)
    assert [key for _, key, _ in system.queued.started if key.startswith("rep_")] == []
    with system.database.begin() as uow:
        known = catalog.service(uow, "shop").model_dump()
        changed = catalog.KINDS["Service"](**{**known, "kind": "Service", "reproduce": {"every": "2h"}})
        catalog.apply(uow, SYSTEM, [changed])
    start_due(system.database)  # nothing was built yet
    assert [key for _, key, _ in system.queued.started if key.startswith("rep_")] == []
    system.run(twice=False)
    start_due(system.database)
    start_due(system.database)
    (asked,) = [key for _, key, _ in system.queued.started if key.startswith("rep_")]
    run_reproduction(system.database, Steps(), asked)
    start_due(system.database)
    with system.database.begin() as uow:
        assert build.reproduction(uow, asked).asked_by == "clearway"
        early = reproduction_store.reproduction_table
        uow.connection.execute(early.update().values(asked_at=uow.now() - timedelta(hours=3)))
    start_due(system.database)
    assert len([key for _, key, _ in system.queued.started if key.startswith("rep_")]) == 2
