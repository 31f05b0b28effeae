"""One commit, and the history of a file: what they show, and that hashes lead there."""

from __future__ import annotations

import pytest
from house import House
from showcase import Showcase


def test_a_commit_says_who_what_and_where(look, filled: Showcase) -> None:
    """People, review, files with their difference, releases, each environment with its approval."""
    pull = filled.made.git("rev-parse", "HEAD~2")
    text = look("rita").get(f"/services/shop/commits/{pull}").text
    assert "<h1>feat(front): cheapest first</h1>" in text
    assert "#12 &lt;b&gt;bold&lt;/b&gt; prices" in text
    assert "javascript:" not in text
    assert "+    return round(sum(prices), 2)" in text
    assert '<span class="badge good">in 1.1.0</span>' in text
    assert '<a href="/releases/shop/1.1.0">1.1.0</a>' in text
    assert f"/services/shop/history?path=shop/prices.py&amp;ref={pull}" in text
    assert text.index("uat") < text.index("rita<span") < text.index("root<span")


def test_hashes_lead_to_the_commit(look, filled: Showcase) -> None:
    """On the pages of releases, builds, notes and what comes next."""
    rita = look("rita")
    link = f'href="/services/shop/commits/{filled.made.git("rev-parse", "HEAD~2")}"'
    for path in (
        "/releases/shop/1.1.0",
        "/releases",
        "/builds",
        "/services/shop/compare?since=1.0.0&to=1.1.0",
    ):
        assert link in rita.get(path).text, path


def test_a_history_shows_each_change_once(look, filled: Showcase) -> None:
    """Newest first, with what became of it; the line apart or in the path."""
    rita = look("rita")
    text = rita.get("/services/shop/history?path=shop/prices.py&line=5").text
    assert text.index("feat(front): cheapest first") < text.index("feat: sell things")
    assert "line 5 as of main" in text
    assert "2 changes" in text
    assert "2 changes" in rita.get("/services/shop/history?path=shop/prices.py:5").text
    assert "1 change." in rita.get("/services/shop/history?path=shop/prices.py:1").text


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("path=../etc/passwd", "leaves the repository"),
        ("path=shop/prices.py:99", "has 5 lines"),
        ("path=never", "there is no never"),
        ("path=shop/prices.py&ref=--help", "cannot name a commit"),
        ("path=<b>bold</b>", "&lt;b&gt;bold&lt;/b&gt;"),
    ],
)
def test_what_cannot_be_shown_says_so_and_keeps_the_form(
    look, filled: Showcase, asked: str, said: str
) -> None:
    """Words instead of an error page, and the field to try again."""
    answer = look("rita").get(f"/services/shop/history?{asked}")
    assert answer.status_code == 200
    assert said in answer.text
    assert 'name="path"' in answer.text


def test_a_commit_that_is_not_there_is_a_page_too(look, filled: Showcase) -> None:
    """Not found, with the way back."""
    assert look("rita").get(f"/services/shop/commits/{'f' * 40}").status_code == 404
    assert look("rita").get("/services/nothing/commits/main").status_code == 404


def test_a_huge_commit_is_folded(arrive, house: House) -> None:
    """What could not be overlooked is there, and closed; the last files are only counted."""
    files = {f"many/{number:03}": "x\n" * 150 for number in range(520)}
    house.commit("feat: much", **files)
    text = arrive(house, "rita").get("/services/shop/commits/main").text
    assert "520 files" in text
    assert text.count('<details class="diff"') == 500
    assert 1 <= text.count(" open><summary><code>") <= 3
    assert "more files" in text
    assert len(text) < 600_000
