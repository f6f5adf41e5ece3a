"""How long a server asks to be left alone."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after(value: str, *, today: datetime | None = None) -> float:
    """Seconds of a Retry-After header (a number or an HTTP date); 0 where there is none or it can't be read."""
    try:
        seconds = float(value)
    except ValueError:
        seconds = _until(value, today or datetime.now(UTC))
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0


def _until(value: str, today: datetime) -> float:
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - today).total_seconds()
