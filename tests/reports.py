"""Reports made by hand, so that how they are rendered can be compared to the letter."""

from softcheck import result
from softcheck.result import Status

NAN, INF = float("nan"), float("inf")
LOSS = result.Loss(
    name="sac",
    formula="−Σ_a π(a) (Q(a) − α log π(a))",
    gradient="−π(a) (Q(a) − α log π(a) − Σ_b π(b) (Q(b) − α log π(b)))",
    proved=True,
    equation="Eq. (6)",
)


def check(name, status=Status.PASSED, *, entries=12, failed=0, blind=0, worst=None, **rest):
    return result.Check(
        name=name,
        status=status,
        entries=entries,
        failed=failed,
        blind=blind,
        worst=worst,
        largest=rest.get("largest"),
        decades=rest.get("decades", ()),
        resolution=rest.get("resolution", result.Resolution(median=4.5e-15, worst=2.25e-14)),
        reason=rest.get("reason", ""),
    )


def discrepancy(location, actual, expected, tolerance=2.0e-9, ratio=None):
    error = abs(actual - expected)
    return result.Discrepancy(
        location=location,
        actual=actual,
        expected=expected,
        abs_error=error,
        tolerance=tolerance,
        ratio=error / tolerance if ratio is None else ratio,
    )


def finding(name, worst, state=None, action=None, about=""):
    return result.Finding(
        check=name,
        about=about,
        state=state,
        action=action,
        **{field: getattr(worst, field) for field in worst.__struct_fields__},
    )


def case(name, status, checks, **rest):
    inputs = tuple(
        result.Input(
            role=role, path="run.npz", key=role, dtype="float32", shape=(3, 4), sha256="ab" * 32
        )
        for role in ("q", "logits")
    )
    given = {
        "loss": LOSS,
        "dumped_by": None,
        "inputs": (*inputs, result.Input(
            role="alpha", path=None, key="--alpha", dtype="float64", shape=(), sha256=None
        )),
        "settings": {"alpha": 0.2, "critics": "min", "reduction": "mean", "expect": None},
        "states": 3,
        "actions": 4,
        "entries": 12,
        "masked": 0,
        "findings": (),
        "diagnosis": (),
        "notes": (),
    }  # fmt: skip
    return result.Case(name=name, status=status, checks=checks, **given | rest)


def report(*cases, errors=()):
    counts = [each.status for each in cases]
    return result.Report(
        schema_version=1,
        tool=result.Tool(name="softcheck", version="0.0.0"),
        command="verify",
        status=max(counts, key=lambda status: status.severity),
        summary=result.Summary(
            cases=len(cases),
            passed=counts.count(Status.PASSED),
            failed=counts.count(Status.FAILED),
            inconclusive=counts.count(Status.INCONCLUSIVE),
            errors=errors,
        ),
        cases=cases,
    )


NEAR = discrepancy((1, 2), -0.338861980985, -0.338861980986, tolerance=2.2e-12)
PASSED = case(
    "run.npz",
    Status.PASSED,
    (
        check("complex-step", worst=NEAR),
        check("central-difference", worst=NEAR, blind=2, reason="2 of 12 live entries are blind"),
        check("descent", entries=3, worst=discrepancy((2,), -0.5, -0.5)),
        check("gradient", worst=NEAR),
    ),
    notes=("not loaded, because no role has this name: 'rewards'",),
)
UNGRADED = case(
    "forward.npz",
    Status.PASSED,
    (check("complex-step", worst=NEAR), check("policy", worst=NEAR)),
    notes=("no gradient was given, so none was verified but Eq. (6) itself",),
)

