"""What the newest release says about its configuration."""

from __future__ import annotations

from house import DEFINITION, House

from clearway.integrations.release_schemas import ReleaseSchemas


def test_the_newest_release_says_which_keys_are_secret(house: House) -> None:
    """Of the service that is asked about, or of any; an older release is over."""
    house.commit("feat: one")
    house.release("1.0.0")
    known = ReleaseSchemas()
    with house.database.read() as uow:
        assert known.secret_in(uow, "shop", "API_KEY") == known.secret_in(uow, None, "API_KEY") == "shop"
        assert known.secret_in(uow, "shop", "GREETING") is None
        assert known.secret_in(uow, "cart", "API_KEY") is None
    without = "".join(line for line in DEFINITION.splitlines(True) if "API_KEY" not in line)
    house.commit("feat: two", without)
    house.release("1.1.0")
    with house.database.read() as uow:
        assert known.secret_in(uow, None, "API_KEY") is None
