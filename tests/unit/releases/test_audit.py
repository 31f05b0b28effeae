"""Who changed a line, and what became of it: from git, the forge, builds, releases and promotions at once."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from house import DANA, DEFINITION, OTTO, RITA, House

from clearway import access, releases, source
from clearway.kernel import SYSTEM, Actor, Conflict, Invalid, NotFound
from clearway.source import PullRequest

TEXT = "".join(f"price {number}\n" for number in range(1, 11))


def ask(house: House, spot: str, actor: Actor = DANA, **more) -> releases.Audit:
    with house.database.read() as uow:
        return releases.audit(uow, actor, "shop", source.parse_spot(spot), **more)


def told(house: House, spot: str, **more) -> list[tuple[str, str]]:
    return [(each.how, each.commit.subject) for each in ask(house, spot, **more).items]


def test_a_line_leads_to_everything_that_is_known_of_its_commits(house: House) -> None:
    """Author by the mailmap, reviewers, pull request, ticket, build, releases, approvals, where it runs."""
    service = "{kind: Service, name: shop, team: store, repository: /nowhere, route: standard"
    house.apply(service + ", tickets: [{prefix: SHOP-, url: 'https://jira.example/browse/{ticket}'}]}")
    first = house.commit("feat: prices", prices=TEXT)
    house.release("1.0.0")
    house.to("uat", "1.0.0")
    body = "Reviewed-by: Vera <vera@example.com>\nCo-authored-by: Quin <q@example.com>"
    mailmap = "Dana Doe <dana@example.com> dev <dev@example.com>\n"
    more = {"prices": TEXT.replace("price 5", "price 55"), ".mailmap": mailmap}
    second = house.commit(f"fix: the fifth (SHOP-7)\n\n{body}", **more)
    with house.database.begin() as uow:
        pull = PullRequest(
            "shop", 12, "The fifth", "", "dev", "merged", "main", second, "https://forge.example/12",
            (), ("rita-f",), (), uow.now(), second, "rita-f", uow.now(),
        )  # fmt: skip
        source.record_pull_request(uow, pull)
    house.release("1.1.0")
    house.to("dev", "1.1.0")
    found = ask(house, "prices:5")
    assert [each.commit.sha for each in found.items] == [second, first]
    assert (found.path, found.first, found.last, found.ref, found.changes) == ("prices", 5, 5, "main", 2)
    new, old = (each.commit for each in found.items)
    assert (new.author.name, new.author.email) == ("Dana Doe", "dana@example.com")
    assert [each.name for each in new.co_authors] == ["Quin"]
    assert new.reviewers == ("Vera", "rita-f")
    assert [(each.number, each.approvers, each.merged_by) for each in new.pulls] == [
        (12, ("rita-f",), "rita-f")
    ]
    assert [(each.name, each.url) for each in new.tickets] == [
        ("SHOP-7", "https://jira.example/browse/SHOP-7")
    ]
    assert [(each.version, each.exact) for each in new.builds] == [("1.1.0", True)]
    assert [each.version for each in new.releases] == ["1.1.0"]
    assert [(each.environment, each.runs, each.version) for each in new.arrivals] == [
        ("dev", "1.1.0", "1.1.0")
    ]
    assert ([each.version for each in old.releases], old.release_count) == (["1.0.0", "1.1.0"], 2)
    assert [(each.environment, each.runs, each.version) for each in old.arrivals] == [
        ("dev", "1.1.0", "1.0.0"),
        ("uat", "1.0.0", "1.0.0"),
    ]
    assert [[signed.by for signed in each.approvals] for each in old.arrivals] == [[], ["rita"]]


def test_after_a_rollback_it_does_not_run_but_was_there(house: House) -> None:
    """Where it came to stays told; that it runs is not."""
    house.release("1.0.0")
    house.to("dev", "1.0.0")
    commit = house.commit("feat: gifts", gifts="1\n")
    house.release("1.1.0")
    house.to("dev", "1.1.0")
    house.clock.advance(60)
    with house.database.begin() as uow:
        releases.rollback(uow, OTTO, "shop", "dev", "checkout is slow")
    house.wait(60)
    (entry,) = ask(house, "gifts").items
    assert entry.commit.sha == commit
    assert [(each.environment, each.runs, each.version) for each in entry.commit.arrivals] == [
        ("dev", None, "1.1.0")
    ]


def test_a_commit_that_was_not_built_itself_has_the_first_build_with_it(house: House) -> None:
    """Builds are of commits; most commits are built with the ones after them."""
    house.commit("feat: one", one="1\n")
    house.commit("feat: two", two="1\n")
    house.release("1.0.0")
    house.commit("feat: three", three="1\n")
    house.release("1.1.0")
    assert [(each.version, each.exact) for each in ask(house, "one").items[0].commit.builds] == [
        ("1.0.0", False)
    ]
    house.commit("feat: four", four="1\n")
    facts = ask(house, "four").items[0].commit
    assert (facts.builds, facts.releases, facts.release_count, facts.arrivals) == ((), (), 0, ())


def test_as_of_a_branch_a_tag_or_a_commit(house: House) -> None:
    """What is asked for is read there, and only changes that it has are told."""
    old = house.commit("feat: prices", prices=TEXT)
    house.made.git("tag", "v1")
    house.commit("fix: prices", prices=TEXT.replace("price 5", "price 55"))
    assert told(house, "prices:5") == [("changed", "fix: prices"), ("added", "feat: prices")]
    for ref in ("v1", old, old[:10]):
        assert told(house, "prices:5", ref=ref) == [("added", "feat: prices")]


def test_pages_follow_each_other(house: House) -> None:
    """The cursor of a page leads to the next one; nothing is told twice or left out."""
    for number in range(7):
        house.commit(f"fix: {number}", prices=str(number))
    seen, after = [], None
    while True:
        page = ask(house, "prices", after=after, limit=3)
        seen += [each.commit.subject for each in page.items]
        assert page.changes == 7
        after = page.next_cursor
        if after is None:
            break
    assert seen == [f"fix: {number}" for number in reversed(range(7))]
    for wrong in ({"after": "x"}, {"limit": 0}, {"limit": 201}):
        with pytest.raises(Invalid):
            ask(house, "prices", **wrong)


def test_who_may_not_see_an_environment_does_not(house: House) -> None:
    """A person without a role reads the history, and of no environment, approval or build."""
    house.commit("feat: prices", prices=TEXT)
    house.release("1.0.0")
    house.to("dev", "1.0.0")
    (entry,) = ask(house, "prices", actor=Actor("nobody")).items
    assert (entry.commit.arrivals, entry.commit.builds) == ((), ())
    assert ask(house, "prices", actor=RITA).items[0].commit.arrivals


def test_history_of_a_rewritten_branch(house: House) -> None:
    """A release of a commit that a force-push took out of the mirror contains nothing, and breaks nothing."""
    house.commit("feat: prices", prices=TEXT)
    house.release("1.0.0")
    house.to("dev", "1.0.0")
    house.made.git("checkout", "--quiet", "--orphan", "fresh")
    house.made.commit({"prices": TEXT, "clearway.yaml": DEFINITION}, "feat: anew")
    house.made.git("branch", "--quiet", "-M", "fresh", "main")
    house.mirrors.sync("shop", str(house.made.root))
    (entry,) = ask(house, "prices").items
    assert (entry.commit.subject, entry.commit.arrivals, entry.commit.release_count) == ("feat: anew", (), 0)


def test_one_commit_with_its_files(house: House) -> None:
    """By its id or its beginning; with additions, deletions and the difference."""
    house.commit("feat: prices", prices=TEXT)
    sha = house.commit("fix: prices\n\nThey were wrong.", prices=TEXT.replace("price 5", "price 55"))
    house.release("1.0.0")
    with house.database.read() as uow:
        page = releases.about_commit(uow, DANA, "shop", sha[:9])
        assert page == releases.about_commit(uow, DANA, "shop", sha)
    assert (page.commit.sha, page.commit.body) == (sha, "They were wrong.")
    (file,) = page.patch.files
    assert (file.path, file.additions, file.deletions) == ("prices", 1, 1)
    assert "-price 5\n+price 55" in file.text
    assert [each.version for each in page.commit.releases] == ["1.0.0"]


@pytest.mark.parametrize(
    ("ref", "error"), [("f" * 40, NotFound), ("--help", Invalid), ("nowhere", NotFound), ("a..b", Invalid)]
)
def test_what_means_no_commit_is_said(house: House, ref: str, error: type[Exception]) -> None:
    """An unknown id, an option, a range: refused before git is asked."""
    with house.database.read() as uow, pytest.raises(error):
        releases.about_commit(uow, DANA, "shop", ref)
    with pytest.raises(error):
        ask(house, "clearway.yaml", ref=ref)


def test_a_tag_and_a_branch_of_one_name_are_not_guessed(house: House) -> None:
    """The answer says how to tell them apart."""
    house.commit("feat: one", one="1")
    house.made.git("tag", "twin")
    house.commit("feat: two", two="1")
    house.made.git("branch", "twin")
    house.mirrors.sync("shop", str(house.made.root))
    with pytest.raises(Conflict, match="a tag and a branch"):
        ask(house, "one", ref="twin")


def about(house: House, ref: str) -> releases.CommitPage:
    with house.database.read() as uow:
        return releases.about_commit(uow, DANA, "shop", ref)


def test_who_signed_a_commit(house: House, tmp_path: Path) -> None:
    """By the keys that users declare now: a name only for a good signature."""
    key = tmp_path / "key"
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "dev", "-f", str(key)]
    subprocess.run(words, check=True)
    house.made.git("config", "gpg.format", "ssh")
    house.made.git("config", "user.signingkey", str(key))
    plain = house.made.git("rev-parse", "HEAD")
    house.made.git("config", "commit.gpgsign", "true")
    sha = house.commit("feat: signed", signed="1")
    assert [about(house, each).signature.state for each in (plain, sha)] == ["unsigned", "unknown key"]
    public = " ".join(key.with_suffix(".pub").read_text().split()[:2])
    with house.database.begin() as uow:
        access.apply(uow, SYSTEM, [access.UserDocument(name="sina", signing_keys=[public])])
    assert (about(house, sha).signature.state, about(house, sha).signature.by) == ("good", "sina")


def test_what_a_commit_violates(house: House) -> None:
    """The rules of its service's branches, as last judged; other commits' violations are not its own."""
    house.more_flows = source.FLOWS
    house.apply(
        f"{{kind: Service, name: shop, team: store, repository: '{house.made.root}', route: standard,"
        " branching: {strategy: trunk, reviewed: true}}"
    )
    source.sync(house.database, "shop")
    sha = house.made.git("rev-parse", "HEAD")
    assert about(house, sha).violations == ()
    source.check(house.database, "shop")
    assert [(each.rule, each.commit) for each in about(house, sha).violations] == [("not reviewed", sha)]


def test_a_commit_that_only_runs_as_a_cherry_pick(house: House) -> None:
    """Its page says where, and as which commit; a history, which is of very commits, does not."""
    house.commit("feat: one", one="1")
    house.made.git("branch", "release/1.0")
    house.commit("feat: two", two="1")
    fix = house.commit("fix: both", both="1")
    house.made.git("checkout", "--quiet", "release/1.0")
    house.made.git("cherry-pick", fix)
    picked = house.made.git("rev-parse", "HEAD")
    house.mirrors.sync("shop", str(house.made.root))
    house.release("1.0.1")
    house.to("dev", "1.0.1")
    arrivals = about(house, fix).commit.arrivals
    assert [(each.environment, each.runs, each.picked) for each in arrivals] == [("dev", "1.0.1", picked)]
    assert ask(house, "both").items[0].commit.arrivals == ()
