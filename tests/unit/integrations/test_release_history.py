"""What the figures are told of releases and their changes, from real repositories."""

from __future__ import annotations

import pytest
from house import House

from clearway import source
from clearway.integrations.release_history import ReleaseHistory
from clearway.kernel import NotFound
from clearway.source import PullRequest


def arrived(house: House, since: str, tip: str) -> tuple[set[str], dict[str, int]]:
    with house.database.read() as uow:
        found = ReleaseHistory().arrived(uow, "shop", [since], tip)
    return {sha for sha, *_ in found.changes}, dict(found.left_out)


def test_a_service_of_a_shared_repository_counts_its_own_folders(house: House) -> None:
    """Changes of neighbours are not its changes; those of a library that it names are."""
    base = house.made.git("rev-parse", "HEAD")
    mine = house.made.commit({"shop/app.py": "1"}, "feat: mine")
    library = house.made.commit({"lib/money.py": "1"}, "fix: rounding")
    tip = house.made.commit({"cart/app.py": "1"}, "feat: not mine")
    house.mirrors.sync("shop", str(house.made.root))
    assert len(arrived(house, base, tip)[0]) == 3
    house.apply(
        "{kind: Service, name: shop, team: store, repository: /nowhere, route: standard, path: shop,"
        " versioning: {include: [lib]}}"
    )
    assert arrived(house, base, tip)[0] == {mine, library}


def test_pull_requests_that_were_told_are_used(house: House) -> None:
    """A squash is replaced by its commits, which the mirror has kept though their branch is gone."""
    base = house.made.git("rev-parse", "HEAD")
    house.made.git("checkout", "--quiet", "-b", "topic")
    own = [house.commit("feat: one", b="1"), house.commit("feat: two", c="1")]
    house.made.git("checkout", "--quiet", "main")
    house.made.git("merge", "--quiet", "--squash", "topic")
    squash = house.made.commit({}, "feat: both (#7)")
    house.made.git("branch", "-D", "topic")
    house.mirrors.sync("shop", str(house.made.root))
    now = house.clock()
    told = PullRequest(
        "shop", 7, "", "", "dev", "merged", "main", own[-1], "", (), (), tuple(own), now, squash, "dev", now
    )
    assert arrived(house, base, squash)[0] == {squash}
    with house.database.begin() as uow:
        source.record_pull_request(uow, told)
    assert arrived(house, base, squash)[0] == set(own)


def test_a_release_that_nobody_knows_has_no_commit(house: House) -> None:
    """The figures count it as unknown; a mirror that is not there is said."""
    made = house.release("1.0.0")
    with house.database.read() as uow:
        assert ReleaseHistory().commit_of(uow, "shop", "1.0.0") == made.commit
        assert ReleaseHistory().commit_of(uow, "shop", "9.9.9") is None
        with pytest.raises(NotFound):
            ReleaseHistory().arrived(uow, "cart", [], made.commit)
