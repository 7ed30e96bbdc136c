"""The derivative to 40 digits: the arbiter that says who is wrong.

It is the central difference of the loss from its definition,

    L = -(N / Z + alpha log Z) + Y log Z - sum y z + zeta (max + log Z)^2,
    w = exp z,  Z = sum w,  N = sum w (q - alpha z),  Y = sum y,

in Python's integers. A float64 is an integer over a power of two, so z, q - alpha z, sums, products
and quotients are exact, however much of them cancels. What is not exact, and how far it takes the
derivative from the truth, with h = 2^-68, D = |g - V| and K = |alpha - Y - 2 zeta logsumexp|:

    w, to 2^-135 of each                 2^-134 pi_a (D_a + sum pi D + K)
    h^2/6 max |d^3 L| (see `central`)    2^-137 pi_a (D_a + alpha + |Y| + |zeta| (|logsumexp| + 3))
    log Z' of +h less that of -h         2^-137 pi_a K
    exp(+-h), to h^4 / 24                2^-207 pi_a (D_a + alpha)
    log Z', to 2^-300                    2^-300 pi_a zeta

Together that is less than 1e-40 of pi_a (D_a + sum pi D + alpha + |Y| + |zeta| (|logsumexp| + 3)).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import factorial
from operator import mul

_STEP = 68
_UNIT = 6 << 3 * _STEP
_GROWTH = {sign: _UNIT + sign * (6 << 2 * _STEP) + (3 << _STEP) + sign for sign in (1, -1)}
"""exp(h) and exp(-h), h = 2^-68, in units of h^3 / 6: the terms of their series up to there."""

_VANISHES = -2000
"""Below this shifted logit, pi < 1e-868, and what it adds to a gradient is below 1e-550."""

_BITS = 148
_HALVINGS = 8
_LOG2 = sum((1 << _BITS + 32 - n) // n for n in range(1, _BITS + 32)) >> 32
_SERIES = [(1 << _BITS) // factorial(n) for n in reversed(range(14))]
"""1/13! to 1/0!: all that exp needs below log 2 / 256."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What -log pi is weighted by, as `policy.Target`; `index` counts legal actions only."""

    dense: Sequence[float] | None = None
    uniform: float = 0.0
    index: int | None = None
    chosen: float = 0.0

    def total(self, counts: Sequence[int]) -> Fraction:
        """Return their sum, where each but the chosen one counts so often."""
        numbers, bits = _integers(self.dense or [0.0] * len(counts))
        total = Fraction(sum(map(mul, numbers, counts)), 1 << bits)
        total += sum(counts) * Fraction(self.uniform)
        return total if self.index is None else total + Fraction(self.chosen)

    def at(self, action: int) -> Fraction:
        """Return the weight of an action."""
        weight = Fraction(self.uniform)
        if self.dense is not None:
            weight += Fraction(self.dense[action])
        return weight + Fraction(self.chosen) if action == self.index else weight