WRONG = discrepancy((2, 0), 0.12345678901234568, -0.12345678901234568)
MISSING = discrepancy((2, 3), NAN, 0.25, ratio=INF)
FITTED = discrepancy((), 0.5, 0.2, tolerance=0.012)
FAILED = case(
    "negative.npz",
    Status.FAILED,
    dumped_by=result.SourceLine(file="agents/train.py", line=42),
    checks=(
        check("complex-step", worst=NEAR),
        check(
            "value",
            Status.FAILED,
            entries=3,
            failed=1,
            worst=discrepancy((2,), 1.5, -1.5),
            reason="1 of 3 (33.3 %) differ by more than their tolerance",
        ),
        check(
            "gradient",
            Status.FAILED,
            failed=5,
            worst=MISSING,
            largest=WRONG,
            decades=(0, 1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 1),
            reason="5 of 12 (41.7 %) differ by more than their tolerance",
        ),
        check(
            "fit",
            Status.FAILED,
            entries=2,
            failed=1,
            worst=FITTED,
            reason="scale fitted 1.0000 +- 2e-04 times the declared; alpha fitted 0.500 +- 2e-03, "
            "declared 0.2",
        ),
    ),
    entries=10,
    masked=2,
    findings=(
        finding("value", discrepancy((2,), 1.5, -1.5), state="corner"),
        finding("gradient", MISSING, state="corner", action="left"),
        finding("gradient", WRONG, state="corner", action="up"),
        finding("fit", FITTED, about="alpha"),
    ),
    diagnosis=(
        result.Diagnosis(
            code="mean-over-states+sign-flipped",
            message="the mean over states was taken and the sign of the loss is flipped",
            grounds="Explains all 5 wrong entries and changes no right one",
            evidence={"codes": ["mean-over-states", "sign-flipped"]},
            remedies=(
                result.Remedy(
                    code="mean-over-states",
                    declare={"reduction": "mean"},
                    wrong_line="loss = loss_of_state.mean()",
                    right_line="loss = loss_of_state.sum()",
                ),
                result.Remedy(
                    code="sign-flipped",
                    declare={},
                    wrong_line="loss = objective",
                    right_line="loss = -objective",
                ),
            ),
        ),
        result.Diagnosis(
            code="first-wrong",
            message="value is the first wrong quantity in the order of computation",
            grounds="Look there: what follows may be wrong for its sake",
            evidence={"quantity": "value", "then_wrong": ["gradient"]},
            remedies=(),
        ),
    ),
)
BLIND = case(
    "coarse.npz",
    Status.INCONCLUSIVE,
    (
        check(
            "gradient",
            Status.INCONCLUSIVE,
            blind=12,
            worst=discrepancy((0, 0), 0.0, 0.5, tolerance=1.0),
            resolution=result.Resolution(median=INF, worst=INF),
            reason="all 12 live entries are blind: their tolerance exceeds their scale",
        ),
    ),
)
UNREADABLE = case(
    "torn.npz", Status.ERROR, (), inputs=(), settings={}, states=0, actions=0, entries=0
)
NOTED = case(
    "noted.npz",
    Status.FAILED,
    (check("gradient", worst=NEAR),),
    notes=("alpha is the exponential of noted.npz::log_alpha",),
)

PICTURED = result.PicturedCase(
    **{name: getattr(FAILED, name) for name in FAILED.__struct_fields__},
    picture=result.Picture(
        dots=(
            result.Dot(found=0.25, expected=0.25, ratio=0.0, pi=0.5, weight=0.25),
            result.Dot(found=0.1, expected=-0.1, ratio=1e8, pi=0.01, weight=0.25),
            result.Dot(found=0.0, expected=0.0, ratio=0.0, pi=0.0, weight=0.25),
        ),
        worst=(
            result.MarkedDot(
                found=NAN,
                expected=0.25,
                ratio=INF,
                pi=0.25,
                weight=0.25,
                location=(2, 3),
                state="corner",
                action="left",
                cell=(3, 2),
            ),
        ),
        grid=((0.0, 0.5, 2.0), (0.0, 0.5, 1e5), (0.0, 0.5, 1e8), (0.0, 0.5, INF)),
        actions=("up", "right", "down", "left"),
        states=("start", "middle", "corner"),
    ),
)

EVERY = {
    "passed": report(PASSED),
    "no-gradient": report(UNGRADED),
    "failed": report(PICTURED),
    "inconclusive": report(BLIND),
    "strict": report(NOTED),
    "unreadable": report(UNREADABLE, errors=("torn.npz: found a tear, ...",)),
    "several": report(PASSED, PICTURED, UNREADABLE, errors=("torn.npz: found a tear, ...",)),
}
