"""The formats for machines and pages: JUnit, GitHub and Markdown, and that names in them are data.

`python tests/test_formats.py` writes the golden reports of real fixtures anew.
"""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from urllib.parse import unquote

import msgspec
import pytest
import reports
import run
import schemas
from fixture_cases import FIXTURES
from hypothesis import example, given
from hypothesis import strategies as st
from junitparser import Error, Failure, JUnitXml
from markdown_it import MarkdownIt

from softcheck import report as package
from softcheck.derive.check import check
from softcheck.derive.reporting import report as derivation_of
from softcheck.report import FORMATS, Style
from softcheck.result import SourceLine, Status
from softcheck.version import __version__

GOLDEN = Path(__file__).parent / "golden_runs"
RUNS = {
    "passed": ["verify", "positive/cliffwalking.npz"],
    "several": [
        "verify",
        "positive/cliffwalking.npz",
        "negative/missing-alpha.npz",
        "malformed/empty.npz",
        "--max-findings=2",
    ],
    "derive": ["derive", "derive/proved/logsumexp.tex"],
}
REAL = [form for form in FORMATS if form not in ("json", "text", "html")]
"""Formats of these: JSON has a schema, text depends on numbers of which a width is made, and a page
has pictures of all numbers."""

CHECKED = {
    "junit": schemas.check_junit,
    "gitlab": schemas.check_gitlab,
    "sarif": schemas.check_sarif,
}
"""What checks that a report in a format keeps to the schema of that."""

ATTACKS = [
    "a|b", "\\|<script>", "`<script>`x`", "```<script>", "<!--", "![a](b) [a](b)", "@octocat #12",
    "https://b.c www.b.c a@b.c", "$`x`$ $x$", "*a* __b__ ~~c~~ &lt; \\", "- a\n# b\n\n> c",
    "::error::x",
    " ::error file=x::", "a ##[error]x", "a\n::error::b", "a\r::error::b", "%0A::error::",
    "a,title=b:c::d",
    "[red]x[/red]", "\x1b[31m\u202e", "\x00\ud800\udcff\ufffe\uffff\x85\u2028", "]]></failure>",
    " ", "",
]  # fmt: skip
"""Names that mean something to some reader."""

NAMES = st.lists(st.sampled_from(ATTACKS), max_size=6).map("".join) | st.text(max_size=20)


def whatever_the_name(test):
    """Run a test with every attack, with many in a row, and with any text."""
    for attack in ATTACKS:
        test = example(attack)(test)
    return given(NAMES)(test)


def real(name, form):
    """Return the report of a run, with all blotted out that depends on the machine."""
    arguments = [FIXTURES / word if "/" in word else word for word in RUNS[name]]
    made = run.softcheck(*arguments, f"--output-format={form}").out
    if form in CHECKED:
        CHECKED[form](made)
    made = made.replace(f"{FIXTURES}/", "").replace(f'"{__version__}"', '"V"')
    made = re.sub(r'"[0-9a-f]{64}"', '"F"', made)
    made = re.sub(r"(?<![\w.])-?\d+(\.\d+)?e[+-]?\d+|-?(?<![\d.])\d+\.\d+(?!\.?\d)", "N", made)
    made = re.sub(r"\[\d+(, \d+)*\]", "[I]", made)
    made = re.sub(r"fitted \S+( \+- \S+)?(?=[ ,])", "fitted N", made)
    made = re.sub(r"(?<=\| exact \| passed \| )\d+", "N", made)
    made = re.sub(r"(\| fit \| \w+ \| 2 \|) \S+ \| \S+ \|", r"\1 N | N |", made)
    return re.sub(r"(?<=\| )\d+(?= \| `?\[I|(?= \| N))", "N", made)


def hostile(name):
    """Return a report in which every text that a file can give is `name`."""
    said = msgspec.structs.replace
    failed = said(
        reports.FAILED,
        name=name,
        dumped_by=SourceLine(file=name, line=1),
        findings=tuple(said(each, state=name, action=name) for each in reports.FAILED.findings),
        diagnosis=tuple(said(each, message=name) for each in reports.FAILED.diagnosis),
        checks=tuple(said(each, reason=name) for each in reports.FAILED.checks),
        inputs=tuple(said(each, path=name) for each in reports.FAILED.inputs),
        notes=(name,),
    )
    return reports.report(failed, said(reports.UNREADABLE, name=name), errors=(name,))


