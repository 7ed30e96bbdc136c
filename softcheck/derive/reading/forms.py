r"""What a formula is to its document: the closed list of forms, the first that fits decides.

A form is made of the relation, the layout and the words around a formula. No list of words is
without error, so the consequences are not symmetric: what any form calls a claim may be proved, and
only what a sure one does may be refuted; an explicit definition may be used for both, a weak one
proves, and is said. What fits no form defines nothing and restricts nothing.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from softcheck.derive.reading.claims import Kind
from softcheck.derive.reading.sentences import DISPLAY, INLINE, Surroundings

Side = Literal[
    "nothing", "derivative", "symbol", "entry", "number", "whole", "expression", "unread"
]
"""What stands on a side: an `entry` is a symbol at actions, a `whole` a set or a tuple."""


@dataclass(frozen=True)
class Seen:
    """What is seen of one statement before it is known what it is.

    Attributes
    ----------
    display : bool
    around : Surroundings
    words : str
        The running text in the formula just before it.
    first : bool
        Whether it is the first statement of its formula.
    signs : tuple of str
        Its relations.
    left, right : str
        What stands on its first two sides.
    defined : bool
        Whether the document defines the symbol on its left.
    stated : bool
        Whether it does, or an earlier claim has relied on another meaning of that symbol.
    known : bool
        Whether it has any, a default or that of a constant included.
    default : bool
        Whether it has a meaning by default, and none of the document's own.
    starred : bool
        Whether it bears the star of an optimum.
    softmax : bool
        Whether its second side is a quotient of an exponential by a sum of them.
    zero : bool
        Whether a side is 0.
    derives : bool
        Whether a side behind the first is a derivative.
    update : bool
        Whether its second side holds the symbol on its left.
    optimum : bool
        Whether a maximum or a minimum is asked for.
    premise : bool
        Whether an arrow of implication stands at it.
    beside : bool
        Whether the statement before it, in the same display, is a sure claim.
    signed : bool
        Whether the document writes `:=`, and so defined every symbol of this statement.
    number : bool
        Whether the right side holds no letter.
    column : bool
        Whether a side is a tuple of numbers.
    """

    display: bool
    around: Surroundings
    words: str
    first: bool
    signs: tuple[str, ...]
    left: Side
    right: Side
    defined: bool
    stated: bool
    known: bool
    default: bool
    starred: bool
    softmax: bool
    zero: bool
    derives: bool
    update: bool
    optimum: bool
    premise: bool
    beside: bool
    signed: bool
    number: bool
    column: bool

    @property
    def before(self) -> str:
        """The words before it: those in the formula, or else those of its sentence."""
        if self.words:
            return self.words
        return self.around.before if self.first else f"{self.around.before} {DISPLAY}"

    @property
    def defines(self) -> bool:
        """Whether a definition may read so: a symbol without a meaning, and what it is."""
        kinds = ("expression", "derivative", "entry", "symbol", "unread")
        return self.named and not self.stated and self.right in kinds

    @property
    def named(self) -> bool:
        """Whether a symbol stands on its left, alone or at actions."""
        return self.left in ("symbol", "entry")

    @property
    def expressed(self) -> bool:
        """Whether more than a bare symbol or number stands on its right."""
        return self.right in ("expression", "derivative", "entry") and not self.number

    def says(self, pattern: re.Pattern[str]) -> bool:
        """Tell whether the words before it fit a pattern."""
        return pattern.search(self.before) is not None


@dataclass(frozen=True)
class Form:
    """One form of the list.

    Attributes
    ----------
    code : str
    kind : str
        What it makes of a statement.
    sure : bool
        Whether a claim of this form may be refuted, and what rests on a definition of it.
    why : str
        The form in words.
    fits : callable
    """

    code: str
    kind: Kind
    sure: bool
    why: str
    fits: Callable[[Seen], bool]


_FORMULA = f"[{INLINE}{DISPLAY}]"
_LIST = rf"(?:[\s,;]*+(?:{_FORMULA}|\b(?:and|or|also|both)\b))*+[\s,:]*$"
"""Formulas of the same list, up to the one that is looked at."""


_SEVERAL = (
    r"(?:[\s,;]*+(?:(?!(?:is|are|then|so|that|has|have|gives?|becomes?|follows|holds|hence|thus|"
    rf"because|since|if|when|we|get|obtain|find)\b)[\w'-]++|{_FORMULA}))*+[\s,:]*$"
)
"""More of a list that a formula has begun, with nouns between: "let p = .., rewards r and J"."""


def _words(pattern: str, *, few: int = 0, several: bool = False) -> re.Pattern[str]:
    """Return what finds words before a formula.

    Directly before it, with a `few` other words between; or before a list of `several` formulas.
    """
    other = r"(?!(?:then|so|show|prove|have|get|obtain|find)\b)[\w'-]+"
    between = rf"(?:\s+{other}){{0,{few}}}" if few else ""
    end = rf"(?:{_LIST}|[\s,]*{_FORMULA}{_SEVERAL})" if several else _LIST
    return re.compile(rf"\b(?:{pattern})\b{between}{end}", re.IGNORECASE)


_LET = _words(
    r"(?<!can )(?<!may )(?<!could )(?<!be )(?:let|letting|define|defining|denote|denoting|write|"
    r"writing|introduce|introducing|set|put|abbreviate|recall|notation|shorthand)"
    r"(?:\s+(?:by|also|us|we|again|for short|that))*", few=4, several=True)  # fmt: skip
_SUPPOSE = _words(
    r"(?:suppose|assume|assuming|let|say)(?:\s+that)?\s+(?:the|our|a|an|its|each|every)"
    r"(?:\s+[\w'-]+){1,4}\s+(?:is|are|be|has|takes)(?:\s+\w+){0,3}")  # fmt: skip
_WHERE = _words(r"where|wherein|in which|with|here", few=3, several=True)
_WHERE_AT_ONCE = re.compile(
    r"\b(?:where|wherein|in which|with)\b(?:\s+[\w'-]+){0,4}[\s,:]*$", re.IGNORECASE
)
_DEFINED = _words(
    r"(?<!the )(?<!by )(?:define|defines|defined|defining|denote|denotes|denoted|introduce|"
    r"introduced|let|letting|write|writing|set|put|consider|abbreviate)", few=9)  # fmt: skip
_GIVEN = _words(
    r"(?:given|defined|described|parametri[sz]ed) by|as follows|takes? the form|has the form|"
    r"of the form|reads|read", few=2)  # fmt: skip
_CALLED = re.compile(
    r"^\W*(?:is|are) (?:called|known as|termed|defined|the definition)|^\W*denotes?\b",
    re.IGNORECASE,
)
_ONE = r"\b(?:the|a|an|our|its|their|this)"
_NOUN = re.compile(
    rf"{_ONE}(?:\s+(?!(?:is|are|was|has|have|of which)\b)[\w'-]+){{1,7}}[\s,:]*$"
    rf"|{_ONE}(?:\s+(?:(?!(?:is|are|then|so)\b)[\w'-]+|{_FORMULA})){{1,8}}"
    r"\s+(?:is|are|be|becomes|then)(?:\s+(?:then|the|a|just|simply|thus))*[\s,:]*$",
    re.IGNORECASE,
)
_LABEL = re.compile(r"^\W*(?:[\w'-]+ ?){1,5}:\W*$")
_CASES = re.compile(
    r"\b(?:cases?|pairs?|rows?|states?|actions?|points?|those|everywhere|only|except|entries|indices)\s+"
    r"where\b[^,;]*$",
    re.IGNORECASE,
)
_FOR = _words(r"for|given", few=1)

_CONDITION = _words(
    r"if|when|whenever|once|suppose|supposing|assume|assuming|such that|so that|for which|cases?|"
    r"rows? where|only (?:if|when)|provided(?: that)?|unless|until|except(?: (?:if|when|where))?|"
    r"as long as|subject to|constraint|under|given|requir\w+|ensur\w+|with|for|at|as|where|let|"
    r"take|taking|fix|fixing|set|setting|consider",
    few=3,
)
_ASSUMING = (
    r"if|when|whenever|(?<!at )once|suppose|supposing|assume|assuming|such that|"
    r"for which|cases?|unless|provided(?: that)?|until|as long as|subject to|constraints?|under|"
    r"requir\w+|ensur\w+|rows? where|except(?: (?:if|when|where))?|satisf\w+|solve\w*|solving|let"
)
_HYPOTHESIS = _words(_ASSUMING, few=4)
_HYPOTHESIS_AT_ONCE = re.compile(
    rf"\b(?:{_ASSUMING})\b(?:\s+[\w'-]+){{0,4}}[\s,:]*$", re.IGNORECASE
)
_SO = _words(
    r"then|thus|hence|so|so that|therefore|we (?:\w+ )?(?:have|get|obtain|find|see|arrive at)|"
    r"yields?|yielding|gives?|giving|to (?:obtain|get)|obtaining|obtain|it follows(?: that)?|"
    r"note that|observe that|because|since|show that|prove that|becomes?|that is|i\.e\.|"
    r"implies|equivalently|"
    r"consequently|simplif\w+ to|reduces? to|leads? to|results? in|in particular|fact that|"
    r"holds that|shows?|proves?|means|concludes?|implying",
    few=2,
)
_DOING = re.compile(
    r"(?:^|[,:;]\s*)(?:and\s+|then\s+|by\s+)?(?:substituting|plugging|solving for|expanding|using|"
    r"applying|taking|combining|inserting|putting|simplifying|rearranging|collecting|multiplying|"
    r"dividing|differentiating|subtracting|adding|summing)\b",
    re.IGNORECASE,
)
_NO_DEFINITION = re.compile(
    r"\b(?:then|so|hence|thus|therefore|reduces?|satisf\w+|equation|in terms of|identity|shows?|"
    r"proves?|theorem|because|equivalent\w*|rewrite\w*|expand\w*|equals?|observe|note|solv\w+|"
    r"largest|smallest|if|i\.e\.|exercise|derivatives?|solution|update)\b",
    re.IGNORECASE,
)
_DERIVES = re.compile(
    r"\b(?:yield\w*|thus|hence|therefore|gives?|giving|derivatives?|so|obtain\w*|leads? to)\W*$",
    re.IGNORECASE,
)
_NOT_ZERO = re.compile(r"\b(?:since|because|example|hence|so|thus|therefore)\b", re.IGNORECASE)
_PREMISE = re.compile(
    r"\b(?:if|suppose|assum\w+|provided|unless|until|subject to|such that|"
    r"set(?:ting)?\b.{0,40}\b(?:zero|equal|to)|solv\w+|satisf\w+|constraints?|conditions?|"
    r"at (?:the|a|its|an) (?:min|max|opt)\w+|estimat\w+|approximat\w+|samples?|ode|flow|naive\w*|"
    r"would|might|conjectur\w+)\b",
    re.IGNORECASE,
)
_GOAL = re.compile(
    r"\b(?:requir\w+|must|optim\w+|minim\w+|maxim\w+|equilibri\w+|fixed point|largest|smallest)\b",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"\b(?:not true|not the case|(?:does|do|did|need|may) not (?:hold|equal)|(?:doesn|don)'t hold|"
    r"not (?:hold|equal|correct|valid|imply)|false|wrong(?:ly)?|incorrect(?:ly)?|mistaken\w*|"
    r"erroneous\w*|fallac\w+|(?:isn|aren)'t (?:true|equal|the)|cannot be|one might think|"
    r"tempting|counter-?example)\b",
    re.IGNORECASE,
)
_OFF = re.compile(
    r"\b(?:unless|except\w*|otherwise|off[- ](?:the[- ])?diagonal|diagonal|only (?:if|when|for)|"
    r"(?:are|all|pairwise|mutually) (?:all |pairwise )?(?:different|distinct|equal|the same)|"
    r"deterministic|uniform\w*|greedy|in the limit|"
    r"at the (?:start|origin|uniform|boundary|first|last|optimum|minimum|maximum)|"
    r"distinct|different|differs?|unequal|coincides?|(?:any|every|all|each) other|remaining|"
    r"other (?:logits?|actions?|entries|ones|pairs|indices|cases?))\b",
    re.IGNORECASE,
)


_UNDER = re.compile(
    r"\W*(?:as long as|whenever|provided|if|when|unless|except|only)\b", re.IGNORECASE
)


def doubt(seen: Seen, *, restricted: bool) -> str:
    """Return the words around a claim that may mean that it is none, or not always; else nothing.

    Parameters
    ----------
    seen : Seen
    restricted : bool
        Whether a condition on actions stands with the claim, which says what "off the diagonal"
        means.
    """
    before = f"{seen.around.before} {seen.words}"
    patterns = [_PREMISE]
    if seen.left != "derivative":
        patterns.append(_GOAL)
    if not restricted:
        patterns.append(_OFF)
    found = next(filter(None, (pattern.search(before) for pattern in patterns)), None)
    if found is None and not restricted:
        behind = seen.around.behind
        found = _OFF.search(behind) or _DENIED.search(behind) or _UNDER.match(behind)
    return found[0] if found else ""


FORMS: tuple[Form, ...] = (
    Form("X", "remark", False, "the text denies it",
         lambda s: bool(_DENIED.search(s.around.before))),
    Form("U1", "not checked", False, "an update, written with an arrow",
         lambda s: s.signs[0] == "←"),
    Form("D1", "definition", True, "a sign of definition",
         lambda s: s.signs[0] in (":=", "=:", "≐", "≡") and s.named and not s.premise
         and not (s.says(_HYPOTHESIS) and not {*s.signs} <= {":=", "=", "≐"})),
    Form("D11", "definition", True, "a distribution up to its sum",
         lambda s: s.signs[0] == "∝" and s.named and not s.stated
         and not s.says(_NO_DEFINITION)),
    Form("T1", "declaration", False, "a membership, a distribution or a map comes first",
         lambda s: s.signs[0] in ("∈", "∉", "∼", "→", "↦", "⊂", "⊆")
         and not {"=", ":=", "≐", "≡"} & {*s.signs}),
    Form("K5", "condition", False, "an example: a column of numbers in its chain",
         lambda s: s.column),
    Form("T3", "declaration", False, "its right side names parts",
         lambda s: s.signs == ("=",) and (s.named or s.left == "unread")
         and s.right == "whole"),
    Form("A", "not checked", False, "a relation that is no equality comes first",
         lambda s: not {"=", ":=", "=:", "≐", "≡"} & {*s.signs}),
    Form("P", "claim", False, "it stands at an arrow of implication",
         lambda s: s.premise),
    Form("U2", "remark", False, "the symbol on its left stands on its right: an update",
         lambda s: s.update),
    Form("O", "remark", False, "it asks for an optimum",
         lambda s: s.optimum),
    Form("K3", "condition", False, "an example or a value: a number on its right, in the text",
         lambda s: not s.display and s.named and (s.right == "number" or s.number)
         and not s.says(_SO)),
    Form("K6", "definition", True, "what the text supposes of a symbol without a meaning",
         lambda s: s.defines and s.expressed and s.says(_SUPPOSE)),
    Form("D2", "definition", True, "let, define, denote or write stands before it",
         lambda s: s.defines and s.says(_LET)),
    Form("D7", "definition", True, "define stands before it",
         lambda s: s.display and s.defines and s.says(_DEFINED)),
    Form("D8", "definition", True, "given by stands before it",
         lambda s: s.defines and s.expressed and not s.number and s.says(_GIVEN)),
    Form("D3", "definition", True, "where or with stands before it",
         lambda s: s.defines and s.says(_WHERE_AT_ONCE if s.display else _WHERE)
         and not s.says(_CASES)
         and (s.display or s.expressed)),
    Form("S", "definition", True, "a softmax",
         lambda s: s.named and not s.stated and s.softmax
         and not (s.starred and s.says(_GOAL)) and not s.says(_DERIVES)),
    Form("S2", "definition", False, "a softmax, of a symbol that claims before it use",
         lambda s: s.named and not s.defined and s.softmax and not s.starred
         and not s.display and not s.says(_DERIVES)),
    Form("K7", "condition", False, "the cases where it holds",
         lambda s: not s.display and s.says(_CASES)),
    Form("K2", "condition", False, "the text supposes it",
         lambda s: not s.display and s.left != "derivative" and s.says(_HYPOTHESIS)),
    Form("K8", "remark", False, "a premise: the text supposes it",
         lambda s: s.display and s.left != "derivative" and s.says(_HYPOTHESIS_AT_ONCE)),
    Form("K4", "condition", False, "one symbol for another, in the text",
         lambda s: not s.display and s.left == "symbol" and s.right == "symbol"
         and (s.says(_CONDITION) or s.before.endswith("("))),
    Form("D6", "definition", True, "the text behind it says what it is called",
         lambda s: s.display and s.defines and bool(_CALLED.match(s.around.behind))),
    Form("D0", "definition", True, "outside of any sentence, its left side without a meaning",
         lambda s: s.around.alone and s.defines and (s.display or s.expressed)
         and not (s.known if s.display else s.defined)),
    Form("C0", "claim", True, "a display that goes on with the last chain",
         lambda s: s.left == "nothing" and (s.display or s.around.alone)),
    Form("C1", "claim", True, "a derivative on its left, and not 0 on its right",
         lambda s: s.left == "derivative" and (not s.zero or bool(_NOT_ZERO.search(s.before)))),
    Form("C7", "claim", True, "a display outside of any sentence",
         lambda s: s.display and s.around.alone and not s.default
         and not (s.left == "derivative" and s.zero)),
    Form("C3", "claim", True, "words of a derivation before a symbol that has a meaning",
         lambda s: s.display and s.named and s.defined
         and (s.says(_SO) or bool(_DOING.search(s.before)))),
    Form("C6", "claim", True, "a symbol that has a meaning, and a derivative in its chain",
         lambda s: s.display and s.named and s.defined and s.derives),
    Form("C8", "claim", True, "all of its symbols are defined with a sign of definition",
         lambda s: s.display and s.signed),
    Form("C9", "claim", True, "an expression on its left, in one display with a sure claim",
         lambda s: s.display and s.left == "expression" and s.beside),
    Form("D4", "definition", False, "a label before it",
         lambda s: s.defines and not s.known and bool(_LABEL.match(s.before))),
    Form("D5", "definition", False, "a noun before it, in the text",
         lambda s: not s.display and s.defines and not s.known and s.expressed
         and s.says(_NOUN)),
    Form("D10", "definition", False, "a display, its left side without a meaning",
         lambda s: s.display and s.defines and not s.known and not s.says(_NO_DEFINITION)
         and not (s.starred and s.says(_GOAL))),
    Form("D12", "definition", False, "for or given stands before it",
         lambda s: s.defines and not s.known and s.expressed and s.says(_FOR)),
    Form("C2", "claim", False, "an expression on its left",
         lambda s: s.left in ("expression", "derivative", "nothing")),
    Form("C5", "claim", False, "a symbol that has a meaning on its left",
         lambda s: s.named and s.known),
)  # fmt: skip
"""The forms, in the order in which they are tried."""


def form_of(seen: Seen) -> Form | None:
    """Return the first form that fits, or None."""
    return next((form for form in FORMS if form.fits(seen)), None)
