"""`make bench`: runs the groups, prints the table, writes bench/results.json."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

from bench.figures import Figure, table

GROUPS = ("core", "source", "build", "artifacts", "deploy", "governance")
RESULTS = Path(__file__).parent / "results.json"


def main() -> int:
    """Run the groups that were asked for; exit 1 when a figure could not be measured."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--only", choices=GROUPS, help="one group")
    parser.add_argument("--figure", help="one figure of the group, by name")
    chosen = parser.parse_args()
    figures: list[Figure] = []
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
            figures.extend(measure())
    print(table(figures))
    RESULTS.write_text(json.dumps([figure.as_json() for figure in figures], indent=1) + "\n")
    return int(any(figure.value is None for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