def derived(document):
    """Return the report of a derivation."""
    return derivation_of(check(document))


REFUTED = derived(r"$$\sum_a \pi(a)^2 = 1$$ $$\pi(a) = B(a)$$")


def hostile_derivation(name):
    """Return the report of a derivation whose texts are all `name`."""
    said = msgspec.structs.replace
    return said(
        REFUTED,
        lines=tuple(said(line, latex=name, reading=None) for line in REFUTED.lines),
        steps=tuple(said(step, reason=name) for step in REFUTED.steps),
    )


def rendered(form, name):
    """Return both reports in a format, a name in every place that has one."""
    of = FORMATS[form]
    return (
        of.verification(hostile(name), Style()),
        of.derivation(hostile_derivation(name), name, Style()),
    )


@pytest.mark.parametrize("form", REAL)
@pytest.mark.parametrize("name", RUNS)
def test_a_real_run_reads_as_before(name, form):
    made = real(name, form)
    assert made == (GOLDEN / f"{name}.{form}.txt").read_text("utf-8")


def test_every_golden_run_is_compared():
    written = {path.name for path in GOLDEN.iterdir()}
    assert written == {f"{n}.{f}.txt" for n in RUNS for f in REAL}, (
        "write them anew: python tests/test_formats.py"
    )


# The table


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_a_module_that_renders_both_reports(name):
    assert find_spec(f"softcheck.report.{name}"), (
        f"softcheck.settings.OutputFormat has {name}, and softcheck/report/{name}.py does not exist"
    )
    for report in ("verification", "derivation"):
        assert hasattr(import_module(f"softcheck.report.{name}"), report), (
            f"softcheck/report/{name}.py has no function {report}, as the others have"
        )


def test_every_renderer_has_its_name():
    modules = [each.name for each in iter_modules(package.__path__)]
    renderers = {
        name
        for name in modules
        if hasattr(import_module(f"softcheck.report.{name}"), "verification")
    }
    missing = renderers - FORMATS.keys()
    assert not missing, f"softcheck.settings.OutputFormat lacks {missing}: nobody can choose it"


def test_help_and_both_options_know_every_format(tmp_path):
    paper = tmp_path / "paper.tex"
    paper.write_text("$$1 = 2$$")
    listed = " ".join(run.softcheck("verify", "--help").out.split())
    reports = [f"--report={name}:{tmp_path / name}" for name in FORMATS]
    assert run.softcheck("derive", paper, "-qq", *reports).code == 1
    assert ", ".join(FORMATS) in listed
    for name in FORMATS:
        made = run.softcheck("derive", paper, f"--output-format={name}")
        assert made.code == 1
        assert (tmp_path / name).read_text("utf-8") == made.out


@pytest.mark.parametrize("option", ["--output-format=gitub", "--report=gitub:x"])
def test_a_format_that_does_not_exist_is_one_line_with_the_nearest(option):
    outcome = run.softcheck("derive", option)
    assert outcome.code == 2
    (line,) = outcome.err.splitlines()
    assert f"found 'gitub', expected one of {', '.join(FORMATS)}" in line
    assert "Did you mean 'github'?" in line


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "json"])
def test_a_pass_without_a_gradient_is_not_said_without_that(form):
    """In the verdict itself; JSON has a field for notes, which is where it says so."""
    silent = msgspec.structs.replace(reports.UNGRADED, notes=())
    text = FORMATS[form].verification(reports.report(silent), Style())
    assert "only Eq. (6), policy: no gradient was given" in text
    several = FORMATS[form].verification(reports.report(silent, reports.BLIND), Style())
    assert "no gradient was given" in several


# JUnit


def junit(report):
    text = FORMATS["junit"].verification(report, Style())
    schemas.check_junit(text)
    return list(JUnitXml.fromstring(text.encode()))


