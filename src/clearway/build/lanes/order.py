"""Who gets the next slot. Pure.

Rules:
1. Within a pool, the team whose turn was longest ago is next; teams that never had one come first, and of
   equals the one whose oldest build came first. So a team with a thousand builds delays another by one.
2. Within a team, the oldest build is next.
3. A pool hands out as many as it has slots. A team with a limit has no more builds at once than that, in all
   pools together; its turn passes to others meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Head:
    """The oldest waiting build of a team in a pool."""

    pool: str
    team: str
    build_id: str


@dataclass
class Lanes:
    """What is free, and whose turn was when."""

    slots: Mapping[str, int]  # of each pool, at once
    most: Mapping[str, int]  # of teams that have a limit, at once
    busy_pools: dict[str, int] = field(default_factory=dict)
    busy_teams: dict[str, int] = field(default_factory=dict)
    turns: dict[tuple[str, str], int] = field(default_factory=dict)  # by pool and team: higher is later

    def next(self, heads: Iterable[Head]) -> Head | None:
        """The build that gets a slot now; None when nobody may have one."""
        free = [each for each in heads if self._has_room(each)]
        return min(free, key=lambda each: (self.turn_of(each.pool, each.team), each.build_id), default=None)

    def take(self, head: Head) -> int:
        """It has its slot; returns the turn's number."""
        number = max(self.turns.values(), default=0) + 1
        self.turns[head.pool, head.team] = number
        self.busy_pools[head.pool] = self.busy_pools.get(head.pool, 0) + 1
        self.busy_teams[head.team] = self.busy_teams.get(head.team, 0) + 1
        return number

    def turn_of(self, pool: str, team: str) -> int:
        """When a team was last served there; -1: never."""
        return self.turns.get((pool, team), -1)

    def _has_room(self, head: Head) -> bool:
        limit = self.most.get(head.team)
        if limit is not None and self.busy_teams.get(head.team, 0) >= limit:
            return False
        return self.busy_pools.get(head.pool, 0) < self.slots.get(head.pool, 0)


def in_order(waiting: Iterable[tuple[str, str]], turns: Mapping[str, int]) -> list[str]:
    """One pool's waiting builds in the order in which they will be served, as far as no team is at its limit.

    `waiting` are ids and teams, oldest first; `turns` are the teams' last ones.
    """
    queues: dict[str, deque[str]] = {}
    for build_id, team in waiting:
        queues.setdefault(team, deque()).append(build_id)
    round_ = sorted(queues, key=lambda team: (turns.get(team, -1), queues[team][0]))
    found: list[str] = []
    while round_:
        found += [queues[team].popleft() for team in round_]
        round_ = [team for team in round_ if queues[team]]
    return found
