"""The verdicts of a match in words: a sentence for each level, and answers to what is asked of a pyramid's ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rfscale.engine.analysis.match.entries_rule import Finer, Limits
    from rfscale.engine.analysis.match.levels import Level

LARGER = "enlarge the images, or cut them into tiles"
FEW, MANY = 0.05, 0.2  # shares of the objects: below the one a level is not needed, from the other on it is

_WORDS = {1.0: "one entry", 2.0: "two entries", 3.0: "three entries", 4.0: "four entries"}


class Question(NamedTuple):
    """A question, the answer in one word (yes, perhaps, no), and why."""

    question: str
    answer: str
    why: str


def level_verdict(level: Level, limits: Limits, entries: float) -> str:
    """Return what a level is right for, in a sentence.

    Examples
    --------
    >>> from rfscale.engine.analysis.match.entries_rule import Limits
    >>> from rfscale.engine.analysis.match.levels import Level
    >>> p3 = Level("P3", "out", 8.0, 99.0, True, False)
    >>> print(level_verdict(p3, Limits(16, 40, 0.51, 0.45, 0.04), 2))
    P3: 51 % of your objects are under two entries wide (below 16 px), 4.0 % are larger than its effective box (40 px)
    """
    text = (
        f"{level.name}: {_share(limits.under)} of your objects are {_under(entries)} (below {limits.smallest:.4g} px)"
    )
    if limits.largest != limits.largest:
        return text
    beyond = ", though it also reads the whole image" if level.whole_image else ""
    return f"{text}, {_share(limits.over)} are larger than its effective box ({limits.largest:.4g} px){beyond}"


def finer_question(finer: Finer, coarser: str, limit: float, under: float, entries: float) -> Question:
    """Return whether a level that the network has not is needed: by the share of objects that it would gain.

    Examples
    --------
    >>> from rfscale.engine.analysis.match.entries_rule import Finer
    >>> asked = finer_question(Finer("P2", 4.0, "layer1", 0.089, 0.027), "P3", 16.0, 0.116, 2)
    >>> print(asked.question, asked.answer)
    Do I need P2? perhaps
    >>> print(asked.why.partition("; ")[0])
    12 % of the objects are under two entries wide on P3 (below 16 px), 88 % are not
    """
    small, large = _share(under), _share(1 - under)
    why = f"{small} of the objects are {_under(entries)} on {coarser} (below {limit:.4g} px), {large} are not"
    why += f"; it would be {_share(finer.under)} on {finer.name} (stride {finer.stride:g})"
    if finer.gain >= FEW:
        why += ", or with images of twice the size"
        why += "; worth its cost if these objects matter" if finer.gain < MANY else ""
        why += f"; {finer.name} can begin at {finer.layer}, the last map of that stride" if finer.layer else ""
    if finer.under >= FEW:
        why += f"; for the {_share(finer.under)}, {LARGER}"
    return Question(f"Do I need {finer.name}?", _answer(finer.gain), why)


def finest_question(finest: Level, second: Level, limits: Limits, of_second: Limits, entries: float) -> Question:
    """Return whether the finest level of a network is needed: by the share of objects that it alone resolves."""
    name, alone = finest.name, of_second.under - limits.under
    low, high = limits.smallest, of_second.smallest
    enough = f"{_count(entries)} or more across"
    why = f"{_share(alone)} of the objects have {enough} on {name} alone ({low:.4g} to {high:.4g} px)"
    why += f", {_share(1 - of_second.under)} on {second.name} as well"
    if FEW <= alone < MANY:
        why += "; worth its cost if these objects matter"
    if limits.under >= FEW:
        why += f"; {_share(limits.under)} are {_under(entries)} even on {name}: {LARGER}"
    return Question(f"Do I need {name}?", _answer(alone), why)


def largest_question(name: str, largest: float, over: float, whole_image: bool) -> Question:
    """Return whether the largest objects are within what the levels depend on."""
    why = f"{_share(over)} of the objects are larger than the largest effective box ({largest:.4g} px, {name}), "
    why += f"{_share(1 - over)} are not"
    if whole_image:
        return Question(
            "Do the largest objects fit?", "yes", f"{why}; attention or the like brings in the whole image besides"
        )
    if over >= FEW:
        why += "; it decides on a part of them: dilation, attention or smaller images bring in more"
    answer = {"yes": "not all", "perhaps": "most of them", "no": "yes"}[_answer(over)]
    return Question("Do the largest objects fit?", answer, why)


def _answer(share: float) -> str:
    return "yes" if share >= MANY else "perhaps" if share >= FEW else "no"


def _share(share: float) -> str:
    """A share in per cent with two digits.

    Examples
    --------
    >>> [_share(x) for x in (0, 0.0004, 0.0321, 0.513, 0.999, 1)]
    ['none', 'under 0.1 %', '3.2 %', '51 %', '99.9 %', '100 %']
    """
    if share <= 1e-9:
        return "none"
    if share < 0.001:
        return "under 0.1 %"
    digits = 0 if 0.0995 <= share < 0.995 or share >= 0.9995 else 1
    return f"{100 * share:.{digits}f} %"


def _count(entries: float) -> str:
    return _WORDS.get(entries) or f"{entries:g} entries"


def _under(entries: float) -> str:
    return f"under {_count(entries)} wide"
