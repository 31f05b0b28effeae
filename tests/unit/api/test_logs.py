"""Logs over HTTP: pieces, lines, searches, files."""

from __future__ import annotations

from collections.abc import Callable

from answers import Held
from house import House

from clearway import access, build
from clearway.build import Workshop, store


def failed(house: House, lines: list[str]) -> str:
    with house.database.begin() as uow:
        made = build.request(uow, access.TokenActor("root", actions=access.ACTIONS), "shop", "main")
        store.change_open(uow, made.id, status="failed")
        path = uow.tool(Workshop).log_path(made.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    return f"/v1/builds/{made.id}/log"


def test_a_long_log_comes_in_pieces_or_as_a_file(house: House, house_client: Callable[..., Held]) -> None:
    """Eight MiB at once, and the header says where to go on; a download is all of it, without colours."""
    address, dana = failed(house, [f"a | \x1b[31m{'x' * 990}\x1b[0m"] * 10_000), house_client("dana")
    first = dana.get(address)
    assert first.headers["clearway-log-complete"] == "no"
    assert len(first.text) <= 8 << 20
    rest = dana.get(address, params={"offset": first.headers["clearway-log-offset"]})
    assert rest.headers["clearway-log-complete"] == "yes"
    assert (first.text + rest.text).count("\n") == 10_000
    file = dana.get(address, params={"download": "true"})
    assert file.headers["content-disposition"].endswith('.log"')
    assert file.text == f"a | {'x' * 990}\n" * 10_000


def test_lines_searches_and_what_failed(house: House, house_client: Callable[..., Held]) -> None:
    """With numbers; what cannot be asked is said, and a build that is not there is 404."""
    address, dana = failed(house, ["a | one", "test | ValueError: two", "a | Three"]), house_client("dana")
    lines = dana.get(f"{address}/lines", params={"from": 2, "count": 1}).json()
    assert lines == {
        "lines": [{"number": 2, "step": "test", "text": "ValueError: two", "bad": False}],
        "following": 3,
        "total": 3,
    }
    hits = dana.get(f"{address}/search", params={"text": "three"}).json()["hits"]
    assert [each["number"] for each in hits] == [3]
    assert [each["text"] for each in dana.get(f"{address}/failing").json()["items"]] == ["one", "Three"]
    assert dana.get(f"{address}/search").status_code == 422
    assert dana.get(f"{address}/lines", params={"count": 99_999}).status_code == 422
    for each in ("lines", "search?text=x", "failing"):
        assert dana.get(f"/v1/builds/bld_none/log/{each}").status_code == 404
