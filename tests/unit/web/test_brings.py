"""What a promotion brings and takes away, where it is decided."""

from __future__ import annotations

from house import OTTO, House
from showcase import Showcase

from clearway import releases


def test_a_promotion_says_what_it_brings(look, filled: Showcase) -> None:
    """What breaks, first; with the commit, and the way to all of the notes."""
    waiting = filled.one("waiting-approval")
    text = look("rita").get(f"/promotions/{waiting.id}").text
    brings = text[text.index("What it brings") : text.index("All of the notes")]
    assert "1 commit over 1.2.0" in brings
    assert "breaking</span> say how long the shop is open &lt;b&gt;bold&lt;/b&gt;" in brings
    assert "/services/shop/compare?since=1.2.0&amp;to=1.3.0" in brings
    assert "What it takes away" not in text
    plan = look("rita").get("/releases/shop/1.3.0/to/prod").text
    assert plan.index("say how long the shop is open") < plan.index("keep rendered pages")


def test_a_rollback_says_what_it_takes_away(arrive, house: House) -> None:
    """Going back brings nothing, and loses what came after; a first promotion replaces nothing."""
    first = house.at("dev")[0]
    house.commit("feat: gifts <b>", gifts="1")
    house.release("1.1.0")
    house.to("dev", "1.1.0")
    house.clock.advance(60)
    with house.database.begin() as uow:
        back = releases.rollback(uow, OTTO, "shop", "dev", "checkout is slow")
    house.wait(60)
    otto = arrive(house, "otto")
    text = otto.get(f"/promotions/{back.id}").text
    assert "Nothing new." in text
    assert "gifts &lt;b&gt;" in text[text.index("What it takes away") : text.index("All of the notes")]
    text = otto.get(f"/promotions/{first.id}").text
    assert "nothing ran there before" in text
    assert "/releases/shop/1.0.0" in text[text.index("What it brings") : text.index("All of the notes")]


def test_much_is_cut_and_an_unreadable_history_shows_nothing(arrive, house: House) -> None:
    """The page is there to decide; the rest is one click away, or cannot be known."""
    for number in range(12):
        house.commit(f"feat: gift {number}", gifts=str(number))
    house.release("1.1.0")
    asked = house.promote("1.1.0", "dev")
    dana = arrive(house, "dana")
    text = dana.get(f"/promotions/{asked.id}").text
    assert text.count("<li>gift ") == 8
    assert "and 4 changes more" in text
    part = dana.get(f"/promotions/{asked.id}", headers={"HX-Request": "true"}).text
    assert "What it brings" not in part
    house.mirrors.root.joinpath("shop.git", "HEAD").unlink()
    answer = dana.get(f"/promotions/{asked.id}")
    assert (answer.status_code, "What it brings" in answer.text) == (200, False)
