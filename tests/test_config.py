"""Configuration files: found, read strictly, ranked below flags and the environment."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from fixture_cases import FIXTURES
from run import softcheck

from softcheck.errors import SoftcheckError
from softcheck.settings import Settings, settings_of
from softcheck.tables.inputs import Inputs

GOOD = FIXTURES / "positive" / "cliffwalking.npz"
BAD = FIXTURES / "negative" / "missing-alpha.npz"


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A folder to work in, with cases `dumps/a.npz` and `dumps/b.npz`; the first is right."""
    folder = tmp_path / "project"
    (folder / "dumps").mkdir(parents=True)
    for name, source in (("a", GOOD), ("b", BAD)):
        (folder / "dumps" / f"{name}.npz").write_bytes(source.read_bytes())
    monkeypatch.chdir(folder)
    return folder


def configure(text, name="softcheck.toml"):
    Path(name).write_text(text, encoding="utf-8")


def arrays(**changes):
    """The arrays of the right case: None leaves one out."""
    return {key: value for key, value in {**np.load(GOOD), **changes}.items() if value is not None}


def cases(*arguments):
    """The cases in the report of a run that reads its input."""
    return json.loads(softcheck("verify", *arguments, "--output-format=json").out)["cases"]


def trouble(*arguments):
    """The one line that a run with exit code 2 prints on stderr."""
    run = softcheck("verify", *arguments)
    assert run.code == 2
    (line,) = run.err.splitlines()
    return line


@pytest.mark.parametrize(
    ("name", "header"), [("softcheck.toml", "case"), ("pyproject.toml", "tool.softcheck.case")]
)
def test_without_arguments_the_configured_cases_are_verified(name, header):
    configure(f'[[{header}]]\npath = "dumps/*.npz"\n', name)
    run = softcheck("verify")
    assert run.code == 1
    assert [case["name"] for case in cases()] == ["dumps/a.npz", "dumps/b.npz"]
    assert softcheck("verify", "--isolated").code == 2


def test_the_nearest_file_upwards_counts_and_paths_are_relative_to_it(project, monkeypatch):
    configure("[project]\nname = 'x'\n", project / "dumps" / "pyproject.toml")
    configure('[[case]]\npath = "dumps/a.npz"\n')
    configure("strict = 3\n", project.parent / "softcheck.toml")
    monkeypatch.chdir(project / "dumps")
    (case,) = cases()
    assert (case["name"], case["status"]) == ("../dumps/a.npz", "passed")
    assert Path(case["inputs"][0]["path"]).samefile(project / "dumps" / "a.npz")


def test_two_configurations_in_one_folder_are_an_error():
    configure("strict = true\n")
    configure("[tool.other]\n", "pyproject.toml")
    assert softcheck("verify", "dumps/a.npz").code == 0
    configure("[tool.softcheck]\n", "pyproject.toml")
    assert "a second configuration" in trouble("dumps/a.npz")
    assert softcheck("verify", "dumps/a.npz", "--config=softcheck.toml").code == 0


def test_settings_of_a_case_hold_for_it_however_it_is_named(project):
    configure(
        'samples = 3\n[[case]]\npath = "dumps/*"\nreduction = "mean"\nseed = 1\n'
        '[[case]]\npath = "dumps/b.npz"\nreduction = "none"\n'
    )
    for given in ([], ["dumps/a.npz", "dumps/b.npz"], [project / "dumps" / "a.npz", "dumps/b.npz"]):
        a, b = (case["settings"] for case in cases(*given))
        assert (a["reduction"], a["seed"], a["samples"]) == ("mean", 1, 3)
        assert (b["reduction"], b["seed"], b["samples"]) == ("none", 1, 3)
    (other,) = cases(GOOD)
    assert (other["settings"]["reduction"], other["settings"]["samples"]) == ("sum", 3)


def test_a_flag_outranks_a_variable_a_file_and_the_default(monkeypatch):
    def found(*options):
        (case,) = cases("dumps/b.npz", *options)
        return sum(finding["check"] == "gradient" for finding in case["findings"])

    assert found() == 5
    configure("max_findings = 4\n")
    assert found() == 4
    monkeypatch.setenv("SOFTCHECK_MAX_FINDINGS", "3")
    assert found() == 3
    assert found("--max-findings=2") == 2
    configure("strict = true\nalpha = 0.3\n")
    assert "softcheck.toml::alpha" in trouble("dumps/a.npz")
    np.savez("bare.npz", **arrays(alpha=None))
    assert cases("bare.npz")[0]["settings"]["alpha"] == 0.3
    assert cases("bare.npz", "--alpha=0.7")[0]["settings"]["alpha"] == 0.7
    assert cases("bare.npz")[0]["settings"]["strict"]
    assert not cases("bare.npz", "--no-strict")[0]["settings"]["strict"]


