"""Which loss a case is of: declared in flags, files and Python, or said by the case itself."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from run import process
from run import softcheck as program
from safetensors import safe_open

import softcheck
from softcheck.command.config import configuration
from softcheck.errors import InputError, SoftcheckError, UsageError
from softcheck.losses import documents, load
from softcheck.shipped import DEFAULT, stored
from softcheck.tables import open_case
from softcheck.tables.declared import Declared

RNG = np.random.default_rng(5)
LOGITS, Q = RNG.normal(size=(2, 6, 4))
LABELS = np.array([0, 3, 1, 2, 2, 0])
ALPHA = 0.25
FORMULA = r"-\sum_a \pi(a) (Q(a) - \alpha \log \pi(a))"


def soft_gradient():
    leaf = torch.tensor(LOGITS, requires_grad=True)
    log_pi = torch.log_softmax(leaf, -1)
    (log_pi.exp() * (ALPHA * log_pi - torch.tensor(Q))).sum(-1).mean().backward()
    return leaf.grad.numpy()


SOFT = {"q": Q, "logits": LOGITS, "alpha": ALPHA, "grad": soft_gradient()}
CROSS = {"logits": LOGITS, "labels": LABELS, "grad": np.zeros((6, 4))}
KNOWN = Declared(load=load)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def trouble(*arguments):
    """The line that a run with exit code 2 prints on stderr."""
    run = program("verify", *arguments)
    assert run.code == 2
    (line,) = run.err.splitlines()
    assert len(line.removeprefix("softcheck: ")) <= 300
    return line.removeprefix("softcheck: ")


def status(*arguments):
    """The exit code of a run that verifies, and the verdict on its only case."""
    run = program("verify", *arguments, "--output-format=json")
    report = json.loads(run.out)
    assert not report["summary"]["errors"]
    (case,) = report["cases"]
    return run.code, case["status"], case["settings"]["reduction"]


def configured(path, text):
    """Open the case at a path as a configuration file has it."""
    Path("softcheck.toml").write_text(text, "utf-8")
    return configuration(None, isolated=False).chosen(path).open()


@pytest.mark.parametrize("loss", ["sac", FORMULA, f"${FORMULA}$"])
def test_a_loss_may_be_declared_anywhere(loss):
    np.savez("case.npz", **SOFT)
    Path("paper.tex").write_text(rf"We minimise the loss $L = {FORMULA}$.", "utf-8")
    for said in (loss, "paper.tex::L"):
        assert status("case.npz", "--reduction=mean", "--loss", said) == (0, "passed", "mean")
        assert status("case.npz", "--loss", said)[:2] == (1, "failed"), "it can fail"
        assert softcheck.verify(**SOFT, loss=said, reduction="mean")
        softcheck.assert_gradient(**SOFT, loss=said, reduction="mean")
    softcheck.save_case("said.npz", **SOFT, loss=loss, reduction="mean")
    assert open_case("said.npz", {}, declared=KNOWN).loss.name == loss
    assert (
        open_case("said.npz", {}, declared=Declared(stored(DEFAULT), load=load)).loss.name == "sac"
    )
    assert status("said.npz") == (0, "passed", "mean")
    assert status("said.npz", "--loss=sac", "--reduction=mean") == (0, "passed", "mean")


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_case_keeps_its_loss_and_its_reduction(suffix):
    path = f"case{suffix}"
    arrays = CROSS | {"labels": torch.tensor(LABELS), "loss_value": np.arange(6.0)}
    softcheck.save_case(path, **arrays, loss="cross-entropy", reduction="weighted-mean")
    case = open_case(path, {}, declared=KNOWN)
    assert case.loss == load("cross-entropy")
    assert case.reduction == "weighted-mean"
    assert [each.role for each in case.inputs] == ["logits", "grad", "labels", "loss"]
    assert case.notes == ()
    if suffix == ".safetensors":
        with safe_open(path, framework="numpy") as file:
            said = {"loss": "cross-entropy", "reduction": "weighted-mean"}
            assert file.metadata().items() > said.items()


def test_a_case_without_words_says_nothing_but_where_it_comes_from():
    softcheck.save_case("case.npz", **SOFT)
    softcheck.save_case("case.safetensors", **SOFT, loss=np.zeros(6))
    assert sorted(np.load("case.npz")) == ["alpha", "dumped_by", "grad", "logits", "q"]
    with safe_open("case.safetensors", framework="numpy") as file:
        assert file.metadata().keys() == {"dumped_by"}
        assert sorted(file.keys()) == ["alpha", "grad", "logits", "loss", "q"]


def test_an_array_as_loss_is_the_value_that_was_computed():
    values = (torch.tensor(LOGITS).log_softmax(-1).exp().numpy() * 0).sum(-1)
    log_pi = torch.tensor(LOGITS).log_softmax(-1).numpy()
    values = (np.exp(log_pi) * (ALPHA * log_pi - Q)).sum(-1)
    for given in ({"loss": values}, {"loss": "sac", "loss_value": values}, {"loss_value": values}):
        (case,) = softcheck.verify(**SOFT, **given, reduction="mean").cases
        assert "loss" in [check.name for check in case.checks]
        assert case.status is softcheck.Status.PASSED
    (case,) = softcheck.verify(**SOFT, loss="sac", loss_value=values + 1, reduction="mean").cases
    assert case.status is softcheck.Status.FAILED
    with pytest.raises(InputError, match="a second array for loss"):
        softcheck.verify(**SOFT, loss=values, loss_value=values)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"loss": "cross-entropi"}, "Did you mean 'cross-entropy'?"),
        ({"loss": "missing.tex"}, "missing.tex: found no such file"),
        ({"loss": "cross-entropy"}, "labels or targets, for cross-entropy needs one of them"),
        ({"loss": "policy-gradient", "labels": LABELS}, "labels: found a name without a role"),
        ({"loss": "policy-gradient"}, "no q among 'logits', expected q or q_values"),
        ({"loss": "policy-gradient", "q": (Q, Q)}, "q1: found a name without a role"),
        ({"labels": LABELS}, "labels: found a name without a role, expected one of q, logits"),
        ({"loss": "entropy", "coef": 1, "arrays": {"coef": 2}}, "arrays['coef']: found a second"),
    ],
)
def test_arrays_that_are_not_those_of_the_loss_are_refused_in_python(given, says):
    with pytest.raises(SoftcheckError) as caught:
        softcheck.verify(logits=LOGITS, **given)
    assert says in str(caught.value)
    with pytest.raises(SoftcheckError):
        softcheck.save_case("case.npz", logits=LOGITS, **given)
    assert not Path("case.npz").exists()


def test_a_reduction_that_there_is_not_is_refused_before_a_case_is_written():
    with pytest.raises(UsageError, match='found "avg"'):
        softcheck.save_case("step.npz", loss="entropy", logits=LOGITS, coef=1.0, reduction="avg")
    with (
        pytest.raises(UsageError, match='found "avg"'),
        softcheck.capture(loss="entropy", coef=1.0, reduction="avg"),
    ):
        pytest.fail("it is known on entry")


def test_a_symbol_may_be_called_like_a_critic():
    other = RNG.normal(size=LOGITS.shape)
    arrays = {"q": Q, "qf1": other}
    leaf = torch.tensor(LOGITS, requires_grad=True)
    (-torch.softmax(leaf, -1) * torch.tensor(Q + other)).sum().backward()
    softcheck.assert_gradient(
        loss=r"-\sum_a \pi(a) (Q(a) + \mathrm{qf1}(a))",
        logits=LOGITS,
        grad=leaf.grad,
        arrays=arrays,
    )


def test_a_q_of_states_is_no_table():
    leaf = torch.tensor(LOGITS, requires_grad=True)
    chosen = torch.log_softmax(leaf, -1)[range(6), LABELS]
    (-torch.tensor(Q[:, 0]) * chosen).sum().backward()
    given = {"q": Q[:, 0], "arrays": {"j": LABELS}}
    softcheck.assert_gradient(
        loss=r"-Q \log \pi(j)", logits=LOGITS, grad=leaf.grad.numpy(), **given
    )


def test_a_dump_that_was_printed_with_few_decimals_needs_no_alpha():
    leaf = torch.tensor(LOGITS.round(9), requires_grad=True)
    torch.nn.functional.cross_entropy(leaf, torch.tensor(LABELS)).backward()
    case = {
        "logits": leaf.tolist(),
        "labels": LABELS.tolist(),
        "grad": leaf.grad.numpy().round(9).tolist(),
    }
    Path("case.json").write_text(json.dumps(case | {"loss": "cross-entropy"}))
    assert status("case.json", "--reduction=mean")[:2] == (0, "passed")


def test_what_a_loss_may_not_hold_is_refused_though_it_is_finite():
    for name, wrong in (("targets", -0.5), ("temperature", 0.0), ("temperature", 1e-320)):
        loss = "cross-entropy" if name == "targets" else "distillation"
        arrays = {"teacher_logits": Q} if name == "temperature" else {}
        arrays[name] = np.full((6, 4), wrong) if name == "targets" else wrong
        with pytest.raises(InputError):
            softcheck.verify(loss=loss, logits=LOGITS, **arrays)


def test_a_table_may_have_a_default_too():
    Path("paper.tex").write_text(
        "% arrays:\n%   w: $w(a)$, default 0.5: a weight\nThe loss is defined as $$L := -\\sum_a "
        "w(a) \\log \\pi(a)$$"
    )
    mask = LOGITS > -1.0
    leaf = torch.tensor(LOGITS, requires_grad=True)
    logits = leaf.masked_fill(~torch.tensor(mask), -torch.inf)
    (-0.5 * torch.log_softmax(logits, -1)[torch.tensor(mask)]).sum().backward()
    softcheck.assert_gradient(loss="paper.tex", logits=LOGITS, grad=leaf.grad, mask=mask)
    Path("paper.tex").write_text(Path("paper.tex").read_text().replace("0.5", "0.5.1"))
    with pytest.raises(InputError, match=r"found 'default 0\.5\.1' of w"):
        load("paper.tex")


def test_a_case_names_no_document():
    Path("paper.tex").write_text(rf"We minimise the loss $L = {FORMULA}$.", "utf-8")
    for text in ("paper.tex", "paper.tex::L"):
        with pytest.raises(UsageError):
            softcheck.save_case("case.npz", **SOFT, loss=text)
        np.savez("case.npz", **SOFT, loss=text)
        assert trouble("case.npz") == (
            f"case.npz::loss: found '{text}', expected the name of a loss, or a formula: a case "
            "names no document. Write the formula itself, or give the document by --loss."
        )


def test_a_flag_or_a_configuration_that_contradicts_a_case_is_an_error():
    softcheck.save_case("case.npz", **SOFT, loss="sac", reduction="mean")
    assert trouble("case.npz", "--loss=policy-gradient") == (
        "case.npz::loss: found the loss 'sac', expected 'policy-gradient', as --loss says. "
        "Leave out one of the two."
    )
    assert trouble("case.npz", "--reduction=sum") == (
        "case.npz::reduction: found the reduction 'mean', expected 'sum', as --reduction says. "
        "Leave out one of the two."
    )
    Path("softcheck.toml").write_text('reduction = "sum"\n', "utf-8")
    assert "expected 'sum', as softcheck.toml::reduction says" in trouble("case.npz")
    assert status("case.npz", "--reduction=mean") == (0, "passed", "mean")
    Path("softcheck.toml").write_text('loss = "entropy"\n', "utf-8")
    assert "expected 'entropy', as softcheck.toml::loss says" in trouble("case.npz")


def test_arrays_of_any_loss_are_given_by_name():
    np.savez("run.npz", logits=LOGITS, y=LABELS)
    text = 'loss = "cross-entropy"\narrays = { label_smoothing = 0.5, z_coef = 0.125 }\n'
    text += '[[case]]\npath = "run.npz"\narrays = { z_coef = 0.25 }\n'
    case = configured("run.npz", text)
    assert case.scalars == {"label_smoothing": 0.5, "z_coef": 0.25}
    shown = tomllib.loads(
        program("verify", "--show-settings", "run.npz", "--array", "z_coef=1").out
    )
    assert shown["arrays"] == {"label_smoothing": 0.5, "z_coef": "1"}
    line = trouble("run.npz", "--array", "labels=run.npz::y")
    assert line.startswith("--array labels: found a second array for labels, beside run.npz::y")
    assert trouble("run.npz", "--array", "beta=1").startswith(
        "--array beta: found an array 'beta', expected one that cross-entropy has: logits, "
    )
    assert trouble("run.npz", "--array", "z_coef").startswith("--array: found 'z_coef', expected")
    assert trouble("run.npz", "--array", "z_coef=x").startswith("--array z_coef: found 'x', ")
    line = trouble("run.npz", "--array", "weights=1")
    assert line.startswith("--array weights: found the number 1, expected the path of a file: ")


def test_an_option_of_a_role_and_an_array_of_its_name_are_two():
    np.savez("case.npz", **{name: array for name, array in SOFT.items() if name != "alpha"})
    assert status("case.npz", "--array", f"alpha={ALPHA}", "--reduction=mean")[0] == 0
    line = trouble("case.npz", "--array", "alpha=1", "--alpha=1")
    assert line.startswith("--array alpha: found a second array for alpha, beside that of --alpha")


def test_places_in_a_configuration_are_relative_to_it():
    Path("folder").mkdir()
    Path("folder/paper.tex").write_text(rf"We minimise the loss $L = {FORMULA}$.", "utf-8")
    np.savez("folder/case.npz", **{name: array for name, array in SOFT.items() if name != "q"})
    np.save("folder/q.npy", Q)
    Path("folder/softcheck.toml").write_text(
        '[[case]]\npath = "case.npz"\nloss = "paper.tex::L"\nreduction = "mean"\n'
        'arrays = { q = "q.npy" }\n',
        "utf-8",
    )
    assert status("--config=folder/softcheck.toml") == (0, "passed", "mean")
    Path("folder/paper.tex").rename("paper.tex")
    run = process("verify", "--config=folder/softcheck.toml")  # a run reads a document once
    assert run.code == 2
    assert run.err.startswith("softcheck: folder/paper.tex: found no such file")


@pytest.mark.parametrize("loss", ["sac", FORMULA.replace("\\", "\\\\")])
def test_a_name_or_a_formula_in_a_configuration_is_no_path(loss):
    np.savez("case.npz", **SOFT)
    Path("folder").mkdir()
    Path("folder/sac").touch()
    Path("folder/softcheck.toml").write_text(
        f'loss = "{loss}"\nreduction = "mean"\n[[case]]\npath = "../case.npz"\n', "utf-8"
    )
    assert status("--config=folder/softcheck.toml") == (0, "passed", "mean")


def test_names_of_the_users_own_are_those_of_the_loss():
    np.savez("run.npz", logits=LOGITS, target=LABELS)
    case = configured("run.npz", 'loss = "cross-entropy"\nnames = { labels = "target" }\n')
    assert "labels" in case.tables
    case = configured("run.npz", 'names = { labels = "target" }\nloss = "cross-entropy"\n')
    assert "labels" in case.tables
    own = r'loss = "-\\sum_a \\rho(a) \\log \\pi(a)"' + "\n"
    np.savez("own.npz", logits=LOGITS, target=Q)
    for text in (own + 'names = { rho = "target" }\n', 'names = { rho = "target" }\n' + own):
        assert "rho" in configured("own.npz", text).tables
    own = r'loss = "-\\mathrm{grid} \\cdot \\sum_a \\pi(a)^2"' + "\n"
    np.savez("own.npz", logits=LOGITS, target=2.0)
    case = configured("own.npz", own + 'names = { grid = "target" }\n')
    assert case.scalars == {"grid": 2.0}
    Path("softcheck.toml").write_text('names = { grid = "target" }\n', "utf-8")
    assert "Did you mean 'grad'?" in trouble("run.npz")
    Path("softcheck.toml").write_text('names = { labels = "target" }\n', "utf-8")
    line = trouble("run.npz")
    assert "the array 'target' named for labels, which sac has not" in line


def test_without_a_loss_a_case_of_another_one_is_told():
    np.savez("run.npz", **CROSS)
    line = trouble("run.npz")
    assert "no q among 'logits', 'grad', 'labels'" in line
    assert "Is it of another loss, as 'labels' looks? Say which: --loss." in line


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 4)

    def forward(self, x):
        return self.layer(x)


@pytest.mark.parametrize("path", [None, "step.npz", "step.safetensors"])
def test_a_step_of_any_loss_is_captured(path):
    net, x, labels = Net(), torch.randn(6, 3), torch.tensor(LABELS)
    given = {"loss": "cross-entropy", "reduction": "mean", "labels": labels}
    with softcheck.capture(actor=net, path=path, **given) as captured:
        value = torch.nn.functional.cross_entropy(net(x), labels)
        captured.record(loss_value=value)
        value.backward()
    arrays = captured.arrays
    assert list(arrays) == [
        "logits", "grad", "labels", "loss_value", "loss", "reduction"
    ]  # fmt: skip
    expected = (torch.softmax(net(x), -1) - torch.eye(4)[labels]) / 6
    np.testing.assert_allclose(arrays["grad"], expected.detach().numpy(), atol=1e-6)
    if path:
        case = open_case(path, {}, declared=KNOWN)
        assert (case.loss.name, case.reduction) == ("cross-entropy", "mean")
        assert {each.role for each in case.inputs} == {"logits", "grad", "labels", "loss"}


def test_action_values_are_captured_only_where_the_loss_has_such():
    net = Net()

    def step(**given):
        with softcheck.capture(actor=net, **given):
            net(torch.randn(6, 3)).sum().backward()

    with pytest.raises(UsageError, match="action values, which cross-entropy has not"):
        step(critics=net, loss="cross-entropy")
    with softcheck.capture(actor=net, loss="cross-entropy", labels=torch.tensor(LABELS)) as made:
        with pytest.raises(UsageError, match="action values, which cross-entropy has not"):
            made.record(q=torch.zeros(6, 4))
        with pytest.raises(UsageError, match="the value of the loss is loss_value"):
            made.record(loss=torch.zeros(6))
        net(torch.randn(6, 3)).sum().backward()
    with pytest.raises(UsageError, match="no output of q"):
        step(loss="policy-gradient")
    with pytest.raises(InputError, match=r"^capture: found no labels and no targets among"):
        step(loss="cross-entropy")
    values = torch.randn(6, 4)
    with softcheck.capture(actor=net, loss="policy-gradient", q=values) as made:
        net(torch.randn(6, 3)).sum().backward()
    np.testing.assert_array_equal(made.arrays["q"], values.numpy())
    with pytest.raises(UsageError, match="q for a second time"):
        step(loss="policy-gradient", q=values, critics=net)
    with pytest.raises(UsageError, match="found 'paper', expected one of"):
        step(loss="paper")
    Path("paper.tex").write_text(rf"We minimise the loss $L = {FORMULA}$.", "utf-8")
    given = {"q_of": lambda output: output.detach(), "critics": Net(), "alpha": 1.0}
    with softcheck.capture(actor=net, loss="paper.tex::L", **given) as made:
        with torch.no_grad():
            given["critics"](torch.randn(6, 3))
        net(torch.randn(6, 3)).sum().backward()
    assert made.arrays["loss"] == "paper.tex::L"
    with pytest.raises(UsageError, match="a case names no document"):
        step(loss="paper.tex::L", path="step.npz", **given)


@pytest.mark.parametrize("extra", ["alpha", "z_coef", "temperature", "ref_logits"])
def test_an_array_of_another_loss_is_refused_where_a_loss_is_said(extra):
    arrays = {"logits": np.zeros((2, 3)), "q": np.ones((2, 3)), extra: np.float64(0.5)}
    np.savez("case.npz", **arrays)
    run = program("verify", "case.npz", "--loss", r"-\sum_a \pi(a) Q(a)")
    assert run.code == 2
    assert f"'{extra}'" in run.err.splitlines()[0]
    np.savez("case.npz", **{name: x for name, x in arrays.items() if name != extra}, step=7)
    assert program("verify", "case.npz", "--loss", r"-\sum_a \pi(a) Q(a)").code != 2


def test_a_document_that_changes_between_two_runs_is_another_loss():
    np.savez("case.npz", **SOFT)
    for sign, code in ("-", 0), ("", 1), ("-", 0):
        loss = FORMULA.removeprefix("-")
        Path("paper.tex").write_text(f"We minimise the loss $L = {sign}{loss}$.", "utf-8")
        assert status("case.npz", "--reduction=mean", "--loss=paper.tex::L")[0] == code


def test_a_loss_is_proved_once_for_all_cases(monkeypatch):
    proved = []
    formula = documents.formula
    monkeypatch.setattr(documents, "formula", lambda *given: proved.append(1) or formula(*given))
    for name in ("a", "b", "c"):
        np.savez(f"{name}.npz", **SOFT)
    loss = FORMULA.replace(r"\alpha", r"2 \alpha")
    run = program("verify", "a.npz", "b.npz", "c.npz", "--loss", loss)
    assert run.code == 1
    assert len(proved) == 1
