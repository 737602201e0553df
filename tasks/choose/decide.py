"""The decision between scored candidates: what is compared, and whether it is evened.

Where texts are trusted, agreement x predictability decides, and the image alone, or captions beside
nouns, must be clearly above nouns alone. Where they are tested, kinds of comparison are told apart
by predictability alone, and the image alone stays unless another is above it by more than chance
explains; within the kind that is taken, agreement counts as well.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

from sortal.configs.evaluation import ChooseConfig
from sortal.tasks.choose.candidates import NOUNS
from sortal.tasks.choose.score import Score

CANDIDATES = "candidates.parquet"  # what the step `choose` writes
Scores = Mapping[str, Score | None]


class Decision(NamedTuple):
    """The candidate chosen, the one it was compared with last, and whether it is yesterday's."""

    chosen: str
    other: str | None
    kept: bool


def decide(
    scores: Scores, kinds: Mapping[str, str], config: ChooseConfig, earlier: str | None = None
) -> Decision:
    """The candidate to take; `kinds` gives the kind of each, the plainest first.

    `earlier` stays unless what would be taken is above it by the share `config.margin`: in
    agreement x predictability, or between kinds, where texts are tested, in the latter. None is
    the score of one that could not be measured; where none could, the first is taken.
    """
    known = {name: score for name, score in scores.items() if score is not None}
    if not known:
        kept = earlier in scores
        return Decision(str(earlier) if kept else next(iter(scores)), None, kept)
    trusted = config.texts == "trusted"
    best = (
        _trusting(known, kinds, config.lead)
        if trusted
        else _testing(known, kinds, config.certainty)
    )
    if earlier in known and earlier != best:
        alike = trusted or kinds[str(earlier)] == kinds[best]
        old, new = (_figure(known[str(name)], alike) for name in (earlier, best))
        if new <= old * (1 + config.margin):
            return Decision(str(earlier), best, True)
    return Decision(best, _next(known, best), best == earlier)


def _trusting(known: Mapping[str, Score], kinds: Mapping[str, str], lead: float) -> str:
    """The best of all, where those that are not of nouns alone count less by the share `lead`."""
    counts = {name: 1.0 if kinds[name].startswith(NOUNS) else 1 + lead for name in known}
    return max(known, key=lambda name: known[name].product / counts[name])


def _testing(known: Mapping[str, Score], kinds: Mapping[str, str], certainty: float) -> str:
    """The best of the kind of comparison that is taken."""
    firsts: dict[str, str] = {}
    for name in known:
        firsts.setdefault(kinds[name], name)
    taken = _kind(known, list(firsts.values()), certainty)
    own = [name for name in known if kinds[name] == kinds[taken]]
    return max(own, key=lambda name: known[name].product)


def _kind(known: Mapping[str, Score], firsts: list[str], certainty: float) -> str:
    """Of the plainest of each kind, the best foretold; the first of all, unless that is certain."""
    plain = firsts[0]
    best = max(firsts, key=lambda name: known[name].predictability)
    lead = known[best].predictability - known[plain].predictability
    return best if lead > certainty * math.hypot(known[best].error, known[plain].error) else plain


def _figure(score: Score, alike: bool) -> float:
    return score.product if alike else score.predictability


def _next(known: Mapping[str, Score], best: str) -> str | None:
    """The best foretold of the others."""
    others = [name for name in known if name != best]
    return max(others, key=lambda name: known[name].predictability, default=None)