@pytest.mark.parametrize("name", reports.EVERY)
def test_a_suite_is_a_case_and_a_test_case_is_a_check(name):
    report = reports.EVERY[name]
    suites = junit(report)
    assert [suite.name for suite in suites] == [case.name for case in report.cases]
    for suite, case in zip(suites, report.cases, strict=True):
        skipped = [test.name for test in suite if test.is_skipped]
        assert skipped == (["gradient"] if case is reports.UNGRADED else [])
        troubled = {test.name for test in suite if test.result} - {*skipped}
        if case.status is Status.ERROR:
            assert (suite.errors, suite.failures, suite.tests) == (1, 0, 1)
        else:
            assert {check.name for check in case.checks} <= {test.name for test in suite}
            expected = {check.name for check in case.checks if check.status is not Status.PASSED}
            assert expected <= troubled
            assert (suite.errors, suite.failures) == (0, len(troubled))
        assert bool(troubled) == (case.status is not Status.PASSED)


def test_a_failure_says_what_kind_it_is_and_what_is_known_of_it():
    (_, failed, torn) = junit(reports.EVERY["several"])
    (gradient,) = next(test for test in failed if test.name == "gradient").result
    assert isinstance(gradient, Failure)
    assert gradient.type == "failed"
    assert "(mean-over-states+sign-flipped); " in gradient.message
    assert "; 5 of 12 (41.7 %)" in gradient.message
    assert "gradient[2, 0] (corner, up): found 0.12345678901234568" in gradient.text
    assert "value[2]" not in gradient.text
    assert "(first-wrong)" in gradient.text
    ((unread,),) = (test.result for test in torn)
    assert isinstance(unread, Error)
    assert unread.message == "torn.npz: found a tear, ..."
    ((blind,),) = (test.result for test in junit(reports.EVERY["inconclusive"])[0])
    assert (type(blind), blind.type) == (Failure, "inconclusive")


def test_two_cases_of_one_name_stay_two_suites():
    suites = junit(reports.report(reports.PASSED, reports.PASSED, reports.FAILED))
    assert [len(suite) for suite in suites] == [4, 4, 4]


def test_a_step_is_a_test_case():
    claims = (r"\sum_a \pi(a) = 1", r"\sum_a \pi(a)^2 = 1", r"\pi_a = B_a")
    found = derived("\n".join(f"$${claim}$$" for claim in claims))
    text = FORMATS["junit"].derivation(found, "paper.tex", Style())
    schemas.check_junit(text)
    (suite,) = JUnitXml.fromstring(text.encode())
    assert suite.name == "paper.tex"
    results = {test.name: [result.type for result in test.result] for test in suite}
    assert results == {
        "step 1, line 1": [],
        "step 2, line 2": ["refuted"],
        "step 3, line 3": ["unknown"],
    }
    assert "certified" in next(iter(list(suite)[1].result)).text


# GitHub


def commands(text):
    """Return the commands that the runner of a workflow finds: name, properties, data.

    A line is a command if it starts with `::`, blanks aside, or if `##[` is anywhere in it.
    """
    found = []
    for line in re.split(r"\r\n|\r|\n", text):
        match = re.match(r"\s*::(?P<name>[^ :]*)(?: (?P<rest>.*?))?::(?P<data>.*)", line)
        if match:
            pairs = (pair.split("=", 1) for pair in (match["rest"] or "").split(","))
            properties = {pair[0]: unescaped(pair[1]) for pair in pairs if len(pair) == 2}
            found.append((match["name"], properties, unescaped(match["data"])))
        elif "##[" in line:
            found.append((line, {}, ""))
    return found


def unescaped(value):
    for code, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        value = value.replace(code, char)
    return value


def annotations(report, **style):
    return commands(FORMATS["github"].verification(report, Style(**style)))


