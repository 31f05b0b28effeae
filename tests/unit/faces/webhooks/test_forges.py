"""Each forge's documented payloads, as Clearway reads them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import get_args

import pytest
from forges import AT, payload, sent

from clearway.catalog import Repository
from clearway.faces.webhooks.forge import Facts, is_elsewhere
from clearway.faces.webhooks.forges import FORGES
from clearway.faces.webhooks.reading import Fields
from clearway.source import PullRequest, Review

BASE, HEAD, MERGED = (
    "1f0e6a4c0d5b7a92e8c3f4d6b1a09e8d7c6b5a43",
    "5a43b1a09e8d7c6b1f0e6a4c0d5b7a92e8c3f4d6",
    "9c1d2e3f4a5b60718293a4b5c6d7e8f901234567",
)
FIRST = "0badc0de0123456789abcdef0123456789abcdef"
NINE, REVIEWED = datetime(2026, 3, 1, 9, tzinfo=UTC), datetime(2026, 3, 1, 10, 3, tzinfo=UTC)
CLOSED = datetime(2026, 3, 1, 10, 5, tzinfo=UTC)
PAGES = {
    "github": "https://github.com/acme/shop/pull/12",
    "gitlab": "https://gitlab.example.com/acme/shop/-/merge_requests/12",
    "azure-devops": "https://dev.azure.com/acme/store/_git/shop/pullrequest/12",
    "gitea": "https://git.example.com/acme/shop/pulls/12",
    "generic": "https://forge.example.com/acme/shop/12",
}
PEOPLE = {"azure-devops": ("dana@example.com", "rita@example.com")}


def read(forge: str, event: str, name: str) -> Facts:
    return FORGES[forge].read("shop", event, Fields(payload(name)))


def pull(forge: str, chapter: int) -> PullRequest:
    delivery = sent(forge, chapter)
    found = FORGES[forge].read("shop", delivery.event, Fields(json.loads(delivery.body))).pull_request
    assert found is not None
    return found


@pytest.mark.parametrize("forge", PAGES)
def test_an_opened_pull_request_is_told_whole(forge: str) -> None:
    """Number, title, text, author, branch, newest commit, page and labels come out of the documented form; a
    merge commit that is only a rehearsal does not."""
    found = pull(forge, 1)
    dana, _ = PEOPLE.get(forge, ("dana", "rita"))
    assert (found.repository, found.number, found.state) == ("shop", 12, "open")
    assert (found.title, found.body, found.author) == ("Green tea", "As asked in SHOP-7.", dana)
    assert (found.target, found.head, found.url) == ("main", HEAD, PAGES[forge])
    assert found.labels == (("feature",) if forge != "azure-devops" else ())
    assert found.updated_at.replace(microsecond=0) == NINE
    assert (found.merge_commit, found.merged_by, found.merged_at) == (None, "", None)


@pytest.mark.parametrize("forge", PAGES)
def test_a_merged_pull_request_says_what_the_merge_left(forge: str) -> None:
    """The commit on the target branch, who merged, and when."""
    found = pull(forge, 3)
    _, rita = PEOPLE.get(forge, ("dana", "rita"))
    assert (found.state, found.merge_commit, found.merged_by) == ("merged", MERGED, rita)
    assert found.merged_at is not None
    assert found.merged_at.replace(microsecond=0) == CLOSED


@pytest.mark.parametrize("forge", PAGES)
def test_an_approval_is_told_with_the_commit_that_was_looked_at(forge: str) -> None:
    """Who, when, and for which commit; a team's place among the reviewers is no vote."""
    delivery = sent(forge, 2)
    facts = FORGES[forge].read("shop", delivery.event, Fields(json.loads(delivery.body)))
    _, rita = PEOPLE.get(forge, ("dana", "rita"))
    [review] = facts.reviews
    assert (review.number, review.reviewer, review.verdict, review.commit) == (12, rita, "approved", HEAD)
    assert review.at.replace(microsecond=0) == REVIEWED


@pytest.mark.parametrize(
    ("forge", "event", "name", "about"),
    [
        ("github", "push", "github.push", "push to main"),
        ("github", "create", "github.create", "create tag v1.2.0"),
        ("github", "delete", "github.delete", "delete branch topic"),
        ("github", "ping", "github.ping", "the webhook was set up"),
        ("gitlab", "Push Hook", "gitlab.push", "push to main"),
        ("gitlab", "Tag Push Hook", "gitlab.tag_push", "tag v1.2.0"),
        ("azure-devops", "git.push", "azure-devops.git.push", "push to main"),
        ("gitea", "push", "gitea.push", "push to main"),
        ("gitea", "create", "gitea.create", "create tag v1.2.0"),
        ("gitea", "delete", "gitea.delete", "delete branch topic"),
        ("generic", "push", "generic.push", "push to main"),
    ],
)
def test_a_push_is_a_hint_to_fetch_and_nothing_more(forge: str, event: str, name: str, about: str) -> None:
    """Of branches and tags a delivery only says that something happened: no commit of it is believed."""
    assert read(forge, event, name) == Facts(about)


