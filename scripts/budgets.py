"""Fails when a file or a function passes the caps of the house (file 600 lines, function 80)."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

FILE_CAP = 600
FUNCTION_CAP = 80


def over_budget(root: Path) -> list[str]:
    """One line for each file or function under `root` that passes its cap."""
    rows = []
    for path in sorted(root.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        lines = text.count("\n") + 1
        if lines > FILE_CAP:
            rows.append(f"{path}: {lines} lines (cap {FILE_CAP})")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                size = (node.end_lineno or node.lineno) - node.lineno + 1
                if size > FUNCTION_CAP:
                    rows.append(f"{path}:{node.lineno} {node.name}: {size} lines (cap {FUNCTION_CAP})")
    return rows


if __name__ == "__main__":
    found = [row for folder in ("src", "tests", "bench", "contracts") for row in over_budget(Path(folder))]
    print("\n".join(found) or "budgets: kept")
    sys.exit(bool(found))