def test_an_annotation_names_the_file_the_checks_and_the_mistake():
    text = FORMATS["github"].verification(reports.EVERY["several"], Style())
    unread, failed = commands(text)
    assert unread == (
        "error",
        {"file": "torn.npz", "title": "softcheck: unreadable"},
        "torn.npz: found a tear, ...",
    )
    name, properties, data = failed
    assert name == "error"
    assert properties == {
        "file": "agents/train.py",
        "line": "42",
        "title": "softcheck: value, gradient, fit failed: negative.npz",
    }
    said = data.splitlines()
    assert said[0].startswith("the mean over states was taken and the sign of the loss is flipped")
    assert "If that is meant, declare it: --reduction mean" in said
    assert any(line.startswith("gradient failed: 5 of 12 (41.7 %) differ by more") for line in said)
    assert text.splitlines()[-1] == (
        "softcheck: error: 3 cases: 1 passed, 1 of these blind in part, 1 failed, 1 unreadable"
    )


def test_what_passed_is_not_annotated_and_what_saw_nothing_is():
    assert annotations(reports.EVERY["passed"]) == []
    ((_, properties, _),) = annotations(reports.EVERY["inconclusive"])
    assert properties["title"] == "softcheck: gradient inconclusive"
    ((_, properties, data),) = annotations(reports.EVERY["strict"])
    assert properties["title"] == "softcheck: a note, under --strict: failed"
    assert "noted.npz::log_alpha" in data


def test_a_pass_without_a_gradient_is_a_warning():
    ((name, properties, data),) = annotations(reports.EVERY["no-gradient"])
    assert (name, properties["title"]) == ("warning", "softcheck: no gradient")
    assert data.startswith("only Eq. (6), policy: no gradient was given")


def test_at_most_ten_annotations_the_worst_first():
    def failed(number):
        worst = reports.discrepancy((0, 0), 1.0, 0.0, ratio=float(number))
        wrong = reports.check("gradient", Status.FAILED, failed=1, worst=worst)
        return reports.case(f"{number}.npz", Status.FAILED, (wrong,), inputs=())

    cases = [failed(number) for number in range(2, 15)]
    text = FORMATS["github"].verification(
        reports.report(*cases, reports.BLIND, reports.UNREADABLE, errors=("torn",)), Style()
    )
    files = [properties["file"] for _, properties, _ in commands(text)]
    assert files == ["torn.npz", *(f"{number}.npz" for number in range(14, 5, -1))]
    assert text.splitlines()[-1].endswith("; 10 of 15 annotations shown")


def test_a_step_is_annotated_at_its_line():
    found = derived("$$\\pi_a = B_a$$\n\n$$\\sum_a \\pi(a)^2 = 1$$")
    first, second = commands(FORMATS["github"].derivation(found, "docs/paper.tex", Style()))
    assert first[1] == {
        "file": "docs/paper.tex",
        "line": "3",
        "col": "21",
        "title": "softcheck: step 2 refuted",
    }
    assert "certified" in first[2]
    assert (second[1]["line"], second[1]["title"]) == ("1", "softcheck: step 1 unknown")


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "json"])
@whatever_the_name
def test_no_name_is_a_command_in_any_format_for_people_and_ci(form, name):
    for text in rendered(form, name):
        found = commands(text)
        assert [command[0] for command in found] == ["error"] * (2 if form == "github" else 0)
        if form == "github":
            keys = {key for command in found for key in command[1]}
            assert keys <= {"file", "line", "col", "title"}
            assert all(command[1]["title"].startswith("softcheck: ") for command in found)


# Code Quality and SARIF

MACHINES = ("gitlab", "sarif")


def located(form, text):
    """Return the rule, file, line and column of what is found in a report, and all that is said."""
    if form == "gitlab":
        return [
            (
                each["check_name"],
                each["location"]["path"],
                each["location"]["lines"]["begin"],
                None,
                each["description"],
            )
            for each in schemas.check_gitlab(text)
        ]
    found = []
    for result in schemas.check_sarif(text):
        (place,) = (each["physicalLocation"] for each in result["locations"])
        region = place["region"]
        uri = place["artifactLocation"]["uri"]
        assert re.fullmatch(r"([\w.~/:?#@!$&'()*+,;=-]|%[0-9A-F]{2})*", uri, re.ASCII)
        place = (unquote(uri), region["startLine"], region.get("startColumn"))
        found.append((result["ruleId"], *place, result["message"]["text"]))
    return found


