"""What is read is what people are told: in docs/, the help, the action and the packaging."""

import ast
import re
import tomllib

import pytest
import yaml
from fixture_cases import FIXTURES
from pages import ROOT, codes, table
from run import softcheck

from softcheck.errors import InputError
from softcheck.tables import FILE_FORMATS, ROLES, Kind
from softcheck.tables.files import File
from softcheck.tables.table import Reading

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]

SHAPES = {
    Kind.TABLE: "(..., actions)",
    Kind.STATE: "(...)",
    Kind.NUMBER: "one number, or (...)",
}


@pytest.fixture(params=dict.fromkeys(FILE_FORMATS.values()), ids=lambda form: form.suffixes[0])
def form(request):
    return request.param


@pytest.fixture
def extra(form, tmp_path):
    """The extra that reading a file of a format asks for where no other package is installed."""

    def missing(name):
        raise ModuleNotFoundError(name, name=name)

    path = tmp_path / f"case{form.suffixes[0]}"
    path.touch()
    for known in (FIXTURES / "positive").glob(f"*{path.suffix}"):
        path.write_bytes(known.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("softcheck.tables.refusals.import_module", missing)
        try:
            form.read(File(str(path)), Reading(ROLES, allow_pickle=True))
        except InputError as error:
            match = re.search(r"softcheck\[(\w+)\]", error.hint)
            return match and match[1]
    return None


def test_the_docs_have_a_row_for_every_format(form, extra):
    (needs,) = {
        needs for names, _, needs in table("format") if set(codes(names)) & set(form.suffixes)
    } or {f"no row for {' or '.join(form.suffixes)}"}
    assert needs == (f"`softcheck[{extra}]`" if extra else ""), (
        "the table of formats in docs/input.md has to say what a format needs"
    )


def test_the_docs_have_no_row_for_what_is_not_read():
    suffixes = {name for names, *_ in table("format") for name in codes(names)}
    assert suffixes <= FILE_FORMATS.keys()


def test_the_help_names_every_format_that_a_case_may_have(form):
    (told,) = re.findall(r"a file of named arrays \((.*?)\)", words("verify", "--help"))
    if form.reader not in {"npy.read_npy", "pickled.read_pickle"}:  # one array; --allow-pickle
        assert set(told.split()) & set(form.suffixes), (
            f"the help of CASE in softcheck/command/verify.py does not name {form.suffixes[0]}"
        )
    assert set(told.split()) <= FILE_FORMATS.keys()


def words(*arguments):
    """Return what a run prints, its lines joined and without the frames that help may have."""
    return " ".join(re.sub(r"[│|]", " ", softcheck(*arguments).out).split())


def test_the_action_says_which_formats_need_extras(form, extra):
    said = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))["inputs"]["extras"]
    without, extras = re.fullmatch(
        r"What formats beyond (.*) need, separated by commas: (.*)\.", said["description"]
    ).groups()
    without = {f".{name}" for name in re.findall(r"\w+", without.replace(" and ", " "))}
    told = set(extras.split(", "))
    assert told == EXTRAS.keys() - {"all", "dask", "fast"}, (
        "the input `extras` in action.yml lists others"
    )
    if extra is not None:
        assert extra in told
        assert not without & set(form.suffixes), f"action.yml: {form.suffixes[0]} needs {extra}"
    elif form.reader != "pickled.read_pickle":
        assert without & set(form.suffixes), f"action.yml: {form.suffixes[0]} needs no extra"


def test_every_extra_is_asked_for():
    """That of Dask where a cluster is started, that of Numba where a loop is compiled."""
    asked = {extra for _, _, extra in loaded()} | {"dask", "fast"}
    assert asked == EXTRAS.keys() - {"all"}, "pyproject.toml has other extras than are asked for"
    (everything,) = EXTRAS["all"]
    assert set(re.findall(r"\w+", everything.partition("[")[2])) == EXTRAS.keys() - {"all"}


def loaded():
    """Yield the file, the package and the extra of every call of `load_extra`."""
    for path in sorted((ROOT / "softcheck").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "load_extra":
                _, module, extra = node.args
                yield path.name, module.value.partition(".")[0], extra.value


@pytest.mark.parametrize(("file", "package", "extra"), sorted(set(loaded())))
def test_an_extra_brings_what_it_is_said_to_bring(file, package, extra):
    brought = {re.match(r"\w+", requirement)[0] for requirement in EXTRAS[extra]}
    assert package in brought, (
        f"{file} says that softcheck[{extra}] brings {package}, but in pyproject.toml it brings "
        f"{', '.join(sorted(brought))}"
    )


@pytest.mark.parametrize("role", ROLES.values(), ids=lambda role: role.name)
def test_the_docs_have_a_row_for_every_role(role):
    rows = [row for row in table("name") if role.name in codes(row[0])]
    assert len(rows) == 1, (
        f"the table of names in docs/input.md has {len(rows)} rows for {role.name}"
    )
    ((_, others, shape),) = rows
    known = {name for name in codes(others) if not re.fullmatch(r"qf\d", name)}
    assert known == set(role.names) - {role.name}, (
        f"docs/input.md has other names for {role.name} than softcheck/tables/roles.py"
    )
    assert shape.startswith(SHAPES[role.kind]), f"docs/input.md has another shape for {role.name}"


def test_the_docs_have_no_row_for_what_is_no_role():
    names = {name for row in table("name") for name in codes(row[0])}
    assert {name for name in names if name[0] != "-"} - {"q1", "q2"} == ROLES.keys()


def test_the_options_of_roles_are_in_the_help():
    said = words("verify", "--help")
    for role in ROLES.values():
        if role.name == "loss":  # that option says which loss it is
            continue
        option = f"--{role.name.replace('_', '-')}"
        assert (role.option is not None) == (f"{option} " in said)
        assert role.option is None or role.option in said
