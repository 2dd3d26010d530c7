"""Functions of single numbers: exp, log, tanh.

Written for ``Vector``, so that each line is an instruction for all lanes, and once for both
precisions. Only operations that IEEE 754 rounds in one way are used, so that they give the same bits
on every processor.

The polynomials are minimax ones (Remez 1934), computed for this in 60 digits.
"""

from __future__ import annotations

from math import e, log2

from elman.engines.compiled.machine.vectors import Vector, fma, where
from elman.equations import functions as of_cells

# By the bits of a number: those of its fraction, and the exponent's bias.
FRACTION = {32: 23, 64: 52}
BIAS = {32: 127, 64: 1023}
ROOT_HALF = {32: 0x3F3504F3, 64: 0x3FE6A09E667F3BCD}  # the bits of √½

# ln 2 in two parts; the first has so few digits that small integers times it are exact.
LN2 = {
    32: (0.693145751953125, 1.428606765330187e-06),
    64: (0.6931471803691238, 1.9082149292705877e-10),
}

# (eʳ - 1 - r) / r² for |r| ≤ ln 2 / 2, lowest power first
EXP = {
    32: (0.5, 0.1666666716337204, 0.041666463017463684, 0.00833328627049923,
         0.0013933732407167554, 0.00019907706882804632),
    64: (0.5, 0.1666666666666667, 0.041666666666666685, 0.008333333333326082,
         0.001388888888887429, 0.0001984126987500362, 2.480158734759457e-05,
         2.7557255168527872e-06, 2.7557252666766586e-07, 2.5105313270465117e-08,
         2.0921672175783633e-09),
}  # fmt: skip

# (ln((1 + t) / (1 - t)) - 2 t) / t³ in powers of t², for |t| ≤ (√2 - 1) / (√2 + 1)
LOG = {
    32: (0.6666666865348816, 0.4000012278556824, 0.2855069935321808, 0.23333418369293213),
    64: (0.6666666666666666, 0.4000000000000089, 0.28571428570794755, 0.22222222393605787,
         0.18181795448122962, 0.15386249686573528, 0.1326851619147963, 0.13089219771160177),
}  # fmt: skip

# Where exp has become 0 and infinite, and tanh 1, to the last digit.
EXP_RANGE = {32: (-104.0, 89.0), 64: (-746.0, 710.0)}
TANH_IS_ONE = {32: 10.0, 64: 20.0}

# Smaller errors vanish, lest they become denormal: with such numbers, some processors take a
# hundred times as long.
SMALLEST_ERROR = {32: 2.0**-110, 64: 2.0**-1000}


def polynomial(coefficients: tuple[float, ...], x: Vector) -> Vector:
    """Σ_k c_k xᵏ, by Horner's rule."""
    result = x.constant(coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        result = fma(result, x, coefficient)
    return result


def power_of_two(n: Vector) -> Vector:
    """2ⁿ of whole numbers n, as long as neither 0 nor infinity comes of it."""
    shift = 1.5 * 2 ** FRACTION[n.bits]  # adding it leaves n as an integer in the lowest bits
    bits, constant = (n + (shift + BIAS[n.bits])).integers
    return n.of_bits(n.builder.shl(bits, constant(FRACTION[n.bits])))


def reduce(x: Vector) -> tuple[Vector, Vector]:
    """Split x into n ln 2 + r with a whole n and |r| ≤ ln 2 / 2."""
    n = (x * log2(e)).call("llvm.rint")
    high, low = LN2[x.bits]
    return n, fma(n, -low, fma(n, -high, x))


def expm1_of_reduced(r: Vector) -> Vector:
    """eʳ - 1 for |r| ≤ ln 2 / 2."""
    return fma(r * r, polynomial(EXP[r.bits], r), r)


def exp(x: Vector) -> Vector:
    """eˣ = 2ⁿ eʳ."""
    lowest, highest = EXP_RANGE[x.bits]
    x = where("<", x, lowest, lowest, where(">", x, highest, highest, x))  # NaN stays
    n, r = reduce(x)
    half = (n * 0.5).call("llvm.floor")  # 2ⁿ itself may be out of range where eˣ is not
    return (expm1_of_reduced(r) + 1.0) * power_of_two(half) * power_of_two(n - half)


def tanh(x: Vector) -> Vector:
    """Tanh x = m / (m + 2) with m = e²ˣ - 1, for |x|; the sign comes back at the end.

    Where x is small the quotient's rounding would show: there it is x + (m - 2 x - x m) / (m + 2).
    """
    size = abs(x)
    size = where(">", size, TANH_IS_ONE[x.bits], TANH_IS_ONE[x.bits], size)
    n, r = reduce(size * 2.0)
    scale = power_of_two(n)
    m = fma(scale, expm1_of_reduced(r), scale - 1.0)
    numerator = where("<", n, 2.0, fma(-size, m, m - size * 2.0), m)
    offset = where("<", n, 2.0, size, n.constant(0.0))
    return (numerator / (m + 2.0) + offset).call("llvm.copysign", x)


def log(x: Vector) -> Vector:
    """Ln x = n ln 2 + ln f with √½ ≤ f < √2, for normal positive x."""
    bits, constant = x.integers
    fraction = constant(FRACTION[x.bits])
    n = x.builder.ashr(x.builder.sub(bits, constant(ROOT_HALF[x.bits])), fraction)
    f = x.of_bits(x.builder.sub(bits, x.builder.shl(n, fraction)))
    n = Vector(x.builder, x.builder.sitofp(n, x.value.type))
    t = (f - 1.0) / (f + 1.0)
    of_f = fma(t * t * t, polynomial(LOG[x.bits], t * t), t * 2.0)
    high, low = LN2[x.bits]
    return fma(n, high, fma(n, low, of_f)) + (x - x)  # NaN stays


def without_tiny(error: Vector) -> Vector:
    """The error, and zero for what is too small to tell from it."""
    return where("<", abs(error), SMALLEST_ERROR[error.bits], 0.0, error)


of_cells.exp.register(Vector, exp)
of_cells.tanh.register(Vector, tanh)
