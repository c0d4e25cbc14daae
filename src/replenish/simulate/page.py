"""The comparison of policies as text: rows for a terminal and the generated part of `docs/policies.md`."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from replenish.errors import ConfigError
from replenish.simulate.accounts import EVENTS, FIGURES
from replenish.simulate.world import worlds_in_words

if TYPE_CHECKING:
    import pandas as pd

    from replenish.simulate.comparison import Comparison

HEADINGS = (
    "world", "policy", "profit a day", "over practice", "of clairvoyant", "promised off", "expected off", "waste",
    "fill", "at 18:00", "margin", "price index", "worst days", "items",
)  # fmt: skip
RECOVERY_HEADINGS = ("world", "policy", "week", "profit a day", "over practice", "of clairvoyant", "promised off")
WEEKS = ("before", "first", "second", "third")
Row = Mapping[Hashable, Any]
BEGIN, END = "<!-- generated: what follows is overwritten -->", "<!-- generated: end -->"


def printed_rows(summary: pd.DataFrame) -> list[tuple[str, ...]]:
    """One row of text per world and policy, as headed by `HEADINGS`; empty where a figure is not known."""
    return [_printed(row) for row in summary.to_dict("records")]


def _printed(row: Row) -> tuple[str, ...]:
    return (
        str(row["world"]),
        str(row["policy"]),
        f"{row['profit']:,.0f}",
        _between(row, "gain", "{:+,.0f}"),
        _between(row, "of_clairvoyant", "{:.0%}"),
        _known(row["promised_off"], "{:+.1%}"),
        _known(row["expected_off"], "{:+.1%}"),
        f"{row['waste']:.1%}",
        f"{row['fill']:.1%}",
        f"{row['available_18']:.1%}",
        f"{row['margin']:.1%}",
        f"{row['price_index']:.3f}",
        f"{row['worst_days']:,.0f}",
        f"{row['items']:.1f}",
    )


def _known(value: float, form: str) -> str:
    return form.format(value) if value == value else ""


def _between(row: Row, name: str, form: str) -> str:
    """Value and its interval, as far as they are known."""
    value, low, high = (row[k] for k in (name, f"{name}_low", f"{name}_high"))
    if value != value:
        return ""
    return form.format(value) + (f" ({form.format(low)} … {form.format(high)})" if low == low else "")


def recovery_rows(recovery: pd.DataFrame) -> list[tuple[str, ...]]:
    """One row of text per world, policy and week around its event, as headed by `RECOVERY_HEADINGS`."""
    if recovery.empty:
        return []
    ordered = recovery.sort_values(["world", "policy", "week"], kind="stable")
    return [
        (
            str(row["world"]),
            str(row["policy"]),
            WEEKS[row["week"]],
            f"{row['profit']:,.0f}",
            _between(row, "gain", "{:+,.0f}"),
            _known(row["of_clairvoyant"], "{:.0%}"),
            _known(row["promised_off"], "{:+.1%}"),
        )
        for row in ordered.to_dict("records")
    ]


def kept_page(old: str | None, title: str, generated: str) -> str:
    """The page with its generated part replaced; what is written by hand outside the marks stays.

    `old`: the page as it is, None when there is none yet. Raises `ConfigError` when it lacks the marks: nothing written
    by hand is ever overwritten.
    """
    block = f"{BEGIN}\n\n{generated.strip()}\n\n{END}"
    if old is None:
        return f"# {title}\n\n{block}\n"
    if old.count(BEGIN) != 1 or old.count(END) != 1 or old.index(END) < old.index(BEGIN):
        raise ConfigError(
            f"The page exists and does not say which part of it is generated. Put “{BEGIN}” and “{END}” on two lines "
            "where the tables belong, or choose another file."
        )
    before, rest = old.split(BEGIN)
    return before + block + rest.split(END)[1]


def policies_page(found: Comparison, chart: str = "") -> str:
    """The generated part of the page on which policies are compared, in Markdown; `chart`: file of the frontier."""
    asked = found.arguments
    command = (
        f"replenish simulate --worlds {','.join(asked['worlds'])} --policies {','.join(asked['policies'])} "
        f"--days {asked['days']} --seeds {asked['seeds']} --seed {asked['seed']} --output docs/policies.md"
    )
    if asked["known"] != ["times", "stock"]:
        command += f" --known {','.join(asked['known'])}"
    parts = [INTRODUCTION.format(command=command, seeds=asked["seeds"], days=asked["days"])]
    worlds = [w for w in found.summary["world"].unique() if w != "all"]
    for world in ["all", *worlds]:
        rows = found.summary[found.summary["world"] == world]
        title = f"All {len(worlds)} worlds" if world == "all" else f"World “{world}”"
        parts += [f"## {title}", markdown(HEADINGS[1:], [row[1:] for row in printed_rows(rows)])]
        if world == "all" and chart:
            parts += [f"[Profit against waste and fill]({chart}) draws the frontier."]
    if len(found.split):
        parts += ["## Where the gain comes from", SPLIT_TEXT, _split_table(found.split)]
    if len(found.recovery):
        events = {world: EVENTS[world] for world in found.recovery["world"].unique()}
        told = [f"- {world} (day {day}): {what}." for world, (day, what) in events.items()]
        parts += ["## Before and after what breaks a world", RECOVERY_TEXT, "\n".join(told)]
        parts += [markdown(RECOVERY_HEADINGS, recovery_rows(found.recovery), names=3)]
    parts += ["## Worlds", worlds_in_words(worlds)]
    parts += ["## Columns", "\n".join(f"- {name}: {meaning}." for name, meaning in FIGURES.items())]
    return "\n\n".join(parts) + "\n"


def _split_table(split: pd.DataFrame) -> str:
    names = ("price", "assortment", "order")
    rows = [
        (str(row["policy"]), *(_between(row, name, "{:+,.0f}") for name in names)) for row in split.to_dict("records")
    ]
    return markdown(("policy", *names), rows)


def markdown(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]], names: int = 1) -> str:
    """A Markdown table whose first `names` columns are words, the others figures."""
    rule = tuple("---" if k < names else "---:" for k in range(len(headings)))
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [headings, rule, *rows])


INTRODUCTION = """This part is generated by

```
{command}
```

Every policy runs the same simulated shop ([docs/simulated-shop.md](simulated-shop.md)) for {days} days after a year of
practice, with {seeds} seed(s) a world. In the evening it sees the tables up to that evening and tomorrow's supply list
at today's wholesale prices; then the market plays the day and the books are kept. All policies of a world and seed meet
the same shoppers, wholesale prices and past, so that gains are paired. Money is a day's; intervals are 95 %, over
seeds."""

SPLIT_TEXT = """Practice's own orders are played again at the policy's prices (price), then with the policy's listing
too (assortment); the rest is the order."""

RECOVERY_TEXT = """Weeks are counted from the day of the event; “before” is the week that ends on the day before it."""
