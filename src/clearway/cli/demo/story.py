"""The story: three versions of a shop, two that go to production and one that comes back by itself."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from .load import Load
from .server import DemoFailed, Json, Person, running, wait_for

SERVICE = "shop"
VERSIONS = ("1.0.0", "1.1.0", "1.2.0")
APPROVERS = {"uat": "qa-lead", "prod": "release-manager"}
PEOPLE = ("dev", "qa-lead", "release-manager", "on-call", "auditor")
ENDED = {"succeeded", "rolled-back", "failed", "refused", "rejected", "cancelled", "superseded"}
REQUESTS_A_SECOND = 260.0
PROMOTION_S = 90.0


@dataclass
class Story:
    """What happened, in the demo's data form."""

    builds: list[Json] = field(default_factory=list)
    promotions: list[Json] = field(default_factory=list)
    traffic: Json = field(default_factory=dict)
    incident: Json | None = None
    dora: Json = field(default_factory=dict)
    ledger: Json = field(default_factory=dict)
    elapsed_s: float = 0.0
    address: str = ""

    def as_json(self) -> Json:
        """The whole story as data."""
        return {name: value for name, value in vars(self).items() if name != "address"}


class Teller:
    """Tells the story on the console while it happens."""

    def __init__(self, console: Console, home: Path, examples: Path) -> None:
        self.console = console
        self.home = home
        self.examples = examples
        self.story = Story()
        self.people: dict[str, Person] = {}
        self.passwords: dict[str, str] = {}  # for who wants to look round afterwards
        self.load: Load | None = None

    def chapter(self, title: str) -> None:
        """A heading."""
        self.console.rule(f"[bold]{title}", align="left")

    def say(self, text: str) -> None:
        """A line."""
        self.console.print("  " + text, highlight=False)

    def prepare(self, url: str) -> None:
        """The shop's repository, the platform, people and their tokens."""
        self.chapter("A platform is declared")
        maker = self.examples / "shop" / "make_repository.py"
        repository = self.home / "shop.git-work"
        done = subprocess.run(
            [sys.executable, str(maker), str(repository)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise DemoFailed(f"{maker} failed: {done.stderr[-800:]}")
        admin = Person(url, (self.home / "admin.token").read_text().strip(), "admin")
        files = {
            path.name: path.read_text().replace("${SHOP_REPOSITORY}", str(repository))
            for path in sorted((self.examples / "platform").glob("*.yaml"))
        }
        diff = admin.post("/v1/apply", {"files": files}, dry_run=True)["diffs"]
        new = sum(row["action"] == "create" for row in diff)
        self.say(f"{new} things to create, shown before anything changes")
        admin.post("/v1/apply", {"files": files})
        again = admin.post("/v1/apply", {"files": files})["diffs"]
        if changed := [row for row in again if row["action"] != "none"]:
            raise DemoFailed(
                "applying twice changed " + ", ".join(f"{row['kind']} {row['name']}" for row in changed[:3])
            )
        self.say("applied; applying it again changes nothing")
        for name in PEOPLE:
            self.people[name] = self._let_in(admin, url, name)

    def _let_in(self, admin: Person, url: str, name: str) -> Person:
        """The administrator sets a first password; its owner changes it, and makes a token of their own."""
        first, own = secrets.token_urlsafe(12), secrets.token_urlsafe(12)
        admin.post(f"/v1/users/{name}/password", {"password": first})
        body = {"name": name, "password": first, "new_password": own, "label": "demo", "expires_in": "1d"}
        made = admin.post("/v1/sign-in", body)
        self.passwords[name] = own
        return Person(url, made["token"], name)

    def release(self, version: str) -> Json:
        """Build one version twice, compare, and make its release."""
        self.chapter(f"{SERVICE} {version}")
        dev = self.people["dev"]
        build = dev.post("/v1/builds", {"service": SERVICE, "ref": f"v{version}"})
        path = f"/v1/builds/{build['id']}"
        build = wait_for(f"build {version}", lambda: _ended(dev.get(path), {"queued", "running"}), 60)
        if build["status"] != "succeeded" or not build["reproduced"]:
            raise DemoFailed(
                f"build {version}: {build['status']}, reproduced={build['reproduced']}: {build['error']}"
            )
        digest = build["artifacts"][0]["digest"]
        self.say(f"built twice in {build['mode']}, same bytes: {digest[:19]}…")
        self.story.builds.append({"version": version, "digest": digest, "reproduced": build["reproduced"]})
        release = dev.post("/v1/releases", {"service": SERVICE, "build_id": build["id"]})
        self.say(f"release {release['version']} is {release['digest'][:19]}…")
        return dict(release)

    def travel(self, version: str) -> None:
        """Dev to Prod: by itself where gates say yes, with an approval where people decide."""
        dev = self.people["dev"]
        dev.post(
            "/v1/promotions",
            {"service": SERVICE, "version": version, "environment": "dev", "reason": "new release"},
        )
        told: set[str] = set()
        deadline = time.monotonic() + PROMOTION_S
        while time.monotonic() < deadline:
            rows = dev.get("/v1/promotions", service=SERVICE, version=version, limit=50)["items"]
            for row in sorted(rows, key=lambda row: row["created_at"]):
                self._look(row, told)
            prod = [row for row in rows if row["environment"] == "prod" and row["state"] in ENDED]
            if prod or any(row["state"] in ENDED - {"succeeded"} for row in rows):
                return
            time.sleep(0.15)
        seen = [f"{row['environment']}: {row['state']}: {row['why']} ({row['id']})" for row in rows]
        raise DemoFailed("\n".join([f"{version} did not reach prod in {PROMOTION_S:.0f} s", *seen]))

    def _look(self, row: Json, told: set[str]) -> None:
        key = f"{row['id']}/{row['state']}"
        if key in told:
            return
        told.add(key)
        if row["state"] == "waiting-approval":
            self._approve(row)
        elif row["state"] == "deploying" and row["environment"] == "prod":
            self._send_traffic()
            self.say(f"{row['environment']}: deploying")
        elif row["state"] in ENDED:
            self._record(row)

    def _approve(self, row: Json) -> None:
        environment = row["environment"]
        approver = APPROVERS[environment]
        if environment == "prod":
            self._show_plan(row["id"])
        body = {"plan_hash": row["plan_hash"], "meaning": "reviewed and approved", "comment": "seen the plan"}
        path = f"/v1/promotions/{row['id']}/approve"
        if environment == "prod":
            self.say(f"prod: dev tries to approve their own change: {self.people['dev'].refused(path, body)}")
        self.say(f"{environment}: plan {row['plan_hash'][:19]}… approved by {approver}")
        self.people[approver].post(path, body)

    def _show_plan(self, promotion_id: str) -> None:
        plan = self.people["dev"].get(f"/v1/promotions/{promotion_id}")["plan"]
        for number, step in enumerate(plan.get("content", plan)["steps"], 1):
            self.say(f"prod: plan, step {number}: {step['text']}")

    def _send_traffic(self) -> None:
        if self.load is None and (address := self.address()):
            host, port = address.rsplit(":", 1)
            self.load = Load((host, int(port)), path="/", rate=REQUESTS_A_SECOND)
            self.load.start()

    def address(self) -> str | None:
        """Where the router answers for the shop in prod, once something runs there."""
        overview = self.people["dev"].get("/v1/overview")
        for row in overview["services"]:
            if (
                row["service"] == SERVICE
                and (cell := row["environments"].get("prod"))
                and cell.get("version")
            ):
                return str(cell["address"]).removeprefix("http://").rstrip("/")
        return None

    def _record(self, row: Json) -> None:
        told: Json = {
            "release": row["version"],
            "environment": row["environment"],
            "outcome": row["state"],
            "plan_hash": row["plan_hash"],
            "approved_by": [
                approval["actor"] for approval in row["approvals"] if not approval.get("voided_at")
            ],
        }
        if row["environment"] == "prod" and row["deployment_id"]:
            deployment = self.people["dev"].get(f"/v1/deployments/{row['deployment_id']}")
            judgement = deployment.get("judgement") or {}
            told["canary"] = {
                "verdict": judgement.get("verdict", "none"),
                "reason": judgement.get("reason", "nothing to compare with: the first release here"),
            }
            self.say(f"canary: [bold]{told['canary']['verdict']}[/]: {told['canary']['reason']}")
        self.story.promotions.append(told)
        colour = "green" if row["state"] == "succeeded" else "red"
        self.say(f"{row['environment']}: [{colour}]{row['state']}[/]")

    def incident(self) -> None:
        """The bad release opened an incident; it closes when service is restored."""
        on_call = self.people["on-call"]

        def closed() -> Any:
            items = on_call.get("/v1/incidents")["items"]
            return items and items[0].get("restored_at") and items[0]

        found = wait_for("the incident to be opened and restored", closed, 30)
        detail = on_call.get(f"/v1/incidents/{found['id']}")
        self.chapter("The incident")
        for line in detail["timeline"][:12]:
            self.say(f"{line['at'][11:19]}  {line['text']}")
        self.story.incident = {
            "id": found["id"],
            "opened": found["opened_at"],
            "restored": found["restored_at"],
        }

    def ask_afterwards(self) -> None:
        """What runs where, the notes, the figures, the trace, the proof."""
        auditor = self.people["auditor"]
        self.chapter("Afterwards: what runs where")
        overview = auditor.get("/v1/overview")
        for row in overview["services"]:
            cells = (f"{name} {cell.get('version') or '–'}" for name, cell in row["environments"].items())
            self.say(f"{row['service']}: " + " · ".join(cells))
        self.chapter("Release notes of 1.1.0")
        notes = auditor.get(f"/v1/releases/{SERVICE}/1.1.0/notes")
        for line in str(notes["markdown"]).splitlines():
            self.say(line)
        self._trace(overview)
        self.chapter("The five DORA figures")
        self.story.dora = auditor.get("/v1/metrics/dora", service=SERVICE, environment="prod")
        for name, figure in self.story.dora.get("figures", self.story.dora).items():
            if isinstance(figure, dict):
                self.say(f"{name}: {figure.get('text') or figure.get('value')}")
        self._ledger(auditor)

    def _trace(self, overview: Json) -> None:
        self.chapter("From the running process back to the commit")
        cell = next(row for row in overview["services"] if row["service"] == SERVICE)["environments"]["prod"]
        subject = cell["instances"][0]["id"]
        chain = self.people["auditor"].get(f"/v1/trace/{subject}")
        for link in chain["links"]:
            self.say(f"{link['kind']:<12} {link['text']}")

    def _ledger(self, auditor: Person) -> None:
        self.chapter("The ledger")
        proof = auditor.get("/v1/ledger/verify")
        self.story.ledger = {
            "entries": proof["entries"],
            "root": proof["root"],
            "verified": proof["verified"],
        }
        if not proof["verified"]:
            raise DemoFailed(f"the ledger does not verify: {proof}")
        self.say(f"{proof['entries']} entries verified, root {proof['root'][:24]}…")

    def summary(self, url: str, passwords: dict[str, str]) -> None:
        """What the reader should remember, and where to go on."""
        story = self.story
        self.chapter("In short")
        table = Table(box=None, padding=(0, 2), show_edge=False)
        for column in ("release", "environment", "outcome", "approved by"):
            table.add_column(column)
        for row in story.promotions:
            if row["environment"] in APPROVERS:
                who = ", ".join(row["approved_by"]) or "–"
                table.add_row(row["release"], row["environment"], row["outcome"], who)
        self.console.print(Padding(table, (0, 0, 0, 2)))
        traffic = story.traffic
        self.say(f"{traffic['requests']} requests went through the router, {traffic['dropped']} were dropped")
        self.say(f"{story.ledger['entries']} ledger entries, verified; {story.elapsed_s:.0f} s in all")
        if passwords:
            self.say(f"Clearway goes on at [bold]{url}[/]; sign in as")
            for name, password in passwords.items():
                self.say(f"  {name:<16} {password}")
            self.say(f"stop it all with: clearway down --all --home {self.home}")

    def check(self) -> None:
        """The story must be the one that was promised."""
        outcome = {(row["release"], row["environment"]): row["outcome"] for row in self.story.promotions}
        expected = {
            ("1.0.0", "prod"): "succeeded",
            ("1.1.0", "prod"): "succeeded",
            ("1.2.0", "prod"): "rolled-back",
        }
        wrong = {key: outcome.get(key) for key, value in expected.items() if outcome.get(key) != value}
        if wrong:
            raise DemoFailed(f"the story went another way: {wrong}")
        if self.story.traffic["dropped"]:
            raise DemoFailed(f"requests were dropped: {self.story.traffic}")


def _ended(row: Json, open_states: set[str]) -> Json | None:
    return None if row["status"] in open_states else row


def find_examples() -> Path:
    """The examples folder: beside the package in a wheel, at the root of a checkout. Raises DemoFailed."""
    package = Path(__file__).resolve().parents[2]
    for candidate in (package / "examples", package.parents[1] / "examples"):
        if (candidate / "shop").is_dir():
            return candidate
    raise DemoFailed("the examples are not here; run the demo from a checkout of Clearway")


def tell(
    home: Path, *, keep: bool = False, data: Path | None = None, console: Console | None = None
) -> Story:
    """Run the whole story in an empty folder. Raises DemoFailed at the first thing that goes another way."""
    console = console or Console()
    if home.exists():
        shutil.rmtree(home)
    home.mkdir(parents=True, mode=0o700)
    began = time.monotonic()
    teller = Teller(console, home, find_examples())
    with running(home, keep) as url:
        teller.story.address = url
        console.print(f"Clearway is ready at {url} after {time.monotonic() - began:.1f} s")
        try:
            _tell(teller, url)
        finally:
            if teller.load:
                teller.story.traffic = teller.load.stop().as_json()
        teller.story.elapsed_s = round(time.monotonic() - began, 1)
        if data:
            data.write_text(json.dumps(teller.story.as_json(), indent=2, default=str) + "\n")
        teller.check()
        teller.summary(url, teller.passwords if keep else {})
    return teller.story


def _tell(teller: Teller, url: str) -> None:
    teller.prepare(url)
    for version in VERSIONS:
        teller.release(version)
        teller.travel(version)
    teller.incident()
    if teller.load:
        teller.story.traffic = teller.load.stop().as_json()
    teller.ask_afterwards()
