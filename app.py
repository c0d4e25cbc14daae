"""The planner's dashboard: see tomorrow's plan with its reasons, lock or change lines, solve again, approve, download.

It shows what the library computes and computes nothing itself. Start it with `replenish dashboard` or
`streamlit run app.py`; `REPLENISH_DATA` names the folder that is opened first.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pandas as pd
import streamlit as st

import replenish as rp
from replenish import locks, plots
from replenish.errors import ReplenishError, StorageError
from replenish.records import DemandHistory, Override, Plan, Run, Tables
from replenish.settings import Settings
from replenish.store.database import RunStore
from replenish.units import quantity_text

DEFAULT_FOLDER = os.environ.get("REPLENISH_DATA", "data/demo")
FITTING_TIME_LIMIT_S = 900.0
PLANNING_TIME_LIMIT_S = 900.0
SIDEBAR_WIDTH = 260  # px
LEAST_CARD_WIDTH = 9  # characters: the longest label, and “optimal” in the larger type of values
# Streamlit's wide layout leaves 80 px on either side; the table of reasons needs them.
NARROW_MARGINS = "<style>.stMainBlockContainer {padding: 3rem 2rem 2rem}</style>"
# The limits a planner may change for the day: label and help by setting of the section `rules`.
LIMITS: dict[str, tuple[str, str]] = {
    "n_min": ("Least items", "least number of listed items"),
    "n_max": ("Most items", "shelf places; empty: no limit"),
    "cover": ("Cover", "share of each category's demand value to be served"),
    "price_index_cap": ("Price index", "a category's price index may rise by this share; empty: no rule"),
    "budget": ("Budget", "most money for the order of the day; empty: no limit"),
    "shelf_space": ("Shelf space", "space of the listed items together; empty: no limit"),
    "max_price_changes": ("Price changes", "most items with a new price; empty: no limit"),
    "min_supplier_order": ("Least per supplier", "least money for a supplier of whom anything is ordered"),
    "risk_weight": ("Weight on bad days", "0: mean profit alone; nearer 1: the mean of the worst days counts more"),
}
WHOLE = ("n_min", "n_max", "max_price_changes")
WHY_WIDTH = 300  # px of the column of reasons
WHY_CHARACTERS = 43  # of a line in it, on average
LINE_HEIGHT, ROW_PADDING = 21, 14  # px
MIME = {"csv": "text/csv", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}


# ---------------------------------------------------------------- what is chosen, and the library, cached


@dataclass(frozen=True)
class Choice:
    """What the planner looks at: a store and day of a data folder, under its settings; `limits`: these settings with
    the limits the planner has set for the day."""

    folder: str
    tables: Tables
    settings: Settings
    store: str
    day: date
    limits: Settings

    @property
    def as_of(self) -> pd.Timestamp:
        """The evening up to which everything is known."""
        return rp.evening_before(self.tables, self.store, self.day, self.settings)

    @property
    def locks_key(self) -> str:
        """Where the session keeps the locks of this store and day."""
        return f"locks {self.folder} {self.store} {self.day}"

    @property
    def identity(self) -> str:
        """Everything models and forecasts depend on, short enough to hash."""
        return "|".join([self.tables.fingerprint, self.store, str(self.day), self.settings.model_dump_json()])


def limits_key(folder: str, store: str, day: date) -> str:
    """Where the session keeps the limits set for this store and day."""
    return f"limits {folder} {store} {day}"


BY_IDENTITY: dict[str | type, Callable[[Any], Any]] = {Choice: lambda choice: choice.identity}
BY_LIMITS: dict[str | type, Callable[[Any], Any]] = {
    Choice: lambda choice: choice.identity + choice.limits.model_dump_json()
}


@st.cache_resource(max_entries=2, show_spinner="Reading the tables …")
def read_tables(folder: str) -> Tables:
    """The checked tables of a folder."""
    return rp.load_tables(folder)


@st.cache_resource(max_entries=4)
def open_runs(url: str) -> RunStore:
    """The database of runs."""
    return rp.open_store(url)


@st.cache_resource(max_entries=8, show_spinner="Fitting the models (once a day) …", hash_funcs=BY_IDENTITY)
def fitted_models(choice: Choice) -> Any:
    """The models fitted on what was known."""
    arguments = (choice.tables, choice.as_of, choice.settings, choice.store)
    return rp.in_worker_process(rp.kept_models, *arguments, timeout_s=FITTING_TIME_LIMIT_S)


@st.cache_resource(max_entries=2, hash_funcs=BY_IDENTITY)
def planning_session(choice: Choice, _models: Any) -> Any:
    """The forecasts of the day, kept in a process of their own that solves again when locks or limits change."""
    own = choice.tables.for_store(choice.store)
    return rp.WorkerProcess(rp.PlanningSession, own, choice.as_of, 1, choice.settings, _models)


@st.cache_data(max_entries=32, show_spinner="Solving …", hash_funcs=BY_LIMITS)
def solved_plan(choice: Choice, overrides: tuple[Override, ...], _models: Any) -> Plan:
    """The plan of the day with the planner's locks and limits."""
    session = planning_session(choice, _models)
    plan: Plan = session.call("plan", overrides, choice.limits, timeout_s=PLANNING_TIME_LIMIT_S)
    return plan


