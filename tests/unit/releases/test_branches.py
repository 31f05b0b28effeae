"""Branches and where their releases may go: asked by plans and gates, judged beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from house import DANA, House

from clearway import catalog, changes, releases, source
from clearway.kernel import Conflict
from clearway.source import store as source_store

GATED = """
{kind: Gate, name: kept-rules, rule: branching.in_release == 0, reason: the history keeps to its rules}
---
{kind: Environment, name: dev, order: 1, promotion: automatic, gates: [kept-rules],
 strategy: {kind: recreate}}
"""
ALLOWED = "branching.in_release == 0"


def _in_release_is_none(facts: Mapping[str, Any]) -> bool:
    return bool(facts["branching"].get("in_release", 1) == 0)


@pytest.fixture
def shop(house: House) -> House:
    house.more_flows = source.FLOWS
    house.evaluator.answers[ALLOWED] = _in_release_is_none
    return house


def use(house: House, branching: str) -> None:
    place = house.made.root
    house.apply(
        f"{{kind: Service, name: shop, team: store, repository: '{place}', route: standard,"
        f" branching: {branching}}}"
    )
    house.run()
    source.sync(house.database, "shop")
    house.run()


def test_a_release_of_a_topic_goes_nowhere(shop: House) -> None:
    """What is on no branch that may release is refused, whatever it was called."""
    use(shop, "{strategy: trunk}")
    shop.made.git("checkout", "--quiet", "-b", "wip")
    shop.commit("feat: half", half="1")
    source.sync(shop.database, "shop")
    shop.release("1.0.0")
    asked = shop.promote("1.0.0", "dev")
    assert asked.state == "refused"
    assert "which is on no branch whose releases may go anywhere" in asked.why
    shop.made.git("checkout", "--quiet", "main")
    shop.made.git("merge", "--quiet", "wip")
    source.sync(shop.database, "shop")
    assert shop.promote("1.0.0", "dev").state != "refused"


def test_releases_of_a_branch_go_where_its_rule_says(shop: House) -> None:
    """A branch for trials reaches dev, and no further; the branch's end does not change that."""
    use(shop, "{strategy: own, rules: [{branch: trial, yields: beta, environments: [dev]}, {branch: main}]}")
    shop.made.git("checkout", "--quiet", "-b", "trial")
    shop.commit("feat: try", tried="1")
    source.sync(shop.database, "shop")
    shop.release("1.0.0")
    shop.made.git("checkout", "--quiet", "main")
    shop.made.git("branch", "-D", "trial")
    source.sync(shop.database, "shop")
    assert shop.promote("1.0.0", "dev").state != "refused"
    with shop.database.read() as uow:
        plan = releases.dry_run(uow, DANA, "shop", "1.0.0", "uat")
    assert any("releases of trial may not go to uat" in each for each in plan.problems)


def test_violations_are_a_gate_that_fails_closed(shop: House) -> None:
    """A release with a violation in its history is stopped; so is one that nobody has judged."""
    shop.apply(GATED)
    use(shop, "{strategy: trunk, signed: true}")
    shop.release("1.0.0")
    refused = shop.promote("1.0.0", "dev")
    assert refused.state == "refused"
    use(shop, "{strategy: trunk}")
    shop.run()
    assert shop.promote("1.0.0", "dev").state != "refused"
    use(shop, "{strategy: github-flow}")
    shop.made.commit({"more": "1"})
    shop.database.tool(source.Mirrors).sync("shop", str(shop.made.root))
    with shop.database.begin() as uow:
        source_store.save_check(uow, "shop", {"stamp": "of another day"})
        assert source.checked(uow, "shop").fresh is False  # type: ignore[union-attr]
    assert shop.promote("1.0.0", "dev").state == "refused"


def test_a_check_is_made_once_and_again_when_something_is_another(shop: House) -> None:
    """The same branches, rules, keys and reviews are judged once; a push is judged by itself."""
    use(shop, "{strategy: trunk, signed: true}")
    first = source.check(shop.database, "shop")
    assert first is not None
    shop.clock.advance(60)
    assert source.check(shop.database, "shop") == first
    shop.made.commit({"b": "1"}, "feat: pushed")
    source.sync(shop.database, "shop")
    shop.run()
    with shop.database.read() as uow:
        again = source.checked(uow, "shop")
    assert again is not None
    assert again.fresh
    assert len(again.violations) == len(first.violations) + 1


def test_the_version_of_a_branch_is_what_its_rule_yields(shop: House) -> None:
    """A channel's branch makes prereleases, another one none; what versioning says goes first."""
    use(shop, "{strategy: release-branches}")
    shop.made.git("branch", "release/1.0")
    shop.made.git("branch", "wip")
    source.sync(shop.database, "shop")

    def version(ref: str) -> str:
        with shop.database.read() as uow:
            found = changes.propose_version(uow, "shop", ref=ref).next.version
        return found.text if found else "none"

    assert version("main") == "0.1.0-alpha.1"
    assert version("release/1.0") == "0.1.0"
    with pytest.raises(Conflict, match="wip yields no versions"):
        version("wip")


def test_no_strategy_means_no_questions(house: House) -> None:
    """Without one, nothing is judged and nothing refused."""
    with house.database.read() as uow:
        assert catalog.service(uow, "shop").branching is None
        assert source.checked(uow, "shop") is None
        assert source.origin(uow, "shop", "0" * 40) is None
    assert source.check(house.database, "shop") is None
