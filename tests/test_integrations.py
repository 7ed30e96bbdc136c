"""What others run us by: a clone, the GitHub action and the hooks, as far as a machine allows."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import yaml
from junitparser import JUnitXml
from pages import PAGES, ROOT, blocks, without_digits

ACTION = yaml.safe_load((ROOT / "action.yml").read_text())

PACKAGE_INDEX = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
"""Where this machine installs from, if that is not the usual place."""

CONFIGURATION = """
[tool.softcheck]
reduction = "mean"

[[tool.softcheck.case]]
path = "dumps/*.npz"
alpha = 0.2
"""


def run(*command, check=True, **options):
    return subprocess.run(
        command, check=check, capture_output=True, text=True, timeout=600, **options
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Return a clone of what is in the working tree."""
    clone = tmp_path_factory.mktemp("project")
    for name in ("pyproject.toml", "README.md", "action.yml", ".pre-commit-hooks.yaml"):
        shutil.copy(ROOT / name, clone)
    shutil.copytree(
        ROOT / "softcheck", clone / "softcheck", ignore=shutil.ignore_patterns("__pycache__")
    )
    (clone / "fixtures" / "positive").mkdir(parents=True)
    shutil.copy(ROOT / "fixtures" / "positive" / "taxi.npz", clone / "fixtures" / "positive")
    committed(clone)
    return clone


def committed(folder):
    run("git", "init", "--quiet", cwd=folder)
    run("git", "add", ".", cwd=folder)
    identity = ("-c", "user.name=softcheck", "-c", "user.email=softcheck@example.org")
    run("git", *identity, "commit", "--quiet", "--message", "all of it", cwd=folder)