@st.cache_data(max_entries=8, show_spinner="Solving the day again for every rule …", hash_funcs=BY_LIMITS)
def rule_values(choice: Choice, overrides: tuple[Override, ...], _models: Any) -> pd.DataFrame:
    """What one step of every rule is worth."""
    session = planning_session(choice, _models)
    table: pd.DataFrame = session.call("rule_values", overrides, choice.limits, timeout_s=PLANNING_TIME_LIMIT_S)
    return table


@st.cache_data(max_entries=32, show_spinner="Solving the day again for every step …", hash_funcs=BY_LIMITS)
def line_values(choice: Choice, item: str, overrides: tuple[Override, ...], _models: Any) -> pd.DataFrame:
    """What other prices and orders of one item would cost."""
    session = planning_session(choice, _models)
    asked = ((item,), overrides, choice.limits)
    table: pd.DataFrame = session.call("line_values", *asked, timeout_s=PLANNING_TIME_LIMIT_S)
    return table


@st.cache_resource(max_entries=4, show_spinner="Reading the items' past …", hash_funcs=BY_IDENTITY)
def demand_history(choice: Choice) -> DemandHistory:
    """The cleaned past of the store."""
    return rp.build_history(choice.tables, choice.as_of, choice.settings, choice.store)


# ---------------------------------------------------------------- page


def main() -> None:
    """Draw the page; an error meant for people is shown as a message."""
    st.set_page_config(
        page_title="replenish", page_icon=":material/eco:", layout="wide", initial_sidebar_state=SIDEBAR_WIDTH
    )
    st.html(NARROW_MARGINS)
    try:
        dashboard()
    except ReplenishError as error:
        show_error(error)


def show_error(error: ReplenishError) -> None:
    """The message of an error, line by line, without a traceback."""
    st.error(str(error).replace("\n", "  \n"), icon=":material/error:")


def dashboard() -> None:
    """Choose data, store and day; then the plan in four tabs."""
    choice = choose()
    plan = solved_plan(choice, st.session_state.get(choice.locks_key, ()), fitted_models(choice))
    run = keep(plan, choice)
    show_header(plan, run, choice)
    show_figures(plan.summary, choice.settings.shop.currency)
    show_tabs(plan, choice)


def choose() -> Choice:
    """The sidebar: data folder, store, day, and where the numbers come from."""
    with st.sidebar:
        st.title(":material/eco: replenish")
        folder = st.text_input("Data folder", DEFAULT_FOLDER, help="Canonical tables as CSV or Parquet")
        tables = read_tables(folder)
        settings = rp.load_settings(data=folder)
        store = st.selectbox("Store", tables.stores)
        first, last = rp.plannable_days(tables, store, settings)
        day = st.date_input("Day to plan", last, min_value=first, max_value=last, format="YYYY-MM-DD")
        show_sources(tables, settings)
    limits = st.session_state.get(limits_key(folder, store, day), {})
    return Choice(folder, tables, settings, store, day, settings.override(**limits))


