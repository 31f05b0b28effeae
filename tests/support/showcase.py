"""A house with something to look at: releases that went well, a canary that fails, an incident, builds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from house import DANA, DEFINITION, PLATFORM, RITA, ROOT, House

from clearway import access, artifacts, build, catalog, config, incidents, ledger, metrics, releases, source
from clearway.build import store as build_store
from clearway.build.reports.kept import replace_reports
from clearway.build.reproduce import store as reproduction_store
from clearway.build.reproduce.causes import cause
from clearway.build.reproduce.difference import Difference
from clearway.build.reproduce.model import Output, Rebuild, Report
from clearway.deploy import ports as deploy_ports
from clearway.kernel import SYSTEM
from clearway.releases import store as release_store
from clearway.source import store as source_store
from clearway.source.refs import RefMove
from clearway.storage import Blobs, Database

SHOWN = PLATFORM.replace(
    "strategy: {kind: recreate}, soak: 1h}",
    "strategy: {kind: canary, steps: [{weight: 10, hold: 10s}, {weight: 50, hold: 10s}, {weight: 100}],"
    " warm: 1m}}",
)
SHOP = (
    DEFINITION
    + """
canary:
  metrics:
    - {name: errors, kind: proportion, direction: increase, critical: true,
       numerator: {metric: shop_requests_total, labels: {status: "5.."}},
       denominator: {metric: shop_requests_total}}
    - {name: latency, kind: values, histogram: shop_request_seconds, direction: increase, tolerance: 0.5}
