"""Arrow tables and Parquet files, by pyarrow, which is an optional library."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from shared.columns import Columns, Kind
from shared.errors import MissingLibrary, OutputError

# A price has at most 15 digits before the point. A scale is taken if the smaller ones would lose digits, so that nearly
# all files have the same type.
PRICE_SCALES = (8, 16, 23)
_PRECISION = 38
_ROWS_PER_BATCH = 10_000
_ROWS_PER_GROUP = 100_000


def load_pyarrow() -> Any:
    """Import pyarrow. Raises MissingLibrary."""
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingLibrary("pyarrow") from error
    return pa


def arrow_schema(columns: Columns, scale: int) -> Any:
    """Return the schema of columns, whose prices have this number of digits after the point."""
    pa = load_pyarrow()
    types = {
        Kind.TEXT: pa.string(),
        Kind.PRICE: pa.decimal128(_PRECISION, scale),
        Kind.INTEGER: pa.int64(),
        Kind.NUMBER: pa.float64(),
        Kind.TIME: pa.timestamp("us", "UTC"),
        Kind.BOOLEAN: pa.bool_(),
    }
    return pa.schema([(name, types[kind]) for name, kind in columns.items()])


def batches_of_rows(columns: Columns, rows: Iterable[Mapping[str, Any]], scale: int) -> Iterator[Any]:
    """Yield the rows as record batches. Prices and times in rows are text. Raises pyarrow.ArrowInvalid."""
    pa = load_pyarrow()
    schema = arrow_schema(columns, scale)
    source = iter(rows)
    while part := list(islice(source, _ROWS_PER_BATCH)):
        arrays = [
            _array(pa, [row.get(name) for row in part], kind).cast(schema.field(name).type)
            for name, kind in columns.items()
        ]
        yield pa.record_batch(arrays, schema=schema)


def batch_of_columns(columns: Columns, part: Mapping[str, Sequence[Any]], scale: int) -> Any:
    """Return a record batch of columns whose prices are floats, and times microseconds since 1970.

    Raises pyarrow.ArrowInvalid if the scale loses digits.
    """
    pa = load_pyarrow()
    schema = arrow_schema(columns, scale)
    arrays = []
    for name, kind in columns.items():
        if kind is Kind.PRICE:
            # The shortest text of a float is the decimal that it was made from.
            array = pa.array(part[name], pa.float64()).cast(pa.string())
        else:
            array = pa.array(part[name], pa.int64() if kind is Kind.TIME else schema.field(name).type)
        arrays.append(array.cast(schema.field(name).type))
    return pa.record_batch(arrays, schema=schema)


def with_exact_prices(make: Callable[[int], Any]) -> Any:
    """Return what `make` makes with the smallest scale that loses no digit. Raises OutputError without such a scale."""
    pa = load_pyarrow()
    for scale in PRICE_SCALES:
        try:
            return make(scale)
        except pa.ArrowInvalid as error:
            reason = error
    raise OutputError(f"a value does not fit into its column: {reason}; use CSV or JSON")


def write_parquet(path: Path, columns: Columns, make_batches: Callable[[int], Iterable[Any]]) -> None:
    """Write a Parquet file of the batches that `make_batches` makes with a scale. It may be called more than once."""
    load_pyarrow()
    from pyarrow import parquet

    def write(scale: int) -> None:
        with parquet.ParquetWriter(path, arrow_schema(columns, scale), compression="zstd") as writer:
            for batch in _regrouped(make_batches(scale)):
                writer.write_table(batch)

    with_exact_prices(write)


def _regrouped(batches: Iterable[Any]) -> Iterator[Any]:
    """Yield tables of many rows: small row groups make a file large and slow."""
    pa = load_pyarrow()
    waiting: list[Any] = []
    for batch in batches:
        waiting.append(batch)
        if sum(each.num_rows for each in waiting) >= _ROWS_PER_GROUP:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)


def _array(pa: Any, values: Sequence[Any], kind: Kind) -> Any:
    if kind is Kind.INTEGER:
        return pa.array([None if value is None else int(value) for value in values], pa.int64())
    if kind is Kind.NUMBER:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    if kind is Kind.BOOLEAN:
        return pa.array(values, pa.bool_())
    return pa.array([None if value is None else str(value) for value in values], pa.string())