def show_sources(tables: Tables, settings: Settings) -> None:
    """Where the numbers come from, and a button that reads the folder again."""
    sales = tables.daily_sales["date"]
    st.caption(f"Sales from {sales.min():%Y-%m-%d} to {sales.max():%Y-%m-%d}, {len(tables.items)} items.")
    st.caption(f"Runs are kept in `{settings.storage.database.rsplit('@')[-1]}`.")
    if st.button("Read the data again", width="stretch"):
        st.cache_resource.clear()
        st.cache_data.clear()
        st.rerun()


def keep(plan: Plan, choice: Choice) -> Run | None:
    """Store the run; a plan that cannot be stored is still shown, with a warning."""
    try:
        return open_runs(choice.settings.storage.database).save(plan)
    except StorageError as error:
        st.warning(f"The plan is shown but not stored. {error}", icon=":material/save:")
        return None


def show_header(plan: Plan, run: Run | None, choice: Choice) -> None:
    """Title, identity of the run, approval and downloads."""
    title, actions = st.columns(2, vertical_alignment="bottom")
    with title:
        st.header(f"Order for {choice.day:%A}, {choice.day.day} {choice.day:%B %Y}", anchor=False)
        identity = f"run `{run.run_id}` · " if run else ""
        count = len(plan.overrides)
        locked = f"{count} lock{'' if count == 1 else 's'}"
        st.caption(f"{identity}store {plan.store} · known up to {choice.as_of:%Y-%m-%d} · {locked}")
    with actions, st.container(horizontal=True, horizontal_alignment="right"):
        if run is not None:
            approve(run, open_runs(choice.settings.storage.database))
        for file_format, mime in MIME.items():
            st.download_button(
                f"Order {file_format.upper()}",
                rp.order_bytes(plan, file_format),
                file_name=rp.order_name(plan.store, choice.day, file_format),
                mime=mime,
                icon=":material/download:",
                on_click="ignore",
            )


def approve(run: Run, runs: RunStore) -> None:
    """A small form in which somebody takes responsibility for the order."""
    given = runs.approvals(run.run_id)
    label = f"Approved by {given['author'].iloc[-1]}" if len(given) else "Approve"
    with st.popover(label, icon=":material/check:", type="secondary" if len(given) else "primary"):
        with st.form("approval", border=False):
            author = st.text_input("Your name", key="approver")
            note = st.text_input("Note", key="approval_note")
            sent = st.form_submit_button("Approve this order", type="primary")
        if sent and not author.strip():
            st.error("An approval needs a name.")
        elif sent:
            runs.approve(run.run_id, author.strip(), note.strip())
            st.rerun()


def show_figures(summary: dict[str, Any], currency: str) -> None:
    """The plan's key figures; those the summary lacks are left out."""
    cards = figure_cards(summary, currency)
    widths = [max(len(value), LEAST_CARD_WIDTH) for _, value, _, _ in cards]
    for column, (label, value, note, tip) in zip(st.columns(widths, gap="xsmall"), cards, strict=True):
        column.metric(label, value, note or None, delta_color="off", delta_arrow="off", help=tip, border=True)
    for note in summary.get("notes", []):
        st.caption(f":material/info: {note}")


def figure_cards(s: dict[str, Any], currency: str) -> list[tuple[str, str, str, str]]:
    """Label, value, small note and explanation of each card."""
    cards = []
    if s.get("expected") is not None:
        error = f"± {s['expected_se']:,.0f}" if s.get("expected_se") is not None else ""
        tip = f"Expected profit, {currency}, on fresh scenarios the plan never saw; ± is the standard error."
        cards.append(("Profit", f"{s['expected']:,.0f}", error, tip))
    if s.get("range_80") is not None:
        low, high = s["range_80"]
        tip = "The day's profit lies in this range on 8 days of 10."
        cards.append(("8 days of 10", f"{low:,.0f}", f"to {high:,.0f}", tip))
    if s.get("baseline"):
        base = s["baseline"]
        low, high = base["gain_interval"]
        tip = f"Gain over {base['name']} on the same scenarios, with its interval."
        cards.append(("Gain", f"{base['gain']:,.0f}", f"{low:,.0f} to {high:,.0f}", tip))
    if s.get("items_listed") is not None:
        cards.append(
            ("Listed", f"{s['items_listed']}", f"of {s.get('candidates', '–')}", "Items on the shelf, of candidates.")
        )
    if s.get("order_cost") is not None:
        waste = f"waste {s['waste_value']:,.0f} {currency}" if s.get("waste_value") is not None else ""
        cards.append(("Order cost", f"{s['order_cost']:,.0f}", waste, f"{currency}, at expected purchase prices."))
    if s.get("status"):
        gap = f"gap {s['gap']:.2%}" if s.get("gap") is not None else ""
        tip = f"{s.get('solver', 'Solver')}: how far the best possible plan can still be, at most."
        cards.append(("Solver", str(s["status"]), gap, tip))
    return cards