@pytest.mark.parametrize("form", MACHINES)
@pytest.mark.parametrize("name", reports.EVERY)
def test_a_report_keeps_to_the_schema_of_its_format(form, name):
    found = located(form, FORMATS[form].verification(reports.EVERY[name], Style()))
    annotated = annotations(reports.EVERY[name])
    assert [file for _, file, *_ in found] == [each[1]["file"] for each in annotated]


@pytest.mark.parametrize("form", MACHINES)
def test_what_is_found_stands_where_the_case_was_dumped_under_the_code_of_the_mistake(form):
    unread, failed = located(form, FORMATS[form].verification(reports.EVERY["several"], Style()))
    assert unread[:4] == ("unreadable", "torn.npz", 1, None)
    assert failed[:4] == ("mean-over-states+sign-flipped", "agents/train.py", 42, None)
    for said in ("negative.npz", "(first-wrong)", "gradient[2, 3]"):
        assert said in failed[4]


@pytest.mark.parametrize("form", MACHINES)
def test_a_step_is_found_at_its_line_and_column(form):
    text = "$$\\pi_a = B_a$$\n\n$$\\sum_a \\pi(a)^2 = 1$$"
    made = FORMATS[form].derivation(derived(text), "docs/paper.tex", Style())
    columns = (21, 11) if form == "sarif" else (None, None)
    assert [each[:4] for each in located(form, made)] == [
        ("refuted", "docs/paper.tex", 3, columns[0]),
        ("unknown", "docs/paper.tex", 1, columns[1]),
    ]
    assert text.splitlines()[2][20] == "1"


def test_a_rule_of_sarif_has_the_page_of_its_mistake():
    made = run.softcheck(
        "verify", FIXTURES / "negative" / "missing-alpha.npz", "--output-format=sarif"
    )
    (rule,) = json.loads(made.out)["runs"][0]["tool"]["driver"]["rules"]
    assert rule["id"] == "missing-alpha"
    assert rule["help"]["text"] == run.softcheck("explain", "missing-alpha").out


@pytest.mark.parametrize("form", MACHINES)
def test_a_fingerprint_stays_while_lines_move_and_numbers_change(form):
    def prints(report, document=None):
        if document is not None:
            text = FORMATS[form].derivation(derived(document), "paper.tex", Style())
        else:
            text = FORMATS[form].verification(report, Style())
        if form == "gitlab":
            return [each["fingerprint"] for each in schemas.check_gitlab(text)]
        return [each["partialFingerprints"]["softcheck/v1"] for each in schemas.check_sarif(text)]

    said = msgspec.structs.replace
    failed = reports.FAILED
    moved = said(
        failed,
        findings=(),
        dumped_by=said(failed.dumped_by, line=50),
        checks=tuple(said(each, reason="3 of 12 differ") for each in failed.checks),
    )
    assert prints(reports.report(failed)) == prints(reports.report(moved))
    other = said(failed, diagnosis=(said(failed.diagnosis[0], code="missing-alpha"),))
    assert prints(reports.report(failed)) != prints(reports.report(other))
    twice = prints(reports.report(failed, failed))
    assert len({*twice}) == 2
    wrong = r"$$\sum_a \pi(a)^2 = 1$$"
    assert prints(None, wrong) == prints(None, f"Words.\n\n{wrong}")
    assert prints(None, wrong) != prints(None, wrong.replace("1", "2"))


@pytest.mark.parametrize("form", sorted(CHECKED))
@whatever_the_name
def test_no_name_breaks_a_report_for_machines(form, name):
    for text in rendered(form, name):
        CHECKED[form](text)


@whatever_the_name
def test_no_name_is_a_link_in_sarif(name):
    for text in rendered("sarif", name):
        for *_, said in located("sarif", text):
            assert not re.search(r"(?<!\\)\]\(", said)


# Markdown, whatever the names


MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
ALLOWED = {
    "heading", "paragraph", "inline", "table", "thead", "tbody", "tr", "th", "td", "bullet_list",
    "list_item", "text", "code_inline", "strong", "softbreak", "fence",
}  # fmt: skip


