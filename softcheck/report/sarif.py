"""The report as SARIF 2.1.0, which code scanning and editors read: a result an annotation.

Rules are the codes of mistakes, each with the page of `softcheck explain`.
"""

import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote

from softcheck.diagnosis.mistakes import MISTAKES
from softcheck.report import Style
from softcheck.report.annotations import (
    RULES,
    Annotation,
    fingerprints,
    of_cases,
    of_document,
    of_documents,
)
from softcheck.report.explain import explained
from softcheck.report.json import indented
from softcheck.result import Derivation, Derivations, LossReading, Report, Tool
from softcheck.tables.urls import is_url

_SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LINK = re.compile(r"\](?=\()")
"""Where a message would have a link in it: brackets that parentheses follow."""


_OF_URLS = ":/?#@!$&'()*+,;=%"
"""Characters that have a meaning in a URL."""


def verification(report: Report, style: Style) -> str:  # noqa: ARG001  SARIF has one style
    """Return a result a case that did not pass or has no gradient, the worst first."""
    return _log(report.tool, of_cases(report))


def derivation(report: Derivation, document: str, style: Style) -> str:  # noqa: ARG001  SARIF has one style
    """Return a result a step that is not proved, the refuted first."""
    return _log(report.tool, of_document(report, document))


def derivations(report: Derivations, style: Style) -> str:  # noqa: ARG001  SARIF has one style
    """Return the results of each document, the worst first."""
    return _log(report.tool, of_documents(report))


def loss(report: LossReading, style: Style) -> str:  # noqa: ARG001  SARIF has one style
    """Return no result: a loss that is read is proved."""
    return _log(report.tool, [])


def _log(tool: Tool, annotations: Sequence[Annotation]) -> str:
    """Return a log of one run."""
    rules = list(dict.fromkeys(each.rule for each in annotations))
    run = {
        "tool": {
            "driver": {
                "name": tool.name,
                "version": tool.version,
                "rules": [_rule(code, annotations) for code in rules],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [
            _result(each, rules.index(each.rule), fingerprint)
            for each, fingerprint in zip(annotations, fingerprints(annotations), strict=True)
        ],
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return indented(log)


def _rule(code: str, annotations: Sequence[Annotation]) -> dict[str, Any]:
    """Return what a rule is about: its page, or for a mistake without one what it was called."""
    if set(code.split("+")) <= MISTAKES.keys():
        short = ", and ".join(MISTAKES[each].phrase for each in code.split("+"))
        page = explained(code)
    else:
        short = page = RULES.get(code) or next(
            each.said[0] for each in annotations if each.rule == code
        )
    fence = "````"
    return {
        "id": code,
        "shortDescription": {"text": _message(short)},
        "help": {"text": _message(page), "markdown": f"{fence}\n{page}\n{fence}"},
    }


def _result(annotation: Annotation, rule: int, fingerprint: str) -> dict[str, Any]:
    # A file that is no text has no lines, but code scanning takes no result without one.
    region = {"startLine": annotation.line or 1}
    if annotation.column is not None:
        region["startColumn"] = annotation.column
    place = {"artifactLocation": {"uri": _uri(annotation.file)}, "region": region}
    return {
        "ruleId": annotation.rule,
        "ruleIndex": rule,
        "level": annotation.level,
        "message": {"text": _message("\n".join((f"{annotation.title}:", *annotation.said)))},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"softcheck/v1": fingerprint},
    }


def _message(said: str) -> str:
    """Return a text in which nothing is a link."""
    return _LINK.sub(r"\\]", said)


def _uri(file: str) -> str:
    """Return a path as a URI: one of a repository, or of this machine; a URL as it is."""
    path = PurePath(file)
    if path.is_absolute():
        return path.as_uri()
    return quote(file, safe=_OF_URLS if is_url(file) else "/")
