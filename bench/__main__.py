"""`make bench`: runs the groups, prints the table, writes bench/results.json."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import traceback
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.figures import Figure, table

GROUPS = ("core", "source", "build", "artifacts", "deploy", "governance")
RESULTS = Path(__file__).parent / "results.json"


def main() -> int:
    """Run the groups that were asked for; exit 1 when a figure could not be measured."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--only", choices=GROUPS, help="one group")
    parser.add_argument("--figure", help="one figure of the group, by name; the others stay as they were")
    parser.add_argument("--table", action="store_true", help="measure nothing; print what was kept")
    chosen = parser.parse_args()
    if chosen.table:
        print(table([figure_of(row) for row in json.loads(RESULTS.read_text())]))
        return 0
    figures: list[Figure] = []
    tried: set[str] = set()
    for group in [chosen.only] if chosen.only else GROUPS:
        try:
            module = importlib.import_module(f"bench.{group}")
        except ModuleNotFoundError as error:
            if error.name != f"bench.{group}":
                raise
            print(f"bench: group {group} has no figures yet", file=sys.stderr)
            continue
        for measure in module.FIGURES:
            if chosen.figure and chosen.figure not in measure.__name__:
                continue
            print(f"bench: {group}.{measure.__name__} …", file=sys.stderr, flush=True)
            tried.add(f"{group}.{measure.__name__}")
            figures.extend(attempt(group, measure))
    if chosen.figure and not figures:
        parser.error(f"no figure is called {chosen.figure}")
    print(table(figures))
    keep([row_of(figure) for figure in figures], tried)
    return int(any(figure.value is None for figure in figures))


def attempt(group: str, measure: Any) -> list[Figure]:
    """The figures; one that cannot be had is a row that says why, and the others are measured."""
    try:
        return list(measure())
    except Exception as error:  # noqa: BLE001 - a benchmark that breaks must not hide the others
        traceback.print_exc()
        note = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        return [Figure(f"{group}.{measure.__name__}", None, "", note=note)]


def row_of(figure: Figure) -> dict[str, Any]:
    """The row of the results, with the moment and how busy the machine was."""
    load = round(os.getloadavg()[0], 1)
    return figure.as_json() | {"at": datetime.now(UTC).isoformat(timespec="seconds"), "load": load}


def figure_of(row: dict[str, Any]) -> Figure:
    """A figure from its row."""
    return Figure(**{each.name: row[each.name] for each in fields(Figure) if each.name in row})


def keep(rows: list[dict[str, Any]], tried: set[str]) -> None:
    """Write the results; figures that were not measured now stay as they were.

    `tried` holds the names under which measurements that break are kept: a later success removes such a row.
    """
    names = {row["name"] for row in rows} | tried
    old = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    kept = [row for row in old if row["name"] not in names]
    RESULTS.write_text(json.dumps([*kept, *rows], indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