def gradient(
    q: Sequence[float],
    logits: Sequence[float],
    alpha: float,
    actions: Sequence[int],
    y: Weights | None = None,
    zeta: float = 0.0,
    counts: Sequence[int] | None = None,
) -> list[float]:
    """Return dL/dtheta_a of one state for each a in `actions`, rounded to float64.

    Parameters
    ----------
    q, logits : sequence of float
        The legal actions of the state; finite. Taken as exact numbers.
    alpha : float
    actions : sequence of int
        Indices into `q` and `logits`; one that shares its state costs little more.
    y : Weights, optional
    zeta : float, optional
    counts : sequence of int, optional
        How often each of `q` and `logits` counts: those of `actions` once, as all do by default.
    """
    counts = counts or [1] * len(q)
    values, q_bits = _integers(q)
    theta, z_bits = _integers(logits)
    (temperature,), alpha_bits = _integers([alpha])
    top = max(theta)
    z = [logit - top for logit in theta]
    # From here on u and alpha are in units of 2^-bits, and weights in one that cancels.
    bits = max(q_bits, alpha_bits + z_bits)
    u = [
        (value << bits - q_bits) - (temperature * shifted << bits - alpha_bits - z_bits)
        for value, shifted in zip(values, z, strict=True)
    ]
    temperature <<= bits - alpha_bits
    w = _exponentials(z, z_bits)
    Z, N = sum(map(mul, w, counts)), sum(map(mul, map(mul, w, u), counts))

    def moved(a: int, sign: int) -> tuple[int, int]:
        """Return Z' and N' 2^68 with the logit of a moved by +h or -h."""
        w_moved = w[a] * _GROWTH[sign]
        u_moved = (u[a] << _STEP) - sign * temperature
        N_others = (N - w[a] * u[a]) * _UNIT
        return (Z - w[a]) * _UNIT + w_moved, (N_others << _STEP) + w_moved * u_moved

    def soft(a: int) -> tuple[int, int]:
        """Return the part of q and alpha, numerator and denominator."""
        (Z_up, N_up), (Z_down, N_down) = moved(a, 1), moved(a, -1)
        product, double = Z_up * Z_down, Z_up + Z_down
        # log Z_up - log Z_down = 2 artanh y = 2 y (1 + y^2/3 + ...), y = (Z_up - Z_down) / double
        quotient = N_up * Z_down - N_down * Z_up
        logarithm = (Z_up - Z_down) * temperature << _STEP + 1
        return -(quotient * double + logarithm * product), product * double << bits + 1

    def of_log(a: int) -> Fraction:
        """Return the part of Y log Z, and of the square as a product of sum and change."""
        (Z_up, _), (Z_down, _) = moved(a, 1), moved(a, -1)
        weight = Y
        if zeta:
            twice = Fraction(2 * top, 1 << z_bits)
            twice += sum(_logarithm(Z, max(w) * _UNIT) for Z in (Z_up, Z_down))
            weight += Fraction(zeta) * twice
        return weight * Fraction((Z_up - Z_down) << _STEP, Z_up + Z_down)

    def derivative(a: int) -> float:
        if y is None and not zeta:
            return _ratio(*soft(a)) if w[a] else 0.0
        part = -y.at(a) if y is not None else Fraction(0)
        if w[a]:
            part += Fraction(*soft(a)) + of_log(a)
        return _ratio(part.numerator, part.denominator)

    Y = Fraction(0) if y is None else y.total(counts)
    return [derivative(a) for a in actions]


def _logarithm(numerator: int, denominator: int) -> Fraction:
    """Return log(numerator / denominator) to 2^-300 of itself."""
    import mpmath  # its import takes longer than most verifications

    context = mpmath.mp.clone()
    context.prec = 350
    x = context.log1p(context.mpf(numerator - denominator) / denominator)
    sign, mantissa, exponent, _ = x._mpf_
    return Fraction(int(-mantissa if sign else mantissa)) * Fraction(2) ** int(exponent)


def _integers(numbers: Sequence[float]) -> tuple[list[int], int]:
    """Return integers and the n such that the numbers are these over 2^n."""
    ratios = [number.as_integer_ratio() for number in numbers]
    unit = max(denominator for _, denominator in ratios)
    scaled = [numerator * (unit // denominator) for numerator, denominator in ratios]
    return scaled, unit.bit_length() - 1


def _exponentials(z: Sequence[int], bits: int) -> list[int]:
    """Return exp(z / 2^bits) for each z <= 0, in one unit; 0 where it vanishes."""
    least = _VANISHES << bits
    # Logits in 16 bits are few.
    parts = {x: _exponential((x << _BITS) >> bits) if x > least else (0, 0) for x in {*z}}
    lowest = min(power for _, power in parts.values())
    weights = {x: part << power - lowest for x, (part, power) in parts.items()}
    return [weights[x] for x in z]


def _exponential(x: int) -> tuple[int, int]:
    """Return m and k such that exp(x / 2^148), for -2000 <= x / 2^148 <= 0, is m 2^k / 2^148.

    With x = k log 2 + r, it is 2^k exp(r / 256)^256. In units of 2^-148 log 2 is off by less than
    1 and k of it by less than 2886; r / 256, the series and its terms by less than 5, which
    squaring takes to 6 * 256. That is less than 2^-135.
    """
    power, rest = divmod(x, _LOG2)
    rest >>= _HALVINGS
    value = 0
    for term in _SERIES:
        value = (value * rest >> _BITS) + term
    for _ in range(_HALVINGS):
        value = value * value >> _BITS
    return value, power


def _ratio(numerator: int, denominator: int) -> float:
    """Return the float64 nearest to a quotient, infinite where that is too large for one."""
    try:
        return numerator / denominator
    except OverflowError:
        return float("inf") if numerator > 0 else float("-inf")
