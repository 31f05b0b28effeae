"""Licences: what packages say of themselves, as SPDX expressions. Pure.

Rule: an expression is taken as it is when SPDX knows it; else classifiers, then the free text, are translated
where they mean one licence and no other. What stays ambiguous stays the package's own words.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from clearway.artifacts import LicenceVerdict, judge_licence, licence_expression

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


def from_words(text: str) -> str:
    """Free text as an expression, or the first line of the text itself."""
    line = next((each.strip() for each in text.splitlines() if each.strip()), "")
    if line.upper() == "UNKNOWN":
        return ""
    return licence_expression(line) or _WORDS.get(line.lower().rstrip(".")) or line[:200]


def from_metadata(about: Any) -> str:
    """Of a Python package's METADATA: an expression, or its own words; empty when it says nothing."""
    if said := licence_expression(str(about.get("License-Expression") or "").strip()):
        return said
    named = [
        each.rpartition(" :: ")[2]
        for each in about.get_all("Classifier") or ()
        if str(each).startswith("License ::") and not str(each).endswith(":: OSI Approved")
    ]
    if named and all(each in _CLASSIFIERS for each in named):
        # Several classifiers leave it to the reader; both have to be kept then.
        return licence_expression(" AND ".join(sorted({_CLASSIFIERS[each] for each in named}))) or ""
    free = from_words(str(about.get("License") or ""))
    return free if licence_expression(free) or not named else ", ".join(named)[:200]


def from_package_json(about: Mapping[str, Any]) -> str:
    """Of an npm package: its `license`, or what older ones write."""
    said = about.get("license") or about.get("licenses")
    if isinstance(said, str):
        return from_words(said)
    listed = said if isinstance(said, list) else [said]
    names = [each.get("type") if isinstance(each, Mapping) else each for each in listed]
    found = [from_words(each) for each in names if isinstance(each, str)]
    if found and all(licence_expression(each) for each in found):
        return licence_expression(" OR ".join(f"({each})" if " " in each else each for each in found)) or ""
    return ", ".join(found)[:200]


def summary(rows: Iterable[tuple[str, str]], allow: Collection[str], deny: Collection[str]) -> dict[str, Any]:
    """The packages `(name, what it says)` by verdict."""
    verdicts: dict[LicenceVerdict, list[dict[str, str]]] = {"allowed": [], "denied": [], "unknown": []}
    for name, said in sorted(rows):
        verdicts[judge_licence(said, allow, deny)].append({"package": name, "licence": said})
    return {
        "policy": {"allow": sorted(allow), "deny": sorted(deny)},
        "denied": verdicts["denied"],
        "unknown": verdicts["unknown"],
        "counts": {verdict: len(each) for verdict, each in verdicts.items()},
    }
