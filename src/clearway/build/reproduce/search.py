"""Which variations make a build come out differently: found by halving, with few rebuilds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Differs = Callable[[Sequence[str]], bool]
MOST_TRIES = 24


@dataclass
class Found:
    """What the search came to."""

    alone: list[str] = field(default_factory=list)  # each of them makes a difference by itself
    together: list[str] = field(default_factory=list)  # these only together
    whole: bool = True  # False: ended before everything was tried


class _Enough(Exception):
    pass


def search(names: Sequence[str], differs: Differs, most: int = MOST_TRIES) -> Found:
    """Split what differs in halves until each difference has a name. `names` together are known to differ."""
    found, tries = Found(), 0

    def ask(group: Sequence[str]) -> bool:
        nonlocal tries
        tries += 1
        if tries > most:
            raise _Enough
        return differs(group)

    def split(group: Sequence[str]) -> None:
        if len(group) == 1:
            found.alone.append(group[0])
            return
        middle = len(group) // 2
        halves = group[:middle], group[middle:]
        bad = [half for half in halves if ask(half)]
        for half in bad:
            split(half)
        if not bad:
            found.together.extend(group)

    try:
        split(names)
    except _Enough:
        found.whole = False
    return found
