"""Who says whether a canary is as good as its baseline: series in, verdict and explanation out. Pure.

`native` is the default; `kayenta` reproduces Spinnaker's judge; `threshold` speaks Argo Rollouts' words.
numpy and scipy are imported only when a judge works, because they take most of a second.
"""

from .model import Direction, Judgement, Kind, MetricInput, MetricVerdict, Outcome, Verdict

__all__ = ["Direction", "Judgement", "Kind", "MetricInput", "MetricVerdict", "Outcome", "Verdict"]