"""
).replace('command: ["./shop"]', 'command: ["./shop"], metrics: {path: /metrics}')

PRICES = {
    "1.0.0": {"shop/prices.py": "RATE = 20\n\n\ndef total(prices):\n    return sum(prices)\n"},
    "1.1.0": {
        "shop/prices.py": "RATE = 20\n\n\ndef total(prices):\n    return round(sum(prices), 2)\n",
        "shop/<b>bold</b>.html": "<script>alert(1)</script>\n<b>bold</b>\n",
    },
}
PASSWORD = "correct horse battery staple"
BOUNDS = (0.01, 0.05, 0.1, 0.5)


def report(digest: str, verdict: str) -> dict[str, Any]:
    """What a rebuild found out: nothing, or two differences with their cause."""
    same = verdict == "identical"
    rows = [
        Difference("shop.whl » <b>bold</b>.py", "content", lines=("@@ -1 +1 @@", "-/build", "+/other")),
        Difference("shop.whl » RECORD", "mode", "644", "664"),
    ]
    return Report(
        varied=["umask", "path"],
        not_varied={"clock": "faketime is not on this machine"},
        outputs=[asdict(Output("shop.whl", digest, digest if same else "sha256:" + "b" * 64, verdict))],  # type: ignore[arg-type]
        rebuilds=[{**asdict(Rebuild(("umask", "path"), same, {"shop.whl": digest}, 1.5)), "error": None}],
        causes=[] if same else [cause("path", "shop.whl » <b>bold</b>.py", "shown").as_json()],
        differences=[] if same else [each.as_json() for each in rows],
        notes=["this machine is not the same any more: gcc: 12 then, 13 now"],
        diffoscope="" if same else "--- recorded/shop.whl\n+++ rebuilt/shop.whl\n",
    ).as_json()


class Traffic:
    """A metric source: every instance serves a thousand requests a second, some of them badly."""

    def __init__(self, house: Showcase) -> None:
        self.house = house
        self.faulty: set[str] = set()  # versions that answer 8 % of their requests with an error, and slowly

    def scrape(self, port: int, path: str) -> Sequence[deploy_ports.Sample]:
        """See MetricSource."""
        launched = [each for each in self.house.target.launched.values() if each.port == port][-1]
        bad = launched.variables.get("CLEARWAY_VERSION") in self.faulty
        served = 1000.0 * (self.house.clock().timestamp() - self.house.began)
        errors = served * 0.08 if bad else served * 0.002
        samples = [
            deploy_ports.Sample("shop_requests_total", {"status": "200"}, served - errors),
            deploy_ports.Sample("shop_requests_total", {"status": "500"}, errors),
        ]
        for bound in BOUNDS:
            share = min(1.0, bound / (0.4 if bad else 0.1))
            samples.append(
                deploy_ports.Sample("shop_request_seconds_bucket", {"le": str(bound)}, served * share)
            )
        samples.append(deploy_ports.Sample("shop_request_seconds_bucket", {"le": "+Inf"}, served))
        return samples


@dataclass
class Showcase(House):
    """The house of the tests, with what pages read beside."""

    platform: str = SHOWN

    def __post_init__(self) -> None:
        self.more_flows = metrics.FLOWS
        self.began = self.clock().timestamp() - 10
        super().__post_init__()
        with self.database.begin() as uow:
            access.set_password(uow, RITA, RITA.name, PASSWORD)

    def _database(self) -> Database:
        database = super()._database()
        for kind, handler in (*incidents.SUBSCRIBERS, *metrics.SUBSCRIBERS):
            database.bus.subscribe(kind, handler)
        self.traffic = Traffic(self)
        database.tools[ledger.NoteSigner] = ledger.load_or_create_key(
            self.folder / "ledger.pem", "clearway.example/log"
        )
        database.tools[build.Workshop] = build.Workshop(self.folder / "builds")
        database.tools[deploy_ports.MetricSource] = self.traffic
        database.tools[source.Cipher] = config.FakeCipher()
        database.tools[metrics.History] = metrics.FakeHistory()
        return database

    def wait(self, seconds: float, step: float = 2.0) -> None:
        """As the house does, in steps that a canary sees."""
        super().wait(seconds, step)

    def one(self, state: str) -> releases.Promotion:
        """The newest promotion in a state."""
        with self.database.read() as uow:
            return releases.promotions(uow, states=(state,)).items[0]

    def log(self, build_id: str, *lines: str) -> None:
        """Write a build's log."""
        written = build.Workshop(self.folder / "builds").log(build_id)
        for line in lines:
            step, _, text = line.partition(" | ")
            written.say(step, text)
        written.close()

    def broken_build(self) -> str:
        """A build that failed in its tests."""
        with self.database.begin() as uow:
            made = build.Build(
                "bld_0_broken", "shop", "feature", True, "running", "dana", uow.now(), started_at=uow.now()
            )
            build_store.add(uow, made)
            build_store.change_open(
                uow, made.id, status="failed", error="the tests failed", finished_at=uow.now()
            )
        self.log(
            made.id,
            "build | building feature",
            "compile | all fine",
            "test | FAIL: test_prices <script>alert(1)</script>",
            "test | AssertionError: 3 != 4",
            "build | the tests failed",
        )
        failures = [{"name": "test_prices <script>alert(1)</script>", "message": "3 != 4"}]
        counts = {"passed": 8, "failed": 1, "skipped": 0, "total": 9, "failures": failures}
        finding = {"level": "error", "rule": "S105", "message": "<b>bold claim", "place": "shop/prices.py:5"}
        shares = {"lines": {"total": 40, "covered": 31}, "branches": {"total": 0, "covered": 0}}
        levels = {"error": 1, "warning": 0, "note": 0}
        scanned = {"counts": levels, "complete": False, "findings": [finding]}
        digest = "sha256:" + "ab" * 32
        reports = [
            build.Report("junit", "reports/unit.xml", digest, 900, counts),
            build.Report("coverage", "reports/coverage.xml", digest, 7000, shares),
            build.Report("coverage", "reports/old.xml", "", 0, {}, "it is no XML"),
            build.Report("sarif", "lint.sarif", digest, 500, scanned),
        ]
        with self.database.begin() as uow:
            replace_reports(uow, made.id, ["junit", "coverage", "sarif"], reports)
        return made.id

    def fill(self) -> Showcase:
        """The story: 1.0.0 runs everywhere, 1.1.0 too, 1.2.0 fails its canary, 1.3.0 waits for uat."""
        with self.database.begin() as uow:
            config.set_value(uow, ROOT, "shop", "prod", "GREETING", "Good day", "more polite")
        for version, subject in (("1.0.0", "feat: sell things"), ("1.1.0", "feat(front): cheapest first")):
            self.commit(subject, SHOP, **PRICES[version])
            self.log(self.release(version).build_id, "build | built", "test | Ran 3 tests")
            self.all_the_way(version)
        self.commit("perf(front): keep rendered pages", SHOP)
        self.release("1.2.0")
        self.traffic.faulty.add("1.2.0")
        self.all_the_way("1.2.0")
        self.commit("feat!: say how long the shop is open <b>bold</b>", SHOP)
        self.release("1.3.0")
        self.promote("1.3.0", "dev")
        self.wait(5, 5.0)
        self.broken_build()
        self.rebuilt()
        self.failed_cut()
        self.pull_request()
        self.followed()
        self.packages()
        with self.database.begin() as uow:
            ledger.checkpoint(uow)
        return self

    def followed(self) -> None:
        """A repository that was rewritten and has a credential, and one that cannot be reached."""
        self.apply(
            "{kind: Repository, name: tools, location: 'https://git.example/tools.git', forge: github}\n---\n"
            "{kind: Repository, name: gone, location: 'https://git.example/gone.git', poll: 0s}"
        )
        moved = [
            RefMove("refs/heads/main", "a" * 40, "b" * 40, "rewritten"),
            RefMove("refs/heads/fix/<b>bold</b>", None, "c" * 40, "created"),
            RefMove("refs/tags/v1.0.0", "d" * 40, None, "deleted"),
        ]
        shop = "{kind: Service, name: shop, team: store, repository: /nowhere, route: standard, branching: "
        self.apply(shop + "{strategy: trunk, signed: true}}")
        source.check(self.database, "shop")
        with self.database.begin() as uow:
            source.set_credential(uow, ROOT, "tools", "password", "not shown", username="reader")
            source_store.save_moves(uow, "tools", moved, {"refs/heads/main": 3}, first=False)
            source_store.save_state(uow, "tools", synced_at=uow.now(), begun_at=uow.now())
            for number, (about, outcome, error) in enumerate(
                (
                    ("pull request 12 <b>merged</b>", "recorded", ""),
                    ("", "elsewhere", "it tells of https://git.example/cart.git"),
                )
            ):
                told = source.Received(
                    repository="tools",
                    forge="github",
                    delivery_id=f"delivery-{number}",
                    event="pull_request",
                    digest="sha256:" + str(number) * 64,
                    about=about,
                    fetch=False,
                    outcome=outcome,  # type: ignore[arg-type]
                    error=error,
                )
                source.receive(uow, told)
            source.note_refused(uow, "tools", "github", "not signed with a secret that is set here")
            source_store.save_state(uow, "gone", failures=2, error="git refused: not found <b>bold</b>")

    def packages(self) -> None:
        """Registries: one with versions, tags and a name that means harm, a group over it, an empty one."""
        self.apply(
            "{kind: Registry, name: images, format: generic, team: store, description: '<b>bold</b>'}\n---\n"
            "{kind: Registry, name: released, format: generic, maturity: release, anonymous: read}\n---\n"
            "{kind: Registry, name: all-images, format: generic, mode: group, members: [released, images]}"
        )
        with self.database.begin() as uow:
            images = catalog.registry(uow, "images")
            for version in ("1.0", "1.1"):
                for name in ("shop", "shop/<b>bold</b>"):
                    file = artifacts.add_file(
                        uow,
                        ROOT,
                        images,
                        package=name,
                        version=version,
                        path=f"{name}@{version}",
                        blob=uow.tool(Blobs).put([f"{name} {version}".encode()]),
                        media_type="application/octet-stream",
                    )
                artifacts.set_tag(uow, ROOT, images, "shop", "latest", file.digest)
                artifacts.set_tag(uow, ROOT, images, "shop", f"v{version}", version)

    def pull_request(self) -> None:
        """The one that brought 1.1.0, as a forge tells it that means harm."""
        sha = self.made.git("rev-parse", "HEAD~2")
        with self.database.begin() as uow:
            told = source.PullRequest(
                "shop", 12, "<b>bold</b> prices", "", "dana-f", "merged", "main", sha, "javascript:alert(1)",
                (), ("rita-f",), (), uow.now(), sha, "rita-f", uow.now(),
            )  # fmt: skip
            source.record_pull_request(uow, told)

    def rebuilt(self) -> None:
        """Rebuilds of three builds: the same bytes, other ones with a cause, and one that cannot be had."""
        with self.database.begin() as uow:
            rows = build.list(uow, service="shop", status="succeeded", limit=3).items
            for number, (made, verdict) in enumerate(
                zip(reversed(rows), (None, "different", "identical"), strict=False)
            ):
                found = build.Reproduction(
                    id=f"rep_{number}_{verdict or 'failed'}",
                    digest=made.artifacts[0].digest,
                    artifact=made.artifacts[0].name,
                    build_id=made.id,
                    service="shop",
                    version=made.version or "",
                    status="done" if verdict else "failed",
                    asked_by="dana",
                    asked_at=uow.now(),
                    finished_at=uow.now(),
                    verdict=verdict,  # type: ignore[arg-type]
                    error=None if verdict else "pluggy 1.0 cannot be had with the digest <b>bold</b>",
                    report=report(made.artifacts[0].digest, verdict) if verdict else {},
                )
                reproduction_store.add(uow, found)

    def failed_cut(self) -> None:
        """A release that was cut, tagged, and not built."""
        with self.database.begin() as uow:
            release_store.add_cut(
                uow,
                releases.Cut(
                    id="cut_0_failed",
                    service="shop",
                    commit="c" * 40,
                    version="1.4.0",
                    tag="v1.4.0",
                    why="build bld_0_broken failed: the tests failed",
                    state="failed",
                    requested_by="dana",
                    requested_kind="person",
                    reason="spring <b>bold</b>",
                    created_at=uow.now(),
                    build_id="bld_0_broken",
                    finished_at=uow.now(),
                ),
            )

    def all_the_way(self, version: str) -> None:
        """To production, or as far as it gets."""
        self.promote(version, "dev")
        self.wait(5, 5.0)
        self.approve(self.at("uat")[0].id)
        self.wait(5, 5.0)
        asked = self.promote(version, "prod", RITA)
        self.approve(asked.id, ROOT)
        self.wait(60, 5.0)

    def many(self, services: int) -> None:
        """More services than fit a page."""
        text = "\n---\n".join(
            f"{{kind: Service, name: service-{number:04}, team: store, repository: /x, route: standard}}"
            for number in range(services)
        )
        self.apply(text)


__all__ = ["DANA", "PASSWORD", "RITA", "ROOT", "SYSTEM", "Showcase", "catalog"]
