"""Fixed-effects regressions: what pyfixest estimates of the same data, all from columns demeaned once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyfixest
import pytest

from replenish.pricing.fixed_effects import within

COLUMNS = ("y", "x", "z")


@pytest.fixture(scope="module")
def panel() -> pd.DataFrame:
    """Twelve items over ten weeks, a third of the days missing; price follows demand, cost moves price."""
    rng = np.random.default_rng(4)
    day = np.tile(np.arange(70), 12)
    item = np.repeat(np.arange(12), 70)
    shock, cost = rng.normal(0, 0.3, 840), rng.normal(0, 0.2, 840) + 0.1 * np.sin(day / 9 + item)
    price = 0.6 * cost + 0.4 * shock + rng.normal(0, 0.05, 840)
    rows = pd.DataFrame({"y": 3 - 1.5 * price + shock + 0.2 * (day % 7 > 4), "x": price, "z": cost})
    names = {"item": item, "day": day, "weekday": day % 7, "month": item * 3 + day // 30, "week": day // 7}
    rows = rows.assign(**{name: pd.Series(number).astype("str") for name, number in names.items()})
    return rows[rng.random(840) < 0.67].reset_index(drop=True)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("effects", "clusters"),
    [(["item", "day"], ["item", "day"]), (["month", "day"], ["item", "day"]), (["weekday", "item"], ["week", "day"]),
     (["day", "month"], ["day"]), (["weekday", "month"], ["week"])],
)  # fmt: skip
def test_coefficients_and_errors_are_those_of_pyfixest(panel, effects, clusters):
    """Effects nested in clusters or not, one way of clusters or two; instrumented, least squares, first stage."""
    cleared, absorbed = within(panel, COLUMNS, effects, clusters), " + ".join(effects)
    asked = {
        f"y ~ 1 | {absorbed} | x ~ z": ("y", "x", "z"), f"y ~ x | {absorbed}": ("y", "x"),
        f"x ~ z | {absorbed}": ("x", "z"),
    }  # fmt: skip
    for formula, terms in asked.items():
        fit = pyfixest.feols(formula, data=panel, vcov={"CRV1": "+".join(clusters)}, fixef_tol=1e-12)
        expected = fit.coef()[terms[1]], fit.se()[terms[1]]
        assert cleared.coefficient(*terms) == pytest.approx(expected, rel=1e-7)


def test_what_does_not_vary_within_the_effects_is_not_estimated(panel):
    constant = panel.assign(x=panel["item"].astype(float), z=panel["day"].astype(float))
    cleared = within(constant, COLUMNS, ["item", "day"], ["item", "day"])
    for terms in (("y", "x"), ("x", "y"), ("y", "x", "z")):
        assert np.isnan(cleared.coefficient(*terms)).all()
    assert np.isnan(within(panel[:20], COLUMNS, ["item", "day"], ["item"]).coefficient("y", "x")).all(), "too few rows"
    one = within(panel.assign(item="A"), COLUMNS, ["weekday"], ["item"])
    assert np.isnan(one.coefficient("y", "x")).all(), "a single cluster has no error"