def show_tabs(plan: Plan, choice: Choice) -> None:
    """The tabs; only the open one is drawn."""
    for tab, draw in zip(st.tabs(list(TABS), key="tab", on_change="rerun"), TABS.values(), strict=True):
        if tab.open:
            with tab:
                draw(plan, choice)


# ---------------------------------------------------------------- tabs


def show_lines(plan: Plan, choice: Choice) -> None:
    """The listed items with their reasons, and below the candidates left out."""
    currency, number = choice.settings.shop.currency, st.column_config.NumberColumn
    config: dict[str, Any] = {
        "item_name": st.column_config.TextColumn("Item", pinned=True, width=130),
        "category": st.column_config.TextColumn("Category", width=95),
        "order_quantity": number("Order", format="%.4g", width=50, help="quantity to buy, before loss"),
        "unit": st.column_config.TextColumn("Unit", width=45),
        "price": number(f"Price [{currency}]", format="%.2f", width=85),
        "reference_price": number("Was", format="%.2f", width=50, help="last full price"),
        "expected_sales": number("Sales", format="%.1f", width=50, help="expected, at full price"),
        "expected_waste": number("Waste", format="%.1f", width=50, help="expected unsold quantity"),
        "expected_profit": number(f"Profit [{currency}]", format="%.1f", width=85),
        "sell_out_probability": st.column_config.ProgressColumn(
            "Sells out", format="percent", min_value=0, max_value=1, color="#1B6E53", width=100
        ),
        "reason": st.column_config.TextColumn("Why", width=WHY_WIDTH),
    }
    st.dataframe(
        plan.lines.round({"sell_out_probability": 2}),
        column_order=list(config),
        column_config=config,
        hide_index=True,
        height=720,
        row_height=row_height(plan.lines["reason"]),
    )
    if len(plan.candidates):
        with st.expander(f"{len(plan.candidates)} candidates are not listed"):
            names: dict[str, Any] = {"item_name": "Item", "category": "Category", "reason": "Why not"}
            st.dataframe(plan.candidates, column_order=list(names), column_config=names, hide_index=True)


def row_height(reasons: pd.Series) -> int:
    """Height of rows in which the longest reason is not cut [px]; text wraps in rows of more than one line."""
    longest = int(reasons.str.len().max()) if len(reasons) else 0
    return LINE_HEIGHT * math.ceil(max(longest, 1) / WHY_CHARACTERS) + ROW_PADDING


def show_cover_and_rules(plan: Plan, choice: Choice) -> None:
    """Cover and profit per category, the rules that bind, and the plan beside its baseline."""
    currency = choice.settings.shop.currency
    left, right = st.columns(2)
    left.plotly_chart(plots.cover_chart(plan.cover))
    right.plotly_chart(plots.plan_overview(plan.lines, currency))
    rules = pd.DataFrame(plan.summary.get("rules", []), columns=["rule", "binding", "value", "limit", "note"])
    if len(rules):
        st.subheader("Rules", anchor=False)
        names: dict[str, Any] = {
            "rule": "Rule",
            "binding": "Binds",
            "value": "Plan",
            "limit": "Limit",
            "note": "Note",
        }
        st.dataframe(rules.sort_values("binding", ascending=False), column_config=names, hide_index=True)
    if st.button("What is one step of each rule worth?", icon=":material/price_check:"):
        show_rule_values(plan, choice)
    left, right = st.columns(2)
    left.plotly_chart(plots.compare_chart(plan.summary, currency))
    right.plotly_chart(plots.sell_out_chart(plan.lines))


def show_rule_values(plan: Plan, choice: Choice) -> None:
    """Every rule loosened by one step and the day solved again."""
    show_steps(rule_values(choice, plan.overrides, fitted_models(choice)))


