"""The API as most people would write it: FastAPI, one ORM object per row, and Pydantic models. Run it by uvicorn."""

import os
from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, FastAPI
from pydantic import BaseModel, ConfigDict
from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

make_session = sessionmaker(create_engine(f"sqlite:///{os.environ['DATABASE']}"))
app = FastAPI()


class Base(DeclarativeBase):
    pass


class Latest(Base):
    __tablename__ = "latest_prices"

    symbol: Mapped[str] = mapped_column(primary_key=True)
    as_of: Mapped[str]
    price: Mapped[float]
    currency: Mapped[str | None]
    volume: Mapped[int | None]
    provider: Mapped[str]
    observed_at: Mapped[str]


class Bar(Base):
    __tablename__ = "bars"

    symbol: Mapped[str] = mapped_column(primary_key=True)
    start: Mapped[str] = mapped_column(primary_key=True)
    open: Mapped[float | None]
    high: Mapped[float | None]
    low: Mapped[float | None]
    close: Mapped[float]
    volume: Mapped[int | None]


class _Row(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class LatestRow(_Row):
    symbol: str
    as_of: str
    price: float
    currency: str | None
    volume: int | None
    provider: str
    observed_at: str


class BarRow(_Row):
    symbol: str
    start: str
    open: float | None
    high: float | None
    low: float | None
    close: float
    volume: int | None


def session() -> Iterator[Session]:
    with make_session() as found:
        yield found


Open = Annotated[Session, Depends(session)]


@app.get("/latest", response_model=list[LatestRow])
def latest(found: Open) -> list[Latest]:
    return list(found.scalars(select(Latest)))


@app.get("/bars/{symbol}", response_model=list[BarRow])
def bars(found: Open, symbol: str) -> list[Bar]:
    return list(found.scalars(select(Bar).where(Bar.symbol == symbol).order_by(Bar.start)))
