"""What the running text around a formula says of it."""

import re

from softcheck.derive.reading.regions import Span

_CONSTANT = re.compile(
    r"\bconstants?\b|\b(?:do|does) not depend\b|\bindependent of\b|\bfree of\b|\bfixed\b"
    r"|\barbitrary\b",
    re.IGNORECASE,
)
_CONSTANT_BEFORE = re.compile(
    r"\b(?:constant|fixed|arbitrary)(?:\s+(?!and\b|or\b)\w+)?\s*$"
    r"|\bconstants\b(?:\s|,|\band\b|\bor\b)*$",
    re.IGNORECASE,
)
_NOT_CONSTANT = re.compile(
    r"\b(?:not|never|no|n't|neither|nor|non)\W+(?:\w+\W+)?"
    r"(?:constants?|fixed|arbitrary|independent|free)\b|\bnon-?constants?\b",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"\b(?:is|are|was|were|be|being|does|do|denotes?|has|have|means?|stands?|depends)\b",
    re.IGNORECASE,
)
_ASSUMES = re.compile(
    r"\b(?:if|when|whenever|case|cases|assum\w*|suppos\w*|provided|unless)\b[^.]{0,40}$",
    re.IGNORECASE,
)


def says_constant(span: Span) -> bool:
    """Tell whether the words next to a formula say that it is constant."""
    if not _CONSTANT.search(span.sentence):
        return False
    after = span.sentence[len(span.before) :]
    verbs = list(_VERB.finditer(after))
    until = verbs[1].start() if len(verbs) > 1 else len(after)
    for words in (after[:until], span.before):
        pattern = _CONSTANT if words is not span.before else _CONSTANT_BEFORE
        if pattern.search(words) and not _NOT_CONSTANT.search(words):
            return True
    return False


def assumes(words: str) -> bool:
    """Tell whether the words before a formula assume it: "if", "suppose that"."""
    return _ASSUMES.search(words) is not None