def test_a_file_may_be_named_by_a_flag_or_a_variable(monkeypatch):
    configure('[[case]]\npath = "dumps/b.npz"\n')
    configure('[[case]]\npath = "a.npz"\n', "dumps/gate.toml")
    assert cases("--config", "dumps/gate.toml")[0]["name"] == "dumps/a.npz"
    monkeypatch.setenv("SOFTCHECK_CONFIG", "dumps/gate.toml")
    assert cases()[0]["name"] == "dumps/a.npz"
    assert cases("--config=softcheck.toml")[0]["name"] == "dumps/b.npz"
    assert softcheck("verify", "dumps/a.npz", "--isolated").code == 0
    assert "--isolated" in trouble("--config=softcheck.toml", "--isolated")
    assert "no table [tool.softcheck]" in trouble("--config", empty_project())
    assert "no such file" in trouble("--config=nowhere.toml")
    assert "no regular file" in trouble("--config=dumps")


def empty_project():
    configure("[project]\n", "pyproject.toml")
    return "pyproject.toml"


def test_names_of_the_users_own_replace_the_usual_ones():
    given = arrays()
    np.savez(
        "own.npz",
        critic_a=given["q"],
        critic_b=given["q"] + 1,
        actor=given["logits"],
        actor_grad=given["grad"],
        log_temp=np.log(given["alpha"]),
        grad=-given["grad"],
    )
    configure(
        '[[case]]\npath = "*.npz"\nnames = { q1 = "critic_a", q2 = "critic_b", logits = "actor", '
        'grad = "actor_grad", log_alpha = "log_temp" }\n'
    )
    (case,) = cases()
    assert case["status"] == "passed"
    keys = {given["role"]: given["key"] for given in case["inputs"]}
    assert keys == {"q1": "critic_a", "q2": "critic_b", "logits": "actor", "grad": "actor_grad",
                    "alpha": "log_temp"}  # fmt: skip
    assert case["settings"]["alpha"] == pytest.approx(float(given["alpha"]))
    assert softcheck("verify", "own.npz", "--grad=own.npz::grad", "-qq").code == 1
    np.savez("own.npz", q=given["q"], actor_gradd=given["grad"])
    configure('names = { grad = "actor_grad" }\n')
    assert "no array 'actor_grad'" in softcheck("verify", "own.npz").err
    assert "Did you mean 'actor_gradd'?" in softcheck("verify", "own.npz").err


def test_names_hold_for_the_files_of_a_folder():
    Path("case").mkdir()
    for name, array in arrays().items():
        np.save(Path("case") / f"my_{name}.npy", array)
    configure('[names]\nq = "my_q"\nlogits = "my_logits"\nalpha = "my_alpha"\ngrad = "my_grad"\n')
    (case,) = cases("case")
    assert "gradient" in {check["name"] for check in case["checks"]}
    (Path("case") / "my_grad.npy").unlink()
    assert "no array 'my_grad'" in softcheck("verify", "case").err


def test_a_case_may_be_made_of_single_arrays():
    for name, array in arrays().items():
        np.save(Path("dumps") / f"{name}.npy", array)
    configure(
        '[[case]]\nq = ["dumps/q.npy", "dumps/q.npy"]\nlogits = "dumps/logits.npy"\n'
        f'grad = "dumps/grad.npy"\nalpha = {float(arrays()["alpha"])}\ncritics = "mean"\n'
    )
    (case,) = cases()
    assert (case["status"], case["settings"]["critics"]) == ("passed", "mean")
    np.save("wrong.npy", -arrays()["grad"])
    assert [case["status"] for case in cases("--logits=dumps/logits.npy", "--q=dumps/q.npy",
        "--grad=dumps/grad.npy", "--grad=wrong.npy", "--alpha=dumps/alpha.npy")] == [
        "passed", "failed"]  # fmt: skip