@pytest.mark.parametrize("forge", FORGES)
def test_events_that_are_of_no_use_ask_for_nothing(forge: str) -> None:
    """Stars, comments and pipelines neither fetch nor change anything."""
    assert FORGES[forge].read("shop", "star", Fields({"action": "created"})) == Facts(fetch=False)


def test_azure_tells_commits_newest_first() -> None:
    """A pull request's own commits are kept oldest first, whatever the forge's order."""
    assert pull("azure-devops", 2).commits == (FIRST, HEAD)
    assert pull("generic", 3).commits == (FIRST, HEAD)


@pytest.mark.parametrize(
    ("vote", "verdict"),
    [(10, "approved"), (5, "approved"), (0, "withdrawn"), (-5, "refused"), (-10, "refused")],
)
def test_azure_votes(vote: int, verdict: str) -> None:
    """Approved with suggestions is approved; waiting for the author is not; each vote stands as it is."""
    told = payload("azure-devops.git.pullrequest.updated")
    told["resource"]["reviewers"][1]["vote"] = vote
    facts = FORGES["azure-devops"].read("shop", "git.pullrequest.updated", Fields(told))
    assert [(each.verdict, each.standing) for each in facts.reviews] == [(verdict, True)]


@pytest.mark.parametrize(
    ("state", "verdict"),
    [("changes_requested", "refused"), ("dismissed", "withdrawn"), ("commented", None), ("pending", None)],
)
def test_github_reviews(state: str, verdict: str | None) -> None:
    """Asking for changes and dismissing take an approval back; a comment says neither yes nor no."""
    told = payload("github.pull_request_review")
    told["review"]["state"] = state
    facts = FORGES["github"].read("shop", "pull_request_review", Fields(told))
    assert [each.verdict for each in facts.reviews] == ([verdict] if verdict else [])


def test_gitlab_names_its_author_by_number() -> None:
    """The author is the one of those named who has the number; somebody else who acts is not the author."""
    assert pull("gitlab", 2).author == "dana"
    told = payload("gitlab.merge_request.approved")
    told["assignees"] = []
    found = FORGES["gitlab"].read("shop", "Merge Request Hook", Fields(told)).pull_request
    assert found is not None
    assert found.author == ""


def test_gitea_reviews_name_the_commit_when_they_know_it() -> None:
    """With a commit in the review it is that one; a rejection takes an approval back."""
    told = payload("gitea.pull_request.approved") | {"commit_id": FIRST}
    told["review"]["type"] = "pull_request_review_rejected"
    facts = FORGES["gitea"].read("shop", "pull_request_rejected", Fields(told))
    assert facts.reviews == (Review("shop", 12, "rita", REVIEWED, "refused", FIRST),)


def test_every_forge_that_a_document_may_name_is_known() -> None:
    """What can be declared can be read; `none` takes nobody's deliveries."""
    assert {*FORGES, "none"} == {*get_args(Repository.model_fields["forge"].annotation)}


def test_gitlab_before_idempotency_keys() -> None:
    """One merge sends a push and a merge request under one event id: with their bytes they are two."""
    headers = {"x-gitlab-event": "Push Hook", "x-gitlab-event-uuid": "13792a34"}
    one, other = (FORGES["gitlab"].heading(headers, Fields({}), f"sha256:{at:064x}") for at in (1, 2))
    assert one.delivery_id != other.delivery_id
    assert one.delivery_id.startswith("13792a34/")


def test_azure_subscriptions_are_told_apart() -> None:
    """Two subscriptions tell of one event, each in words of its own: two deliveries, not one that changed."""
    told = payload("azure-devops.git.pullrequest.updated")
    one = FORGES["azure-devops"].heading({}, Fields(told), "")
    other = FORGES["azure-devops"].heading({}, Fields({**told, "subscriptionId": "other"}), "")
    assert one.delivery_id != other.delivery_id
    assert FORGES["azure-devops"].heading({}, Fields({"id": 7}), "").delivery_id == ""


@pytest.mark.parametrize(
    ("location", "told", "elsewhere"),
    [
        ("https://github.com/acme/shop.git", ["https://github.com/acme/shop.git"], False),
        ("git@github.com:acme/shop.git", ["https://github.com/acme/shop"], False),
        ("git@ssh.dev.azure.com:v3/acme/store/shop", ["https://dev.azure.com/acme/store/_git/shop"], False),
        ("https://github.com/acme/shop", ["https://github.com/acme/cart.git", ""], True),
        ("https://github.com/acme/shop", [], False),
        ("/srv/git/shop.git", ["https://github.com/acme/cart.git"], False),
        ("git/shop", ["https://github.com/acme/cart.git"], False),
    ],
)
def test_another_repositorys_deliveries_are_noticed(location: str, told: list[str], elsewhere: bool) -> None:
    """A webhook of a whole organisation does not mix the pull requests of its repositories."""
    assert is_elsewhere(location, told) is elsewhere


def test_every_payload_names_its_repository() -> None:
    """The documented payloads say where they come from, in the place where it is looked for."""
    for forge in PAGES:
        told = Fields(json.loads(sent(forge, 1).body))
        addresses = [told.text(path) for path in FORGES[forge].addresses]
        assert any(addresses)
        assert not is_elsewhere("https://anywhere.example/acme/shop.git", addresses)
    assert AT.tzinfo is UTC