@dataclass
class Runner:
    """A runner of GitHub's, as far as a composite action sees it."""

    action: Path
    home: Path
    workspace: Path
    env: dict = field(default_factory=dict)

    def __post_init__(self):
        (self.home / "python").mkdir(parents=True)
        (self.home / "python" / "python").symlink_to(sys.executable)

    def uses(self, **inputs):
        """Run the steps of the action; return the last one, and the summary that they wrote.

        A second job finds softcheck installed: that is slow, and the same each time.
        """
        given = {name: about["default"] for name, about in ACTION["inputs"].items()} | inputs
        summary = self.home / "summary.md"
        summary.write_text("")
        for step in ACTION["runs"]["steps"][1 if "SOFTCHECK" in self.env else 0 :]:
            done = self.step(step, given, summary)
            if done.returncode:
                break
        return done, summary.read_text()

    def step(self, step, given, summary):
        def filled(text):
            text = text.replace("${{ github.action_path }}", str(self.action))
            return re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda m: given[m[1]], text)

        exported = self.home / "env"
        exported.write_text("")
        done = run(
            *("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]),
            check=False,
            cwd=self.workspace / filled(step.get("working-directory", ".")),
            env={
                **PACKAGE_INDEX,
                "PATH": f"{self.home / 'python'}:/usr/bin:/bin",
                "HOME": str(self.home),
                "RUNNER_TEMP": str(self.home),
                "GITHUB_ENV": str(exported),
                "GITHUB_STEP_SUMMARY": str(summary),
                "GITHUB_ACTIONS": "true",
                **self.env,
                **{name: filled(value) for name, value in step["env"].items()},
            },
        )
        self.env |= dict(line.split("=", 1) for line in exported.read_text().splitlines())
        return done


@pytest.fixture(scope="module")
def runner(project, tmp_path_factory):
    """Return a runner with a repository whose one case is configured."""
    workspace = tmp_path_factory.mktemp("workspace")
    (workspace / "pyproject.toml").write_text(CONFIGURATION)
    (workspace / "dumps").mkdir()
    return Runner(project, tmp_path_factory.mktemp("runner") / "temp", workspace)


def dump(workspace, *, alpha, with_gradient=True):
    """Dump the gradient of a mean loss whose author took `alpha` for the temperature."""
    generator = np.random.default_rng(6)
    q, logits = generator.normal(size=(2, 50, 4))
    policy = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    g = q - alpha * np.log(policy)
    grad = -policy * (g - (policy * g).sum(axis=1, keepdims=True)) / len(q)
    dumped = {"q": q, "logits": logits} | ({"grad": grad} if with_gradient else {})
    np.savez(workspace / "dumps" / "actor.npz", **dumped)


def test_a_job_goes_from_green_to_red_with_the_mistake_named(runner):
    dump(runner.workspace, alpha=0.2)
    done, summary = runner.uses(options="--report\njunit:junit.xml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "::" not in done.stdout
    assert "passed" in summary.lower()

    dump(runner.workspace, alpha=1.0)
    done, summary = runner.uses(options="--report\njunit:junit.xml")
    assert done.returncode == 1, done.stdout + done.stderr
    annotations = [line for line in done.stdout.splitlines() if line.startswith("::error ")]
    assert any("missing-alpha" in line for line in annotations)
    assert "missing-alpha" in summary
    (suite,) = JUnitXml.fromfile(str(runner.workspace / "junit.xml"))
    failures = [failure for case in suite for failure in case.result]
    assert any("missing-alpha" in failure.text for failure in failures)


TRAIN = """
import numpy as np

import softcheck

q, logits = np.random.default_rng(6).normal(size=(2, 50, 4))
policy = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
g = q - np.log(policy)
grad = -policy * (g - (policy * g).sum(axis=1, keepdims=True)) / len(q)
softcheck.save_case(
    "dumps/actor.npz", q=q, logits=logits, grad=grad, alpha=0.2, reduction="mean"
)
"""


def test_the_annotation_of_a_job_lies_on_the_line_that_saved_the_case(runner):
    dump(runner.workspace, alpha=0.2)
    runner.uses()  # installs softcheck
    committed(runner.workspace)
    (runner.workspace / "agents").mkdir()
    (runner.workspace / "agents" / "train.py").write_text(TRAIN)
    python = Path(runner.env["SOFTCHECK"]).with_name("python")
    run(str(python), "agents/train.py", cwd=runner.workspace)
    done, summary = runner.uses(cases="dumps/actor.npz", options="--isolated")
    assert done.returncode == 1, done.stdout + done.stderr
    (annotation,) = (line for line in done.stdout.splitlines() if line.startswith("::error "))
    line = TRAIN.splitlines().index("softcheck.save_case(") + 1
    assert annotation.startswith(f"::error file=agents/train.py,line={line},title=")
    assert "missing-alpha" in annotation
    assert f"dumped by agents/train.py:{line}" in summary


def test_a_job_without_a_gradient_is_no_pass_unless_that_is_asked_for(runner):
    dump(runner.workspace, alpha=0.2, with_gradient=False)
    done, summary = runner.uses()
    assert done.returncode == 2, done.stdout + done.stderr
    assert "found no gradient, expected grad" in done.stdout
    assert "found no gradient" in summary
    done, _ = runner.uses(options="--no-require-gradient")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("::warning ")


def test_inputs_of_the_action_are_data(runner):
    dump(runner.workspace, alpha=0.2)
    hostile = 'dumps/$(touch pwned).npz\n`touch pwned`\n"; touch pwned; "\n--exit-zero'
    done, _ = runner.uses(cases=hostile)
    assert done.returncode == 2
    assert not list(runner.workspace.rglob("pwned"))
    assert "$(touch pwned)" in done.stderr


def test_the_action_is_what_github_expects():
    run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-actions",
        str(ROOT / "action.yml"))  # fmt: skip
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step["run"], "inputs pass through the environment"


def test_the_workflows_of_the_pages_are_what_their_services_expect(tmp_path):
    workflow, gitlab, hooks = blocks("yaml")
    job = yaml.safe_load(workflow)["jobs"]["gradient"]
    for schema, text in {
        "vendor.github-workflows": yaml.safe_dump({"on": "push", "jobs": {"gradient": job}}),
        "vendor.gitlab-ci": gitlab,
    }.items():
        (tmp_path / "ci.yml").write_text(text)
        run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema,
            str(tmp_path / "ci.yml"))  # fmt: skip
    (tmp_path / "hooks.yaml").write_text(hooks)
    run(sys.executable, "-m", "pre_commit", "validate-config", str(tmp_path / "hooks.yaml"))
    known = {hook["id"] for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
    (repository,) = yaml.safe_load(hooks)["repos"]
    assert {hook["id"] for hook in repository["hooks"]} == known


def test_the_hooks_run_from_pre_commit(project, tmp_path):
    head = run("git", "rev-parse", "HEAD", cwd=project).stdout.strip()
    hooks = [{"id": "softcheck-verify"}, {"id": "softcheck-derive", "args": ["paper.tex"]}]
    used = {"repos": [{"repo": str(project), "rev": head, "hooks": hooks}]}
    (tmp_path / ".pre-commit-config.yaml").write_text(yaml.safe_dump(used))
    (tmp_path / "pyproject.toml").write_text(CONFIGURATION)
    (tmp_path / "dumps").mkdir()
    (tmp_path / "paper.tex").write_text("$$\\sum_a \\pi(a) = 1 + 0$$ $$\\sum_a \\pi(a) = 2$$\n")
    dump(tmp_path, alpha=1.0)
    committed(tmp_path)

    def hook(name):
        done = run(sys.executable, "-m", "pre_commit", "run", name, "--all-files", "--verbose",
                   check=False, cwd=tmp_path, env={**PACKAGE_INDEX, "PATH": "/usr/bin:/bin",
                   "HOME": str(tmp_path), "PRE_COMMIT_HOME": str(tmp_path / "store")})  # fmt: skip
        return done.returncode, done.stdout

    code, said = hook("softcheck-verify")
    assert code == 1, said
    assert "exit code: 1" in said
    assert "missing-alpha" in said
    dump(tmp_path, alpha=0.2)
    code, said = hook("softcheck-verify")
    assert code == 0, said
    dump(tmp_path, alpha=0.2, with_gradient=False)
    code, said = hook("softcheck-verify")
    assert code == 1, said
    assert "exit code: 2" in said
    assert "found no gradient" in said
    code, said = hook("softcheck-derive")
    assert code == 1, said
    assert "2 equalities: 1 proved, 1 refuted" in said


TEN_MINUTES = "docs/ten-minutes.md"


def test_the_ten_minutes_of_a_new_user(project, tmp_path):
    """As they stand on the page; but the repository is here, and so is PyTorch."""
    (tmp_path / "python3").symlink_to(Path(sys.executable).resolve())
    environment = {
        **PACKAGE_INDEX,
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{project.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/OWNER/softcheck",
    }

    def bash(commands, folder):
        done = run("bash", "-euc", commands, check=False, cwd=folder, env=environment)
        assert done.returncode == 0 or "AssertionError" in done.stderr, done.stdout + done.stderr
        return (done.stdout + done.stderr).splitlines()

    (_, install), *others = re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", PAGES[TEN_MINUTES])
    bash(install, tmp_path)
    clone = tmp_path / "softcheck"
    step = clone / "step.py"
    (packages,) = clone.glob(".venv/lib/python*/site-packages")
    here = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "of_the_tests.pth").write_text("\n".join(here))
    for language, text in others:
        if language == "sh":
            printed = bash(text, clone)
        elif language == "python":
            step.write_text(text)
        elif language == "diff":
            wrong, right = (line[1:] for line in text.splitlines())
            assert step.read_text().count(wrong) == 1
            step.write_text(step.read_text().replace(wrong, right))
        else:
            assert without_digits(text) in [without_digits(line) for line in printed]


def test_the_ten_minutes_begin_with_the_first_line_of_the_readme():
    first, _ = blocks("sh", "README.md", "Two lines")[:2]
    assert first in blocks("sh", TEN_MINUTES)[0]