def test_a_pattern_without_a_match_is_never_a_pass():
    configure('[[case]]\npath = "dumps/a.npz"\n[[case]]\npath = "runs/*.npz"\n')
    line = trouble()
    assert "softcheck.toml::case[1].path" in line
    assert "runs/*.npz" in line
    assert softcheck("verify", "dumps/a.npz").code == 0


def test_a_file_whose_name_looks_like_a_pattern_is_that_file():
    np.savez("run[1].npz", **arrays())
    np.savez("run1.npz", **arrays(grad=-arrays()["grad"]))
    configure('[[case]]\npath = "run[1].npz"\n')
    assert [case["status"] for case in cases()] == ["passed"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('redution = "mean"', ["::redution", "unknown key", "Did you mean 'reduction'?"]),
        ('reduction = "meen"', ["::reduction", '"meen"', "mean-all", "Did you mean 'mean'?"]),
        ('reduction = ["mean"]', ["::reduction", '["mean"]', "one of sum"]),
        ('threads = "4"', ["::threads", '"4"', "a whole number of at least 1"]),
        ("threads = 0", ["::threads", "found 0"]),
        ("seed = 1.5", ["::seed", "1.5"]),
        ("strict = 1", ["::strict", "true or false"]),
        ("alpha = true", ["::alpha", "a number"]),
        ("alpha = []", ["::alpha", "a number"]),
        ("tolerance-factor = nan", ["::tolerance-factor", "from 0.001"]),
        ("tolerance_factor = inf", ["::tolerance_factor", "to 1000"]),
        ('q = ""', ["::q", '""']),
        ("q = []", ["::q"]),
        ("max-findings = 1\nmax_findings = 2", ["max_findings", "max-findings too"]),
        ("names = 3", ["::names", "a table"]),
        ("names = { grad = 3 }", ["::names", "grad = 3"]),
        ('names = { grda = "x" }', ["names.grda", "Did you mean 'grad'?"]),
        ('names = { dlogits = "x" }', ["names.dlogits", "Did you mean 'grad'?"]),
        ('names = { q = "x", logits = "x" }', ["names.logits", "q already"]),
        ("case = {}", ["::case", "[[case]]"]),
        ("case = [3]", ["::case", "[[case]]"]),
        ("[cases]", ["::cases", "Did you mean 'case'?"]),
        ('path = "dumps/*"', ["::path", "[[case]]"]),
        ("[[case]]", ["case[0].path", "no path"]),
        ("[[case]]\npath = 3", ["case[0].path", "found 3"]),
        (
            '[[case]]\npath = "x"\nreductoin = ""',
            ["case[0].reductoin", "Did you mean 'reduction'?"],
        ),
        ('[[case]]\npath = "x"\noutput_format = "text"', ["case[0].output_format", "all cases"]),
        ("seed = 1\nstrict = ", ["softcheck.toml", "Invalid value"]),
        ("x = " + "[" * 5000, ["softcheck.toml", "TOML"]),
        ('"a\\u001b[31m\\nb" = 1', ["a\\x1b[31m\\nb"]),
        ("#" * 2_000_000, ["softcheck.toml", "bytes"]),
    ],
)
def test_what_is_not_understood_is_one_line_with_the_place_and_what_is_allowed(text, says):
    configure(text)
    line = trouble("dumps/a.npz")
    assert line.startswith("softcheck: softcheck.toml")
    for part in says:
        assert part in line


def test_places_in_pyproject_are_named_in_full():
    configure('[tool.softcheck]\n[[tool.softcheck.case]]\npath = "x"\nsed = 1\n', "pyproject.toml")
    assert "pyproject.toml::tool.softcheck.case[0].sed" in trouble("dumps/a.npz")
    configure("tool.softcheck = 3\n", "pyproject.toml")
    assert "pyproject.toml::tool.softcheck: found 3" in trouble("dumps/a.npz")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SOFTCHECK_THREADS", "zero", "a whole number of at least 1"),
        ("SOFTCHECK_OUTPUT_FORMAT", "jsn", "Did you mean 'json'?"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch, name, value, says):
    monkeypatch.setenv(name, value)
    line = trouble("dumps/a.npz")
    assert name in line
    assert says in line


