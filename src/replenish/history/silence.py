"""The silence after a day's last sale: how likely it is without a stock-out, and how much would still have come.

A day's transactions come at a rate r ~ Gamma(a, b), what the item's usual days tell. By the time of the last sale the
share G of the day has passed, G ~ Beta(sF, s(1 − F)) around the usual share F: shoppers come in clusters, and days
differ in their rhythm. The smaller the concentration s, the more; s = ∞ is independent arrivals (gamma–Poisson).
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

Array = NDArray[np.float64]

CONCENTRATIONS = (np.inf, 400.0, 200.0, 100.0, 60.0, 40.0, 25.0, 15.0, 10.0, 7.0, 5.0, 4.0, 3.0)
# Chances of ordinary days are uniform. Those of sold-out days are mostly small: only the days above ¼ are compared.
BULK, MIDDLE = 0.25, 0.5
UNEVEN = 1.03  # chance may put a little more of them below the middle
MIN_BULK_DAYS = 200
LEAST_SHARE = 1e-6
PRECISION = 1e-10
CHECK_TERMS = 16  # a series is looked at for its end every so many terms


def silence(shape: Array, rate: Array, n: Array, share: Array, concentration: float) -> Array:
    """Chance that nothing came after the n-th sale.

    Prior Gamma(`shape` a, `rate` b), usual share F, all of one length. With x = 1 ÷ (b + 1), R = 1 − F and Gauss's
    hypergeometric function, integrating the day's rate and rhythm out given the n sales so far:

        P(silence | n) = 1 ÷ ₂F₁(a + n, sR; s + n; x)

    and for s = ∞ ((b + F) ÷ (b + 1))^(a + n).
    """
    seen = np.clip(share, LEAST_SHARE, 1.0)
    known = shape + n
    if np.isinf(concentration):
        return np.asarray(np.power((rate + seen) / (rate + 1.0), known))
    return 1.0 / hypergeometric(known, concentration * (1.0 - seen), concentration + n, 1.0 / (rate + 1.0))


def still_to_come(shape: Array, rate: Array, n: Array, share: Array, concentration: float, quiet: Array) -> Array:
    """Transactions to be expected after the n-th sale, had stock lasted; `quiet`: the chance of `silence`.

        E[to come | n] = (a + n) ÷ (b + 1) · sR ÷ (s + n) · ₂F₁(a + n + 1, sR + 1; s + n + 1; x) · P(silence | n)

    and for s = ∞ (a + n)R ÷ (b + F); terms as in `silence`.
    """
    seen = np.clip(share, LEAST_SHARE, 1.0)
    rest, known = 1.0 - seen, shape + n
    if np.isinf(concentration):
        return np.asarray(known * rest / (rate + seen))
    s, x = concentration, 1.0 / (rate + 1.0)
    following = hypergeometric(known + 1.0, s * rest + 1.0, s + n + 1.0, x)
    return np.asarray(known * x * s * rest / (s + n) * following * quiet)


def hypergeometric(a: Array, b: Array, c: Array, x: Array) -> Array:
    """₂F₁(a, b; c; x) for positive a, b, c and 0 ≤ x < 1 by its series of positive terms, to 10 digits.

    (SciPy's `hyp2f1` gives infinity or nonsense for a above a few hundred with x near 1.)
    """
    total, term, at, k = np.ones_like(a), np.ones_like(a), np.arange(len(a)), 0
    while len(at):
        part, factor = np.zeros_like(term), np.empty_like(term)
        for j in range(k, k + CHECK_TERMS):
            term *= np.add(a, j, out=factor)
            term *= np.add(b, j, out=factor)
            term /= np.add(c, j, out=factor)
            term *= np.divide(x, j + 1, out=factor)
            part += term
        total[at] += part
        k += CHECK_TERMS
        on = term > PRECISION * total[at]
        at, a, b, c, x, term = at[on], a[on], b[on], c[on], x[on], term[on]
    return total


def silence_chance(share: NDArray[np.float64], n: NDArray[np.float64], concentration: float) -> NDArray[np.float64]:
    """Chance that all n sales of an ordinary day fall before the time by which `share` F of a usual day's do.

    F(t)^n for independent arrivals; with clustered ones F varies from day to day like Beta(sF, s(1 − F)) with the
    concentration s, which gives Γ(sF + n) Γ(s) ÷ (Γ(sF) Γ(s + n)) (beta-binomial).
    """
    part = np.clip(share, 1e-9, 1.0)
    if np.isinf(concentration):
        return np.asarray(np.power(part, n))
    a = concentration * part
    log_chance = gammaln(a + n) - gammaln(a) - gammaln(concentration + n) + gammaln(concentration)
    return np.asarray(np.exp(np.minimum(log_chance, 0.0)))


def arrival_concentration(share: NDArray[np.float64], n: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    """Largest concentration with which ordinary days look ordinary, judged where stock-outs hardly reach.

    Of the days with a chance above ¼ two thirds should lie above ½; with too large a concentration fewer do. `weight`:
    chance that the day is an ordinary one. Independent arrivals with too few days to tell.
    """
    if weight.sum() < MIN_BULK_DAYS:
        return CONCENTRATIONS[0]

    def is_even(concentration: float) -> bool:
        chance = silence_chance(share, n, concentration)
        upper = chance > BULK
        below = weight[upper & (chance <= MIDDLE)].sum()
        return bool(below <= UNEVEN * (MIDDLE - BULK) / (1 - BULK) * weight[upper].sum())

    return CONCENTRATIONS[min(bisect_left(CONCENTRATIONS, True, key=is_even), len(CONCENTRATIONS) - 1)]
