"""Numbers, money, dates and spans of time as a language writes them. Times are in UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

from babel import Locale, dates, numbers

MICROS: Final = Decimal(1_000_000)
# Below ten cents the price of one request would read as nothing, and a balance in cents would not
# show that anything was spent.
_FINE: Final = Decimal("0.1")
_LARGE: Final = Decimal(1000)


class Formats:
    """The formats of one language."""

    def __init__(self, code: str) -> None:
        self.locale = Locale.parse(code)

    def number(self, amount: float) -> str:
        """A whole number with its groups."""
        return numbers.format_decimal(amount, locale=self.locale)

    def short(self, amount: float) -> str:
        """A number for an axis: 1.2K, 3M."""
        return numbers.format_compact_decimal(amount, locale=self.locale, fraction_digits=1)

    def percent(self, share: float) -> str:
        """A share of one as a percentage."""
        return numbers.format_percent(
            round(share, 3), locale=self.locale, decimal_quantization=False
        )

    def money(self, micros: int) -> str:
        """Micro-dollars; small and broken amounts keep the digits that say something."""
        amount = Decimal(micros) / MICROS
        if micros % 10_000 == 0 or abs(amount) >= _LARGE:
            places = Decimal("0.01")
        else:
            places = Decimal("0.000001") if abs(amount) < _FINE else Decimal("0.0001")
        return numbers.format_currency(
            amount.quantize(places),
            "USD",
            locale=self.locale,
            decimal_quantization=False,
        )

    def day(self, moment: date) -> str:
        """A day with its year."""
        return dates.format_date(moment, "d MMM y", locale=self.locale)

    def short_day(self, moment: date) -> str:
        """A day for an axis."""
        return dates.format_date(moment, "d MMM", locale=self.locale)

    def seconds(self, milliseconds: int) -> str:
        """Milliseconds as seconds to the hundredth."""
        return numbers.format_decimal(milliseconds / 1000, format="#,##0.00", locale=self.locale)

    def moment(self, moment: datetime) -> str:
        """A day and a time to the minute, in UTC."""
        when = dates.format_datetime(
            moment.astimezone(UTC), "d MMM y, HH:mm", locale=self.locale, tzinfo=UTC
        )
        return f"{when} UTC"

    def duration(self, seconds: float) -> str:
        """A span of time in its largest fitting unit."""
        return dates.format_timedelta(timedelta(seconds=seconds), threshold=1, locale=self.locale)