def test_show_settings_is_toml_with_origins_and_verifies_nothing(monkeypatch):
    configure('seed = 7\n[[case]]\npath = "dumps/*.npz"\nnames = { grad = "grad" }\n')
    monkeypatch.setenv("SOFTCHECK_THREADS", "2")
    run = softcheck("verify", "--show-settings", "--reduction=mean")
    assert run.code == 0
    assert run.err == ""
    shown = tomllib.loads(run.out)
    assert (shown["seed"], shown["threads"], shown["reduction"]) == (7, 2, "mean")
    assert shown["case"] == [
        {"path": f"dumps/{name}.npz", "names": {"grad": "grad"}} for name in "ab"
    ]
    origin = {line.split()[0]: line.split("# ")[-1] for line in run.out.splitlines() if line}
    assert origin["seed"] == "softcheck.toml::seed"
    assert origin["threads"] == "SOFTCHECK_THREADS"
    assert origin["reduction"] == "--reduction"
    assert origin["samples"] == "default"
    assert origin["names"] == "softcheck.toml::case[0].names"
    for name in settings_of(Inputs, Settings):
        assert f"{name} = " in run.out or f"# {name}: " in run.out


def test_derive_and_selftest_take_their_settings_too():
    configure(
        'output_format = "json"\nseed = 3\ngivens = "missing.tex"\nreduction = "mean"\n'
        '[[case]]\npath = "own.npz"\nnames = { logits = "actor" }\n'
    )
    assert "missing.tex" in softcheck("derive").err
    np.savez("own.npz", actor=arrays()["logits"], **arrays(logits=None, grad=None))
    run = softcheck("derive", "--on=own.npz", "--givens", given())
    assert run.code == 0
    assert json.loads(run.out)["on"]["status"] == "passed"
    assert "no logits" in softcheck("derive", "--on=own.npz", "--isolated").err


def given():
    Path("givens.tex").write_text("$\\alpha > 0$ is a constant.\n", encoding="utf-8")
    return "givens.tex"


def test_a_tolerance_factor_is_for_dumps_alone_and_is_said():
    exact = arrays()["grad"]
    np.savez("close.npz", **arrays(grad=exact * (1 + 1e-12)))
    (close,) = cases("close.npz")
    assert close["status"] == "failed"
    (loose,) = cases("close.npz", "--tolerance-factor=1000")
    assert loose["settings"]["tolerance_factor"] == 1000
    assert any("multiplied by 1000" in note for note in loose["notes"])
    before, after = ({check["name"]: check for check in case["checks"]} for case in (close, loose))
    assert before["fit"]["status"] == "failed"
    assert after.pop("fit")["status"] == "passed"
    for name, check in after.items():
        factor = before[name]["worst"]["ratio"] / check["worst"]["ratio"]
        assert factor == pytest.approx(1000 if name == "gradient" else 1), name
    (strict,) = cases("dumps/a.npz", "--tolerance-factor=2", "--strict")
    assert strict["status"] == "passed"
    np.savez("givens.npz", **arrays(grad=None))
    (note,) = cases("givens.npz", "--tolerance-factor=2")[0]["notes"]
    assert "multiplied" not in note
    (wrong,) = cases("dumps/b.npz", "--tolerance-factor=1000")
    assert wrong["status"] == "failed"
    assert [each["code"] for each in wrong["diagnosis"]] == ["missing-alpha"]


def test_a_case_that_has_to_have_a_gradient_is_refused_without_and_the_others_are_verified():
    np.savez("dumps/b.npz", **arrays(grad=None))
    configure('require_gradient = true\n[[case]]\npath = "dumps/*.npz"\n')
    line = trouble("--output-format=json")
    assert line.startswith("softcheck: dumps/b.npz: found no gradient, expected grad or gradient ")
    assert [case["status"] for case in cases()] == ["passed", "error"]
    assert softcheck("verify", "dumps/b.npz", "--no-require-gradient").code == 0
    assert softcheck("verify", "dumps/b.npz", "--isolated").code == 0
    assert softcheck("verify", "dumps/b.npz", "--isolated", "--require-gradient").code == 2


def test_every_setting_takes_its_own_default_and_says_what_it_allows():
    for setting in settings_of(Inputs, Settings).values():
        if setting.default is not None:
            assert setting.read(setting.default, "here") == setting.default
        with pytest.raises(SoftcheckError) as caught:
            setting.read({1: 2}, "here")
        assert caught.value.expected == setting.expected
    assert Settings(seed=np.int64(3), tolerance_factor=np.float32(2)).seed == 3
