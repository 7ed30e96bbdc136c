"""Words of the running text that say something of the formulas beside them."""

import re
from typing import Literal, TypeAlias

from softcheck.derive.reading.sentences import DISPLAY, INLINE, Surroundings

Told: TypeAlias = Literal["if", "unless", "odd"]
"""What words before a condition say: that it is assumed, excluded, or something else of it."""

_ALL = (
    r"(?:\s*\b(?:that|all|any|every|each|some|both|the|a|an|case|cases|rows?|pairs?|actions?|"
    r"indices|index|entries|entry|of|two|which|where|when|with|other|now|have)\b)*[\s,:]*"
)
_IF = (
    r"if|for|when|whenever|where|with|given|provided|as long as|in case|in the case|the case|"
    r"cases?|because|since|assuming|assume|suppose|supposing|consider|let|take|fix|rows?|such that|"
    r"s\.t\."
)
_UNLESS = (
    r"unless|except(?:ing)?(?:\s+(?:if|when|where|for|that))?|excluding|other than|but not(?: if)?"
)
_ODD = r"\b(?:not|only|never|even|else|otherwise|or|whether|than|without|neither|nor)\b"

_STARTS = re.compile(rf"(?:^|\W)(?P<word>{_IF})\b{_ALL}$", re.IGNORECASE)
_EXCLUDES = re.compile(rf"(?:^|\W)(?:{_UNLESS})\b{_ALL}$", re.IGNORECASE)
_ODD_BEFORE = re.compile(rf"{_ODD}\s*(?:(?:{_IF})\b{_ALL})?$", re.IGNORECASE)
_JOINS = re.compile(r"[\s,]*(?:and)?[\s,]*(?:for|with|where|if|when)?[\s,]*", re.IGNORECASE)
_BEHIND = re.compile(r"\s*(?:$|[.,;:)\]]|(?:and|or|but|while|whereas|so|then)\b)")
_ON = re.compile(rf"\s*[,:]?\s*[{INLINE}{DISPLAY}]")

_CONSTANT = re.compile(
    r"\bconstants?\b|\b(?:do|does) not depend\b|\bdoesn't depend\b|\bindependent of\b|\bfree of\b"
    r"|\bfixed\b|\barbitrary\b|\bnot a function of\b|\bheld fixed\b|\bdetached\b"
    r"|\bstop-?gradient\b",
    re.IGNORECASE,
)
_CONSTANT_BEFORE = re.compile(
    r"\b(?:constant|fixed|arbitrary)(?:\s+(?!and\b|or\b)\w+)?\s*$"
    rf"|\bconstants\b(?:\s|,|\band\b|\bor\b|{INLINE})*$",
    re.IGNORECASE,
)
_DENIES = re.compile(
    r"\b(?:not|never|no|none|neither|nor|cannot|without|hardly|rarely|seldom|barely|scarcely|if"
    r"|whether|non|wrong(?:ly)?|false(?:ly)?|incorrect(?:ly)?|mistak\w+|erroneous\w*|fallac\w+"
    r"|unless|until|except|rare|at (?:least|most) one|there (?:is|are|exists?)|only|some|sometimes"
    r"|often|almost|nearly|unlikely|far from|anything but|would|could|were|wish|pretend\w*|ceases?"
    r"|illegal\w*|invalid\w*|forbid\w*|fails? to)\b|n't\b|\bnon-?constants?\b|\?",
    re.IGNORECASE,
)
_WHATEVER = r"\b(?:any|every|all|arbitrary|generic|general|whatever|whichever|no matter)\b"
_DISTRIBUTION = (
    r"(?:,?\s+(?!case\b)[\w'-]+){0,3}?"
    r"\s+(?:distributions?|polic(?:y|ies)|probabilit\w+|densit\w+)\b"
)
_ANY_BEFORE = re.compile(
    rf"{_WHATEVER}(?:{_DISTRIBUTION}|\s+(?:the|a|our)\s+\w+)[\s,]*$", re.IGNORECASE
)
_ANY_BEHIND = re.compile(
    r"^\W*(?:is|be|are|denotes?|may be|can be)(?:\s+(?!not\b)\w+){0,2}?"
    rf"\s+{_WHATEVER}{_DISTRIBUTION}"
    r"|^\W*(?:(?:need|does|do) not(?: have to)? be|is not(?: necessarily)?)\s+(?:a |the )?softmax"
    r"|^\W*(?:is|be)\s+(?:(?:a|an|the)\s+)?(?:\w+\s+)?(?:neural|network|gaussian|deterministic|uniform"
    r"|greedy|bernoulli|mixture|sparsemax|entmax)\b",
    re.IGNORECASE,
)
_POSITIVELY = re.compile(
    r"\b(?:do|does) not depend\b|\bdoesn't depend\b|\bnot a function of\b", re.IGNORECASE
)
_VERB = re.compile(
    r"\b(?:is|are|was|were|be|being|does|do|denotes?|has|have|means?|stands?|depends)\b",
    re.IGNORECASE,
)


def starts_condition(words: str) -> Told | None:
    """Return what the last of some words say of the formula behind them; None for nothing."""
    if _EXCLUDES.search(words):
        return "unless"
    if not _STARTS.search(words):
        return "odd" if re.fullmatch(rf"\W*{_ODD}\W*", words, re.IGNORECASE) else None
    return "odd" if _ODD_BEFORE.search(words) else "if"


def opens_case(around: Surroundings) -> bool:
    """Tell whether a sentence says nothing but a condition, for what follows it."""
    said = re.sub(rf"[{INLINE}{DISPLAY}]|\band\b", " ", f"{around.before} {around.behind}")
    return re.fullmatch(
        r"\W*(?:(?:now|next|first|then|so|and|finally|conversely|instead)\W+)*(?:let|suppose|assume|"
        r"consider|fix|take)(?:\s+(?:now|that|next|first|then|the case|where|in which|us))*\W*",
        said,
        re.IGNORECASE,
    ) is not None  # fmt: skip


def joins(words: str) -> bool:
    """Tell whether words only join one condition to another."""
    return _JOINS.fullmatch(words) is not None and words.strip() != ""


def is_behind(before: str, behind: str) -> bool:
    """Tell whether a condition between some words restricts what stands before them.

    It does where its clause ends with it, and does not lead on to the next formula.
    """
    if _ON.match(behind):
        return re.match(r"\s*(?:[,;:]|and\b|but\b|while\b)", before) is None
    return _BEHIND.match(behind) is not None


def says_constant(around: Surroundings) -> bool:
    """Tell whether the words next to a formula say that it is constant."""
    before, after = around.before, around.behind
    sentence = f"{before} {after}"
    if not _CONSTANT.search(sentence) or _DENIES.search(_POSITIVELY.sub("", sentence)):
        return False
    verbs = list(_VERB.finditer(after))
    until = verbs[1].start() if len(verbs) > 1 else len(after)
    return bool(_CONSTANT.search(after[:until]) or _CONSTANT_BEFORE.search(before))


def denied(around: Surroundings) -> bool:
    """Tell whether the clause of a formula denies it, or leaves it open."""
    before, behind = re.split(r"[,;:]", around.before)[-1], re.split(r"[,;:]", around.behind)[0]
    return _DENIES.search(f"{before} {behind}") is not None


def says_any(around: Surroundings) -> bool:
    """Tell whether the words next to a symbol say that it is any distribution."""
    return bool(_ANY_BEFORE.search(around.before) or _ANY_BEHIND.search(around.behind))
