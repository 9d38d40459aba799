"""Typed rows one by one, or all of them at once as an Arrow table or a DataFrame of pandas or polars."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from consumers.history.queries.columns import Part
from shared.columns import Columns, Kind
from shared.errors import MissingLibrary
from shared.prices import from_float

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

Row = TypeVar("Row", bound=tuple[Any, ...])


class Rows(Iterator[Row], Generic[Row]):
    """An iterator of typed rows.

    The methods `to_arrow`, `to_pandas` and `to_polars` read all rows anew, by columns, whatever was read before.
    """

    def __init__(
        self, columns: Columns, rows: Callable[[], Iterator[Row]], parts: Callable[[], Iterator[Part]]
    ) -> None:
        self.columns = columns
        self._rows = rows
        self._parts = parts
        self._reading: Iterator[Row] | None = None

    def __next__(self) -> Row:
        if self._reading is None:
            self._reading = self._rows()
        return next(self._reading)

    def to_arrow(self) -> Any:
        """Return a pyarrow.Table with prices as decimal128 and times as timestamp[us, UTC]. Raises MissingLibrary."""
        from shared.arrow import arrow_schema, batch_of_columns, load_pyarrow, with_exact_prices

        pa = load_pyarrow()
        parts = list(self._parts())

        def make(scale: int) -> Any:
            batches = (batch_of_columns(self.columns, part, scale) for part in parts)
            return pa.Table.from_batches(batches, schema=arrow_schema(self.columns, scale))

        return with_exact_prices(make)

    def to_pandas(self, *, decimals: bool = False) -> "pd.DataFrame":
        """Return a pandas.DataFrame with prices as float64, or as Decimal objects. Raises MissingLibrary.

        A float64 has each of the up to 15 digits of a price. Times have the type datetime64[us, UTC].
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise MissingLibrary("pandas", "pandas") from error
        values = self._values()
        if decimals:
            values |= {name: list(map(from_float, values[name])) for name in self._named(Kind.PRICE)}
        frame = {
            name: pd.Series(values[name], dtype=_pandas_type(kind, decimals=decimals))
            for name, kind in self.columns.items()
        }
        for name in self._named(Kind.TIME):
            frame[name] = frame[name].astype("datetime64[us]").dt.tz_localize("UTC")
        return pd.DataFrame(frame)

    def to_polars(self, *, decimals: bool = False) -> "pl.DataFrame":
        """Return a polars.DataFrame with prices as Float64, or as Decimal, which needs pyarrow too.

        Raises MissingLibrary.
        """
        try:
            import polars as pl
        except ImportError as error:
            raise MissingLibrary("polars", "polars") from error
        if decimals:
            return pl.DataFrame(pl.from_arrow(self.to_arrow()))
        types = {Kind.TEXT: pl.String, Kind.PRICE: pl.Float64, Kind.INTEGER: pl.Int64, Kind.TIME: pl.Int64}
        values = self._values()
        frame = pl.DataFrame(values, schema={name: types[kind] for name, kind in self.columns.items()})
        times = [pl.col(name).cast(pl.Datetime("us", "UTC")) for name in self._named(Kind.TIME)]
        return frame.with_columns(times)

    def _values(self) -> dict[str, Sequence[Any]]:
        """Return all values of each column."""
        parts = list(self._parts())
        return {name: list(chain.from_iterable(part[name] for part in parts)) for name in self.columns}

    def _named(self, kind: Kind) -> list[str]:
        return [name for name, each in self.columns.items() if each is kind]


def _pandas_type(kind: Kind, *, decimals: bool) -> str:
    if kind is Kind.PRICE:
        return "object" if decimals else "float64"
    # Int64 of pandas has room for missing values.
    return {Kind.TEXT: "str", Kind.TIME: "int64", Kind.INTEGER: "Int64"}[kind]
