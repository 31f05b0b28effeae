"""What builds are given, over HTTP: secrets, plans, and work trees that were not pushed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from answers import Held
from building import script_service
from repositories import Made

from clearway import access, build, catalog, source, workflow
from clearway.build.ports import FakeSandbox, Sandbox
from clearway.kernel import SYSTEM, by_kind, load_documents
from clearway.storage import Database

PLATFORM = """
{{kind: Team, name: store}}
---
{{kind: Environment, name: prod, type: production, order: 1}}
---
{{kind: Route, name: standard, environments: [prod]}}
---
{{kind: Service, name: shop, team: store, repository: {repository}, route: standard}}
"""


class Started:
    """Starts nothing."""

    def enqueue(self, *_: object) -> None:
        return


@pytest.fixture
def made(database: Database, tmp_path: Path) -> Made:
    found = Made(tmp_path / "repository")
    tools = {
        workflow.Starter: Started(),
        source.Mirrors: source.Mirrors(tmp_path / "mirrors"),
        Sandbox: FakeSandbox({}),
        build.Packages: object(),
        build.Workshop: build.Workshop(tmp_path / "builds"),
        build.Cache: build.Cache(tmp_path / "cache"),
    }
    database.tools |= tools  # type: ignore[arg-type]
    text = PLATFORM.format(repository=found.root)
    with database.begin() as uow:
        docs = [doc for doc, _ in load_documents(text, "platform.yaml", by_kind(catalog.KINDS))]
        catalog.apply(uow, SYSTEM, docs)
        access.apply(uow, SYSTEM, [access.UserDocument(name="rel", roles=["release-manager"])])
    return found


def test_a_secret_is_set_listed_and_removed_and_never_told(client: Callable[..., Held], made: Made) -> None:
    """Who may set secrets sets it; who may read builds sees that it is there."""
    place = "/v1/services/shop/build-secrets"
    told = client().put(f"{place}/TOKEN", json={"value": "correct-horse-battery", "reason": "to publish"})
    assert told.status_code == 200
    assert told.json()["version"] == 1
    assert "horse" not in told.text
    listed = client("vic").get(place)
    assert [(each["name"], each["anywhere"]) for each in listed.json()["items"]] == [("TOKEN", False)]
    assert "horse" not in listed.text
    assert client().post(f"{place}/TOKEN/remove", json={}).status_code == 204
    assert client("vic").get(place).json()["items"] == []
    assert client().post(f"{place}/TOKEN/remove", json={}).status_code == 404


@pytest.mark.parametrize("who", ["vic", "dev", "audra"])
def test_not_everybody_sets_secrets(client: Callable[..., Held], made: Made, who: str) -> None:
    """A developer could otherwise have a step print what somebody else set."""
    answer = client(who).put("/v1/services/shop/build-secrets/TOKEN", json={"value": "correct-horse"})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("name", "value"), [("a-b", "long enough"), ("A", "abc"), ("A", "x\0yzzy"), ("%2e%2e", "long enough")]
)
def test_what_is_no_secret_is_refused(client: Callable[..., Held], made: Made, name: str, value: str) -> None:
    """A short value would mask half the log; a name must be one that a file can have."""
    answer = client().put(f"/v1/services/shop/build-secrets/{name}", json={"value": value})
    assert answer.status_code in (404, 422)


def test_a_plan_tells_the_steps(client: Callable[..., Held], made: Made) -> None:
    """Each with what it waits for; nothing runs and nothing is written."""
    script_service(made, "  - {name: a, run: [x]}\n  - {name: b, run: [y], cache: false}\n")
    found = client("dev").get("/v1/services/shop/build-plan").json()
    assert [(each["name"], each["way"], each["needs"]) for each in found["steps"]] == [
        ("a", "runs", []),
        ("b", "runs", ["a"]),
    ]
    assert client("dev").get("/v1/builds").json()["items"] == []
    assert client("vic").get("/v1/services/shop/build-plan").status_code == 403
    assert client("dev").get("/v1/services/shop/build-plan?ref=nowhere").status_code == 404


def bundle(made: Made, *words: str) -> bytes:
    done = subprocess.run(
        ["git", "-C", str(made.root), "bundle", "create", "-", "refs/clearway/trial", *words],
        capture_output=True,
        check=True,
    )
    return done.stdout


def test_a_work_tree_is_taken_and_can_be_planned(client: Callable[..., Held], made: Made) -> None:
    """Its reference is no branch; it is built like any other, and what is built of it is a trial."""
    script_service(made, "  - {name: a, run: [x]}\n")
    heads = client("dev").get("/v1/services/shop/heads").json()["commits"]
    made.git("checkout", "--quiet", "--detach")
    sha = script_service(made, "  - {name: other, run: [x]}\n")
    made.git("update-ref", "refs/clearway/trial", sha)
    made.git("checkout", "--quiet", "main")
    sent = client("dev").post("/v1/services/shop/trials", content=bundle(made, f"^{heads[0]}"))
    assert sent.status_code == 200, sent.text
    ref = sent.json()["ref"]
    assert ref.startswith(source.TRIALS)
    found = client("dev").get("/v1/services/shop/build-plan", params={"ref": ref}).json()
    assert (found["commit"], [each["name"] for each in found["steps"]]) == (sha, ["other"])
    asked = client("dev").post("/v1/builds", json={"service": "shop", "ref": ref})
    assert asked.status_code == 202


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"# v2 git bundle\n",
        b"# v2 git bundle\n" + b"0" * 40 + b" refs/clearway/trial\n\nPACK",
        b"# v2 git bundle\n" + b"a" * 40 + b" --upload-pack=x\n\nPACK" + b"\0" * 30,
    ],
)
def test_what_is_no_bundle_is_refused(client: Callable[..., Held], made: Made, content: bytes) -> None:
    """With a clear error; nothing is left behind."""
    script_service(made, "  - {name: a, run: [x]}\n")
    client("dev").get("/v1/services/shop/heads").raise_for_status()
    answer = client("dev").post("/v1/services/shop/trials", content=content)
    assert answer.status_code == 422, answer.text
    assert "bundle" in answer.json()["detail"]


def test_a_viewer_sends_no_work_tree(client: Callable[..., Held], made: Made) -> None:
    """What is sent is run."""
    assert client("vic").post("/v1/services/shop/trials", content=b"# v2 git bundle\n").status_code == 403


def test_old_trials_are_forgotten(client: Callable[..., Held], made: Made, database: Database) -> None:
    """After a week; younger ones stay."""
    sha = script_service(made, "  - {name: a, run: [x]}\n")
    client("dev").get("/v1/services/shop/heads").raise_for_status()
    made.git("update-ref", "refs/clearway/trial", sha)
    mirrors = database.tool(source.Mirrors)
    file = mirrors.root / "x.bundle"
    file.write_bytes(bundle(made))
    old = mirrors.take("shop", file, "refs/clearway/trial", 1000)
    new = mirrors.take("shop", file, "refs/clearway/trial", 4_000_000_000)
    chore = next(each for each in source.CHORES if each.name == "source.forget-trials")
    chore.function(database)
    names = mirrors.open("shop").references()
    assert (old in names, new in names) == (False, True)