def show_steps(table: pd.DataFrame) -> None:
    """Steps away from the plan and what each changes."""
    st.caption(
        "For every step the day is solved again, so that other lines, cover and prices follow. The reason of a line "
        "tells what it is worth by itself, all else kept: the two are not the same."
    )
    number = st.column_config.NumberColumn
    config: dict[str, Any] = {
        "step": "Step",
        "item_name": "Item",
        "change": number("Change a day", format="%+.1f", help="of the objective, with the plan's transfers"),
        "low": number("At least", format="%+.1f", help="by the proven bounds of both plans"),
        "high": number("At most", format="%+.1f"),
        "verdict": "Verdict",
    }
    st.dataframe(table, column_order=list(config), column_config=config, hide_index=True)


def show_item(plan: Plan, choice: Choice) -> None:
    """Demand and price curve of one item, and why its line is what it is."""
    currency = choice.settings.shop.currency
    forecast = plan.forecast.sort_values(["listed", "category"], ascending=[False, True])
    names = dict(zip(forecast["item_code"], forecast["item_name"], strict=True))
    code = st.selectbox("Item", list(names), format_func=lambda c: names[c], key="item")
    for row in plan.lines[plan.lines["item_code"] == code].to_dict("records"):
        order, price = quantity_text(row["order_quantity"], row["unit"]), f"{row['price']:.2f} {currency}"
        st.markdown(f"**Order {order} at {price}.** {row['reason']}")
    for row in plan.candidates[plan.candidates["item_code"] == code].to_dict("records"):
        st.markdown(f"**Not listed.** {row['reason']}")
    history = demand_history(choice).panel
    mine = forecast[forecast["item_code"] == code]
    left, right = st.columns(2)
    left.plotly_chart(plots.demand_fan(history[history["item_code"] == code], mine))
    curve = plan.price_curve[plan.price_curve["item_code"] == code]
    if len(curve):
        unit = str(mine["unit"].iloc[0])
        right.plotly_chart(plots.price_curve_chart(curve, names[code], unit, currency))
    else:
        right.info("No price is considered for this item; the plan says why it is not listed.")
    listed = code in set(plan.lines["item_code"])
    if listed and st.button("What would another price or order cost?", icon=":material/price_check:"):
        show_steps(line_values(choice, code, plan.overrides, fitted_models(choice)))


def show_price_response(plan: Plan, choice: Choice) -> None:
    """How demand answers to price and to missing items, how it was found out, and how much of it is prior."""
    response = fitted_models(choice).price_response
    table = rp.response_table(response)
    table = table[table["category"].isin(plan.forecast["category"])]
    st.plotly_chart(plots.price_response_chart(table))
    number = st.column_config.NumberColumn
    config: dict[str, Any] = {
        "category": "Category",
        "elasticity": number("Used", format="%.2f", help="% of demand for 1 % of price"),
        "least_squares": number("Least squares", format="%.2f"),
        "instrumental": number("Instrumental", format="%.2f", help="with wholesale cost as the instrument of price"),
        "first_stage_f": number("First-stage F", format="%.0f", help="below 10 the prior is used"),
        "shrinkage": number("From the prior", format="percent"),
        "reason": st.column_config.TextColumn("Why", width="large"),
    }
    st.dataframe(table, column_order=list(config), column_config=config, hide_index=True)
    moved = response.categories.iloc[0]
    st.caption(
        f"Of the demand for an item that is missing, {moved['transfer_share']:.0%} moves to others of its group "
        f"(± {1.96 * moved['transfer_sd']:.0%}; {moved['transfer_method']})."
    )


def change(plan: Plan, choice: Choice) -> None:
    """Locks on lines and limits on the day; the forecasts are kept while the plan is solved again."""
    change_lines(plan, choice)
    change_limits(plan, choice)


def change_limits(plan: Plan, choice: Choice) -> None:
    """Other limits for this day only, and the plan under them."""
    st.subheader("Limits of the day", anchor=False)
    st.caption("They start from the settings of the shop and hold for this day, until the page is closed.")
    rules, wanted = choice.limits.rules, {}
    with st.form("limits", border=False):
        columns = st.columns(5)
        for k, (name, (label, tip)) in enumerate(LIMITS.items()):
            key = f"{name} {choice.store} {choice.day}"
            st.session_state.setdefault(key, getattr(rules, name))  # a default of its own could not be emptied
            wanted[f"rules__{name}"] = columns[k % len(columns)].number_input(
                label, value=None, step=1 if name in WHOLE else 0.01, help=tip, key=key, placeholder="none"
            )
        wanted["rules__hard_cover"] = columns[len(LIMITS) % len(columns)].checkbox(
            "Cover must hold", rules.hard_cover, help="else a shortfall is priced"
        )
        solve = st.form_submit_button("Solve with these limits", type="primary", icon=":material/refresh:")
    if solve:
        solve_within(wanted, plan, choice)