def tokens(text):
    for block in MARKDOWN.parse(text):
        yield block
        yield from block.children or ()


def check_markdown(text):
    """Check that a page is made of our own marks alone: no HTML, link, image or mention."""
    for token in tokens(text):
        kind = re.sub("_(open|close)$", "", token.type)
        assert kind in ALLOWED, token
        if kind == "text":
            assert "@" not in token.content
            assert "#" not in token.content
    # What GitHub makes of a page beyond its marks, it looks for in the text itself.
    outside = re.sub(r"(?<!\\)(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    assert not re.search(r"https?://|\bwww\.|\$|@", outside, re.IGNORECASE)


def cells(text):
    """Return how many cells the rows of each table have, as they stand in the source."""
    return [len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line[:1] == "|"]


@whatever_the_name
def test_no_name_is_markup_or_a_mention(name):
    for text in rendered("markdown", name):
        check_markdown(text)
        assert set(cells(text)) <= {4, 9, 8, 6}


def test_the_names_themselves_are_on_the_page():
    name = "[red]x[/red] `a` <script>alert(1)</script> ::error:: @octocat"
    page = FORMATS["markdown"].verification(hostile(name), Style())
    codes = [token.content.strip() for token in tokens(page) if token.type == "code_inline"]
    assert name in codes
    text = "".join(token.content for token in tokens(page) if token.type in ("text", "code_inline"))
    assert f"note: {name}" in text


class _Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = set()

    def handle_starttag(self, tag, _attributes):
        self.seen.add(tag)

    def handle_comment(self, _data):
        self.seen.add("comment")


@whatever_the_name
def test_a_page_as_html_has_only_our_own_tags(name):
    for text in rendered("markdown", name):
        tags = _Tags()
        tags.feed(MARKDOWN.render(text))
        assert tags.seen <= {
            "h2", "h3", "p", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "code",
            "strong", "pre",
        }  # fmt: skip


MEBIBYTE = 1 << 20


def test_a_page_of_very_many_cases_is_below_a_mebibyte_and_says_what_it_leaves_out():
    label = "`|<@" * 3_000
    case = hostile(label).cases[0]
    findings = case.findings * 500
    many = [
        msgspec.structs.replace(case, findings=findings, name=f"{n}{label}") for n in range(5000)
    ]
    page = FORMATS["markdown"].verification(reports.report(*many), Style())
    assert len(page.encode()) < MEBIBYTE
    left = [int(count) for count in re.findall(r"Left out, for a summary has a limit: (\d+)", page)]
    assert left[0] == 5000 - 500
    details = page.count("\n### ")
    assert details > 3
    assert left[-1] == 5000 - details
    assert f"{len(findings) - 20} findings." in page
    check_markdown("\n".join(page.splitlines()[:100]))


def test_a_page_of_a_long_derivation_is_below_a_mebibyte():
    made = hostile_derivation("π" * 100_000)
    steps = tuple(
        msgspec.structs.replace(step, number=number)
        for number, step in enumerate(made.steps * 2000, 1)
    )
    page = FORMATS["markdown"].derivation(
        msgspec.structs.replace(made, steps=steps), "paper.tex", Style()
    )
    assert len(page.encode()) < MEBIBYTE
    (left,) = re.findall(r"Left out, for a summary has a limit: (\d+) steps", page)
    assert int(left) == 4000 - page.count("\n| ") + 2
    assert int(left) < 3900


def test_the_worst_case_comes_first_on_a_page():
    page = FORMATS["markdown"].verification(reports.EVERY["several"], Style())
    assert [page.index(name) for name in ("torn.npz", "negative.npz", "`run.npz`")] == sorted(
        page.index(name) for name in ("torn.npz", "negative.npz", "`run.npz`")
    )
    assert page.count("\n### ") == 2


def test_junitparser_is_not_loaded_where_no_junit_is_asked_for():
    script = (
        "import sys; sys.argv[1:] = ['derive', '-qq']\n"
        "from softcheck.command.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('junitparser' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name in RUNS:
        for form in REAL:
            (GOLDEN / f"{name}.{form}.txt").write_text(real(name, form), "utf-8")
