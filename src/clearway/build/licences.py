"""Licences: what packages say of themselves, as SPDX expressions, and whether a list allows it. Pure.

Rules:
1. An expression is taken as it is when SPDX knows it; else classifiers, then the free text, are translated
   where they mean one licence and no other. What stays ambiguous stays the package's own words.
2. `A OR B` is allowed when either is, `A AND B` when both are; a licence with an exception is allowed by name
   with it, or without it. Words that are no expression are unknown, unless a list has just these words.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

Verdict = Literal["allowed", "denied", "unknown"]
MOST = 1000  # characters of an expression

# Classifiers that name one licence. "BSD License", "Apache Software License" and others name several, and are
# missing on purpose.
_CLASSIFIERS = {
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 (LGPLv2)": "LGPL-2.0-only",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "European Union Public Licence 1.2 (EUPL 1.2)": "EUPL-1.2",
    "Eclipse Public License 1.0 (EPL-1.0)": "EPL-1.0",
    "Eclipse Public License 2.0 (EPL-2.0)": "EPL-2.0",
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "zlib/libpng License": "Zlib",
    "Universal Permissive License (UPL)": "UPL-1.0",
    "Historical Permission Notice and Disclaimer (HPND)": "HPND",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
}
# What people write into a field of free text, in lower case.
_WORDS = {
    "mit license": "MIT",
    "the mit license": "MIT",
    "the mit license (mit)": "MIT",
    "expat": "MIT",
    "apache 2.0": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0",
    "apache software license 2.0": "Apache-2.0",
    "the apache software license, version 2.0": "Apache-2.0",
    "the apache license, version 2.0": "Apache-2.0",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "new bsd": "BSD-3-Clause",
    "new bsd license": "BSD-3-Clause",
    "3-clause bsd": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "modified bsd license": "BSD-3-Clause",
    "bsd 2-clause": "BSD-2-Clause",
    "simplified bsd": "BSD-2-Clause",
    "simplified bsd license": "BSD-2-Clause",
    "mpl 2.0": "MPL-2.0",
    "gplv2": "GPL-2.0-only",
    "gplv3": "GPL-3.0-only",
    "gplv3+": "GPL-3.0-or-later",
    "lgplv3+": "LGPL-3.0-or-later",
    "isc license": "ISC",
    "unlicense": "Unlicense",
    "eclipse public license 1.0": "EPL-1.0",
    "eclipse public license v2.0": "EPL-2.0",
    "eclipse public license - v 2.0": "EPL-2.0",
}


def expression(text: str) -> str | None:
    """The SPDX expression in its canonical form; None when the text is none."""
    if not text or len(text) > MOST:
        return None
    try:
        return str(canonicalize_license_expression(text))
    except (InvalidLicenseExpression, RecursionError):
        return None


def from_words(text: str) -> str:
    """Free text as an expression, or the first line of the text itself."""
    line = next((each.strip() for each in text.splitlines() if each.strip()), "")
    if line.upper() == "UNKNOWN":
        return ""
    return expression(line) or _WORDS.get(line.lower().rstrip(".")) or line[:200]


def from_metadata(about: Any) -> str:
    """Of a Python package's METADATA: an expression, or its own words; empty when it says nothing."""
    if said := expression(str(about.get("License-Expression") or "").strip()):
        return said
    named = [
        each.rpartition(" :: ")[2]
        for each in about.get_all("Classifier") or ()
        if str(each).startswith("License ::") and not str(each).endswith(":: OSI Approved")
    ]
    if named and all(each in _CLASSIFIERS for each in named):
        # Several classifiers leave it to the reader; both have to be kept then.
        return expression(" AND ".join(sorted({_CLASSIFIERS[each] for each in named}))) or ""
    free = from_words(str(about.get("License") or ""))
    return free if expression(free) or not named else ", ".join(named)[:200]


def from_package_json(about: Mapping[str, Any]) -> str:
    """Of an npm package: its `license`, or what older ones write."""
    said = about.get("license") or about.get("licenses")
    if isinstance(said, str):
        return from_words(said)
    listed = said if isinstance(said, list) else [said]
    names = [each.get("type") if isinstance(each, Mapping) else each for each in listed]
    found = [from_words(each) for each in names if isinstance(each, str)]
    if found and all(expression(each) for each in found):
        return expression(" OR ".join(f"({each})" if " " in each else each for each in found)) or ""
    return ", ".join(found)[:200]


def judge(said: str, allow: Collection[str], deny: Collection[str] = ()) -> Verdict:
    """Whether the lists allow what a package says; with an empty `allow` everything known but `deny`."""
    known = expression(said)
    wanted = {each.lower() for each in allow}
    barred = {each.lower() for each in deny}
    if known is None:
        words = said.lower()
        return "denied" if words in barred else "allowed" if said and words in wanted else "unknown"

    def fine(name: str) -> bool:
        names = {name.lower(), name.lower().partition(" with ")[0]}
        return not names & barred and (not wanted or bool(names & wanted))

    return "allowed" if _Tree(known).holds(fine) else "denied"


class _Tree:
    """Evaluates a canonical expression; AND binds more tightly than OR."""

    def __init__(self, text: str) -> None:
        self._words = re.findall(r"\(|\)|[^\s()]+", text)
        self._at = 0

    def holds(self, fine: Any) -> bool:
        """Whether some way to read the expression has only licences that are fine."""
        found = self._either(fine)
        return found and self._at == len(self._words)

    def _next(self) -> str:
        return self._words[self._at] if self._at < len(self._words) else ""

    def _either(self, fine: Any) -> bool:
        found = self._both(fine)
        while self._next() == "OR":
            self._at += 1
            found = self._both(fine) or found
        return found

    def _both(self, fine: Any) -> bool:
        found = self._one(fine)
        while self._next() == "AND":
            self._at += 1
            found = self._one(fine) and found
        return found

    def _one(self, fine: Any) -> bool:
        word = self._next()
        self._at += 1
        if word == "(":
            found = self._either(fine)
            self._at += 1
            return found
        if self._next() == "WITH":
            word = f"{word} WITH {self._words[self._at + 1]}"
            self._at += 2
        return bool(fine(word))


def summary(rows: Iterable[tuple[str, str]], allow: Collection[str], deny: Collection[str]) -> dict[str, Any]:
    """The packages `(name, what it says)` by verdict."""
    verdicts: dict[Verdict, list[dict[str, str]]] = {"allowed": [], "denied": [], "unknown": []}
    for name, said in sorted(rows):
        verdicts[judge(said, allow, deny)].append({"package": name, "licence": said})
    return {
        "policy": {"allow": sorted(allow), "deny": sorted(deny)},
        "denied": verdicts["denied"],
        "unknown": verdicts["unknown"],
        "counts": {verdict: len(each) for verdict, each in verdicts.items()},
    }
