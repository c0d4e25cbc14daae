"""Canonical tables from and to a folder of CSV or Parquet files, or from frames in memory."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from replenish.errors import ConfigError, DataError
from replenish.fingerprint import fingerprint
from replenish.records import Finding, Tables
from replenish.schemas import (
    DEFAULT_STORE,
    ITEMS,
    SALES,
    TABLES,
    Table,
    check_table,
)
from replenish.settings import FILE_NAME
from replenish.sources.rollup import RolledSales, check_sales, read_transactions, roll_up
from replenish.sources.transactions import is_utf8, not_utf8, wrong_form

if TYPE_CHECKING:
    from replenish.sources.transactions import SalesSource

FileFormat = Literal["parquet", "csv"]
SUFFIXES = (".parquet", ".csv")
EXAMPLES = 3
FOLDER_ADVICE = "Correct the files and run again; docs/data-dictionary.md describes every table."


def load_tables(folder: str | Path, store: str | None = None) -> Tables:
    """The checked tables of a folder (`items.csv`, `sales.parquet`, …), of one store when `store` is given.

    CSV files are UTF-8, with or without byte-order mark. Raises one `DataError` that names all faults of all tables,
    `ConfigError` when the folder does not know `store`.
    """
    paths = find_tables(folder)
    faults: list[str] = []
    frames = {}
    for name, path in paths.items():
        if name == SALES.name:
            continue
        try:
            frames[name] = read_table(path, TABLES[name])
        except DataError as error:
            faults += error.faults
    return _assemble(frames, paths[SALES.name], str(folder), store, faults)


def tables_from_frames(frames: Mapping[str, pd.DataFrame], source: str = "memory", store: str | None = None) -> Tables:
    """The checked tables of frames named as in `schemas.TABLES`; errors as in `load_tables`."""
    unknown = sorted(set(frames) - set(TABLES))
    if unknown:
        raise DataError(f"Unknown table(s): {', '.join(unknown)}. Tables are: {', '.join(TABLES)}.")
    missing = [t.name for t in TABLES.values() if t.required and t.name not in frames]
    if missing:
        raise DataError(f"{source}: table(s) missing: {', '.join(missing)}.")
    others = {name: frame for name, frame in frames.items() if name != SALES.name}
    return _assemble(others, frames[SALES.name], source, store, [])


def load_transactions(folder: str | Path) -> pd.DataFrame:
    """The checked transactions of a folder, one row each, as declared in `schemas.SALES`; errors as above."""
    paths = find_tables(folder)
    items = check_table(read_table(paths[ITEMS.name], ITEMS), ITEMS)
    return read_transactions(paths[SALES.name], items)


# ---------------------------------------------------------------- reading files


def find_tables(folder: str | Path) -> dict[str, Path]:
    """The file of each canonical table in `folder`; `DataError` when one is missing or there in both formats."""
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"{root}: the folder does not exist.", "Give the folder with --data, or import one first.")
    present = {name: [p for s in SUFFIXES if (p := root / f"{name}{s}").is_file()] for name in TABLES}
    faults = [
        f"{root}: the file {t.name}.csv or {t.name}.parquet is missing."
        for t in TABLES.values()
        if t.required and not present[t.name]
    ]
    faults += [
        f"{root}: {name} is there as {' and as '.join(p.name for p in paths)}; which one counts is not clear."
        for name, paths in present.items()
        if len(paths) > 1
    ]
    if faults:
        raise DataError(faults, FOLDER_ADVICE)
    return {name: paths[0] for name, paths in present.items() if paths}


def read_table(path: Path, table: Table) -> pd.DataFrame:
    """The file as it is, codes and names as text (so that leading zeros stay); `DataError` when it cannot be read."""
    wrong = wrong_form(path)
    if wrong:
        raise DataError(wrong)
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(
            path,
            encoding="utf-8-sig",
            dtype={c.name: "str" for c in table.columns if c.kind in ("text", "time", "date")},
            keep_default_na=False,
            na_values=[""],
        )
    except pd.errors.EmptyDataError:
        raise DataError(f"{path}: the file is empty.") from None
    except UnicodeDecodeError:
        raise DataError(not_utf8(path)) from None
    except (ValueError, pd.errors.ParserError) as error:
        if path.suffix == ".csv" and not is_utf8(path):
            raise DataError(not_utf8(path)) from None
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"{path}: the file cannot be read as {path.suffix[1:]} ({reason}).") from None


# ---------------------------------------------------------------- checking


def _assemble(
    frames: Mapping[str, pd.DataFrame], sales: SalesSource, source: str, store: str | None, faults: list[str]
) -> Tables:
    stores = _stores(frames.get(ITEMS.name))
    checked: dict[str, pd.DataFrame] = {}
    for name, frame in frames.items():
        try:
            checked[name] = check_table(_fill_store(frame, stores), TABLES[name], allow_empty=not TABLES[name].required)
        except DataError as error:
            faults += error.faults
    rolled = _roll_up(sales, checked.get(ITEMS.name), faults)
    if faults or rolled is None:
        raise DataError(faults, FOLDER_ADVICE)
    findings = (*rolled.findings, *_unknown_keys(checked), *_silent_categories(checked[ITEMS.name], rolled.daily))
    tables = Tables(
        daily_sales=rolled.daily,
        intraday_sales=rolled.intraday,
        findings=findings,
        source=source,
        **checked,  # type: ignore[arg-type]
    )
    chosen = _choose(tables, store)
    return replace(chosen, fingerprint=fingerprint(chosen))


def _roll_up(sales: SalesSource, items: pd.DataFrame | None, faults: list[str]) -> RolledSales | None:
    """The rolled-up sales; None, with the faults added, when they cannot be had."""
    try:
        if items is not None:
            return roll_up(sales, items)
        check_sales(sales, None)
    except DataError as error:
        faults += error.faults
    return None


def _stores(items: pd.DataFrame | None) -> list[str]:
    if items is None or "store" not in items.columns:
        return [DEFAULT_STORE]
    return sorted(items["store"].dropna().astype("str").str.strip().unique())


def _fill_store(frame: pd.DataFrame, stores: list[str]) -> pd.DataFrame:
    """A table without `store` belongs to the one store there is; of several stores, the check will say so."""
    return frame if "store" in frame.columns or len(stores) != 1 else frame.assign(store=stores[0])


def _choose(tables: Tables, store: str | None) -> Tables:
    if store is None:
        return tables
    if store not in tables.stores:
        raise ConfigError(f"Unknown store “{store}”. The data has: {', '.join(tables.stores)}.")
    chosen = tables.for_store(store)
    if chosen.daily_sales.empty:
        raise DataError(f"sales: the store “{store}” has no sales.")
    return chosen


def _unknown_keys(checked: Mapping[str, pd.DataFrame]) -> list[Finding]:
    """Rows of the tables beside the sales that speak of stores or items which `items` does not have."""
    items = checked[ITEMS.name]
    findings = []
    for name, frame in checked.items():
        key = [c for c in ("store", "item_code") if c in frame.columns]
        if name == ITEMS.name or frame.empty:
            continue
        known = pd.MultiIndex.from_frame(items[key].drop_duplicates())
        unknown = ~pd.MultiIndex.from_frame(frame[key]).isin(known)
        if unknown.any():
            what = "rows of items (or stores) that `items` does not know"
            shown = frame.loc[unknown, key[-1]].drop_duplicates().head(EXAMPLES)
            advice = "They are not used. Add the items, or correct their codes."
            findings.append(
                Finding("warning", name, what, int(unknown.sum()), len(frame), tuple(map(str, shown)), advice)
            )
    return findings


def _silent_categories(items: pd.DataFrame, daily: pd.DataFrame) -> list[Finding]:
    """Categories none of whose items was ever sold: nothing can be forecast or covered for them."""
    sold = daily[["store", "item_code"]].drop_duplicates().merge(items, on=["store", "item_code"], validate="1:1")
    every = items[["store", "category"]].drop_duplicates()
    silent = every.merge(sold[["store", "category"]].drop_duplicates(), how="left", indicator=True)
    names = silent.loc[silent["_merge"] == "left_only", "category"]
    if names.empty:
        return []
    advice = "They get no forecast and no cover. Correct the category names if this is not meant."
    what = "categories without items that were ever sold"
    return [Finding("warning", "items", what, len(names), len(every), tuple(names.head(EXAMPLES)), advice)]


# ---------------------------------------------------------------- writing


def write_tables(
    folder: str | Path,
    frames: Mapping[str, pd.DataFrame],
    file_format: FileFormat = "parquet",
    force: bool = False,
    texts: Mapping[str, str] | None = None,
) -> Path:
    """The folder, written as a whole or not at all: a temporary sibling is filled and then renamed.

    `texts` are further files (name → content), for example `replenish.toml`. A folder that holds anything is left alone
    unless `force` is given and it holds nothing but canonical tables and settings; its settings are then kept. Raises
    `ConfigError` for that, `OSError` when the disk refuses (full, read-only); nothing is left behind then.
    """
    target = Path(folder).absolute()
    kept = _check_target(target, force)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        for name, frame in frames.items():
            _write_frame(frame, TABLES[name], draft, file_format)
        for name, text in (texts or {}).items():
            (draft / name).write_text(text, encoding="utf-8")
        for path in kept:
            shutil.copy2(path, draft)
        draft.chmod(0o777 & ~_umask())
        _swap(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Path(folder)


def _check_target(target: Path, force: bool) -> list[Path]:
    """The files of an existing target that stay (its settings)."""
    if not target.exists():
        return []
    if not target.is_dir():
        raise ConfigError(f"{target} is a file, not a folder. Choose another --output.")
    present = list(target.iterdir())
    if not present:
        return []
    foreign = [p.name for p in present if not _is_ours(p)]
    if foreign:
        raise ConfigError(
            f"{target} holds other files ({', '.join(sorted(foreign)[:EXAMPLES])}). Choose another folder."
        )
    if not force:
        raise ConfigError(f"{target} holds tables already. Choose another folder, or overwrite them with --force.")
    return [p for p in present if p.name == FILE_NAME]


def _is_ours(path: Path) -> bool:
    return path.is_file() and (path.name == FILE_NAME or (path.stem in TABLES and path.suffix in SUFFIXES))


def _write_frame(frame: pd.DataFrame, table: Table, folder: Path, file_format: FileFormat) -> None:
    if file_format == "parquet":
        frame.to_parquet(folder / f"{table.name}.parquet", index=False)
        return
    dates = [c.name for c in table.columns if c.kind == "date" and c.name in frame.columns]
    text = frame.assign(**{name: pd.to_datetime(frame[name]).dt.strftime("%Y-%m-%d") for name in dates})
    text.to_csv(folder / f"{table.name}.csv", index=False, encoding="utf-8")


def _swap(draft: Path, target: Path) -> None:
    """Puts the draft in the target's place; the old folder comes back when that fails."""
    if not target.exists() or not any(target.iterdir()):
        draft.replace(target)
        return
    old = draft.with_name(f"{draft.name}-old")
    target.replace(old)
    try:
        draft.replace(target)
    except OSError:
        old.replace(target)
        raise
    shutil.rmtree(old)


def _umask() -> int:
    """The process's file mode mask (which can only be read by setting it)."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