def solve_within(wanted: dict[str, Any], plan: Plan, choice: Choice) -> None:
    """Put the limits in force if there is a plan within them; else say why not and leave everything as it is."""
    try:
        within = replace(choice, limits=choice.settings.override(**wanted))
        solved_plan(within, plan.overrides, fitted_models(choice))
    except ReplenishError as error:
        show_error(error)
        return
    st.session_state[limits_key(choice.folder, choice.store, choice.day)] = wanted
    st.rerun()


def change_lines(plan: Plan, choice: Choice) -> None:
    """Lock prices and orders, force or ban items, and solve again."""
    st.caption(
        "Fill in what must hold; empty cells leave the choice to the plan. Every lock has an author and a reason."
    )
    number = st.column_config.NumberColumn
    config: dict[str, Any] = {
        "item_name": st.column_config.TextColumn("Item", disabled=True),
        "category": st.column_config.TextColumn("Category", disabled=True),
        "unit": st.column_config.TextColumn("Unit", disabled=True),
        "order_quantity": number("Order", format="%.4g", disabled=True),
        "price": number("Price", format="%.2f", disabled=True),
        "lock_price": number("Lock price", format="%.2f", min_value=0.01),
        "lock_order": number("Lock order", format="%.4g", min_value=0.0),
        "lock_min_order": number("At least", format="%.4g", min_value=0.0),
        "lock_max_order": number("At most", format="%.4g", min_value=0.0),
        "lock_must_list": st.column_config.CheckboxColumn("Must list"),
        "lock_never_list": st.column_config.CheckboxColumn("Never list"),
    }
    with st.form("locks", border=False):
        table = st.data_editor(
            locks.lock_table(plan),
            column_order=list(config),
            column_config=config,
            hide_index=True,
            height=460,
            placeholder="",
        )
        who, why, go = st.columns([1, 2, 1], vertical_alignment="bottom")
        author = who.text_input("Author", key="author")
        reason = why.text_input("Reason", key="reason")
        solve = go.form_submit_button("Solve again", type="primary", width="stretch", icon=":material/refresh:")
    if solve:
        solve_again(plan, choice, table, author, reason)
    show_locks(plan, choice)


def solve_again(plan: Plan, choice: Choice, table: pd.DataFrame, author: str, reason: str) -> None:
    """Put the locks in force if there is a plan that keeps them; else say why not and leave everything as it is."""
    try:
        wanted = locks.read_locks(table, author, reason, before=plan.overrides)
        if set(wanted) == set(plan.overrides):
            st.info("Nothing was changed: fill in a price, an order or a tick first. The plan stays as it is.")
            return
        solved_plan(choice, wanted, fitted_models(choice))
    except ReplenishError as error:
        show_error(error)
        return
    st.session_state[choice.locks_key] = wanted
    st.rerun()


def show_locks(plan: Plan, choice: Choice) -> None:
    """The locks in force, with a button that takes them all away."""
    if not plan.overrides:
        return
    names = dict(zip(plan.forecast["item_code"], plan.forecast["item_name"], strict=True))
    in_force = pd.DataFrame(plan.overrides)
    in_force["item"] = in_force["item_code"].map(names).fillna(in_force["item_code"])
    st.subheader("Locks in force", anchor=False)
    st.dataframe(in_force, column_order=["item", "kind", "value", "author", "reason"], hide_index=True)
    if st.button("Remove all locks", icon=":material/lock_open:"):
        st.session_state[choice.locks_key] = ()
        st.rerun()


TABS = {
    "Plan": show_lines,
    "Cover and rules": show_cover_and_rules,
    "Item": show_item,
    "Price response": show_price_response,
    "Change and solve again": change,
}

if __name__ == "__main__":
    main()
