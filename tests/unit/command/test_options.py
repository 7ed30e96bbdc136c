"""An invocation: what flags, variables and a configuration file say, before any work begins."""

from pathlib import Path
from typing import Annotated

import pytest
import typer

from softcheck.command.options import Command, Invocation, Reporting, takes
from softcheck.errors import UsageError
from softcheck.settings import General, Settings, settings_of
from softcheck.tables.inputs import Inputs

SETTINGS = settings_of(Inputs, Settings, General)
REPORTS = {"exit_zero", "color", "quiet", "verbose"}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def program(kind, settings=SETTINGS):
    """Return a program whose only command leaves what it was handed, and the list it is in."""
    handed = []

    @takes(settings)
    def command(
        *,
        cases: Annotated[list[str] | None, typer.Argument()] = None,
        invocation: kind,
        last: Annotated[bool, typer.Option("--last")] = False,
    ) -> None:
        handed.append((cases, invocation, last))

    app = typer.Typer(add_completion=False)
    app.command(cls=Command)(command)
    return app, handed


def asked(*arguments, kind=Reporting):
    app, handed = program(kind)
    app(list(arguments), standalone_mode=False)
    ((cases, invocation, last),) = handed
    assert isinstance(invocation, kind)
    return cases, invocation, last


def test_nothing_chosen_is_the_default_of_every_setting():
    _, invocation, last = asked()
    assert invocation.flags == {}
    assert last is False
    for name, setting in SETTINGS.items():
        assert invocation.value(name) == setting.default
    assert (invocation.exit_zero, invocation.color) == (False, "auto")
    assert (invocation.quiet, invocation.verbose) == (0, 0)


def test_flags_are_read_as_their_settings_say_and_keep_their_origin():
    cases, invocation, last = asked(
        "a.npz", "--seed=7", "--q=x.npy", "--q=y.npy", "--strict", "--alpha", "0.5", "--last", "-qv"
    )
    assert (cases, last) == (["a.npz"], True)
    assert {name: tuple(value) for name, value in invocation.flags.items()} == {
        "q": (["x.npy", "y.npy"], "--q"),
        "alpha": ("0.5", "--alpha"),
        "seed": (7, "--seed"),
        "strict": (True, "--strict"),
    }
    assert (invocation.quiet, invocation.verbose) == (1, 1)


def test_flags_outrank_variables_and_those_the_file(monkeypatch):
    Path("softcheck.toml").write_text("max_findings = 1\nthreads = 1\nseed = 1\n")
    monkeypatch.setenv("SOFTCHECK_THREADS", "2")
    monkeypatch.setenv("SOFTCHECK_MAX_FINDINGS", "2")
    _, invocation, _ = asked("--max-findings=3")
    assert [invocation.value(name) for name in ("max_findings", "threads", "seed")] == [3, 2, 1]
    origins = {name: value.origin for name, value in invocation.values.items()}
    assert origins == {
        "max_findings": "--max-findings",
        "threads": "SOFTCHECK_THREADS",
        "seed": "softcheck.toml::seed",
    }


def test_a_file_is_named_or_ignored(monkeypatch):
    Path("softcheck.toml").write_text("seed = 1\n")
    Path("other.toml").write_text("seed = 2\n")
    assert asked("--config=other.toml")[1].value("seed") == 2
    assert asked("--isolated")[1].value("seed") == 0
    monkeypatch.setenv("SOFTCHECK_CONFIG", "other.toml")
    assert asked()[1].value("seed") == 2
    assert asked("--isolated")[1].file.path is None
    with pytest.raises(UsageError, match="--isolated"):
        asked("--isolated", "--config=other.toml")


def test_a_case_has_its_own_settings_below_the_flags():
    Path("softcheck.toml").write_text(
        'seed = 1\nsamples = 1\n[[case]]\npath = "a.npz"\nseed = 2\nsamples = 2\n'
    )
    Path("a.npz").touch()
    _, invocation, _ = asked("--samples=3")
    configured, other = invocation.case("a.npz"), invocation.case("b.npz")
    bare = invocation.case_without_path("options")
    assert [case.settings.seed for case in (configured, other, bare)] == [2, 1, 1]
    assert [case.settings.samples for case in (configured, other, bare)] == [3, 3, 3]
    assert [case.path for case in (configured, other, bare)] == ["a.npz", "b.npz", None]


def test_what_is_wrong_is_said_before_the_command_runs():
    for wrong in (["--seed=x"], ["--color=red"], ["--config="], ["--config=missing.toml"]):
        app, handed = program(Reporting)
        with pytest.raises(Exception, match="found"):
            app(wrong, standalone_mode=False)
        assert handed == []


def test_only_a_command_that_reports_has_the_options_of_a_report():
    for kind in (Invocation, Reporting):
        app, _ = program(kind)
        names = [each.name for each in typer.main.get_command(app).params]
        assert (set(names) >= REPORTS) == (kind is Reporting)
        assert REPORTS.isdisjoint(names) == (kind is Invocation)
        # Where the command has its invocation, and settings last.
        assert names.index("cases") < names.index("config") < names.index("last")
        assert names[-1] == [*SETTINGS][-1]
        assert "names" not in names, "it has no flag"


def test_reports_are_refused_before_the_command_goes_on(tmp_path):
    (tmp_path / "run.npz").touch()
    _, invocation, _ = asked("--report=json:run.npz", "-qq", "--output-format=junit")
    assert invocation.reports([]).form.name == "junit"
    with pytest.raises(UsageError, match="reads"):
        invocation.reports(["run.npz"])
