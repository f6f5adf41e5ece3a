"""Drift: quiet streams give no alarm, changed ones do, and p-values mean what they say."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from observability.drift.correction import ALPHA, LOOKS, holm, over_looks
from observability.drift.permutation import ENOUGH, Division, Draws, Floats, Places, permutation_p
from observability.drift.report import LEAST_WINDOW, DriftReport, Sides, compare
from observability.drift.sample import Observation
from observability.drift.signals import mix, rank, rate, topic

START = datetime(2026, 3, 2, tzinfo=UTC)
WORDS = ("impresora", "clave", "vpn", "correo", "pantalla", "portal", "nomina", "factura")


def stream(seed: int, count: int, first: int = 0) -> list[Observation]:
    """Tickets whose every property is drawn anew, from one distribution."""
    rng = np.random.default_rng(seed)
    made = []
    for place in range(first, first + count):
        confidence = float(rng.beta(6, 2))
        text = " ".join(rng.choice(WORDS, int(rng.integers(4, 40))))
        right = float(rng.random() < confidence) if rng.random() < 0.5 else math.nan
        made.append(
            Observation(
                ticket=f"T-{place}",
                at=START + timedelta(minutes=place),
                text=text,
                language="es" if rng.random() < 0.7 else "en",
                labels={"category": str(rng.choice(["red", "acceso", "correo"], p=[0.5, 0.3, 0.2]))},
                rejected=bool(rng.random() < 0.2),
                confidence=confidence,
                score=100.0 * confidence,
                right=right,
                gap=right - confidence,
            )
        )
    return made


def counts(texts: Sequence[str]) -> NDArray[np.float32]:
    """Unit vectors of the words' counts."""
    rows = np.array([[text.split().count(word) for word in (*WORDS, "escáner")] for text in texts], dtype=np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def look(reference: Sequence[Observation], window: Sequence[Observation]) -> DriftReport:
    return compare(Sides(reference, window, counts))


def changed(change: dict[str, object], share: float) -> list[Observation]:
    """A window of which a share is changed, spread evenly."""
    window = stream(8, 150, 1000)
    return [replace(one, **change) if i % 100 < 100 * share else one for i, one in enumerate(window)]  # type: ignore[arg-type]


def test_a_quiet_stream_gives_no_alarm_in_the_life_of_a_reference() -> None:
    tickets = stream(7, 400 + 100 + LOOKS * 20)
    reports = [look(tickets[:400], tickets[400 + 20 * night : 500 + 20 * night]) for night in range(LOOKS)]
    assert len({report.window.version for report in reports}) == LOOKS
    assert [report.drifted for report in reports] == [()] * LOOKS
    # Without the correction the same looks cry wolf: that is what it is there for.
    assert any((one.p_value or 1.0) <= ALPHA for report in reports for one in report.findings)


@pytest.mark.parametrize(
    ("signal", "change", "share"),
    [
        ("labels.category", {"labels": {"category": "correo"}}, 0.35),
        ("confidence", {"confidence": 0.01}, 0.3),
        ("score", {"score": 20.0}, 0.5),
        ("length", {"text": "impresora vpn"}, 0.5),
        ("language", {"language": "pt"}, 0.2),
        ("embeddings", {"text": "escáner escáner escáner impresora"}, 0.25),
        ("rejected", {"rejected": True}, 0.3),
        ("accuracy", {"right": 0.0}, 0.6),
        ("calibration", {"gap": -1.0}, 0.5),
    ],
)
def test_an_injected_change_is_seen_by_its_signal(signal: str, change: dict[str, object], share: float) -> None:
    window = changed(change, share)
    report = look(stream(7, 400), window)
    found = {one.signal: one for one in report.drifted}
    assert signal in found
    assert 0.0 < (found[signal].p_value or 0.0) < (found[signal].p_adjusted or 0.0) <= ALPHA
    ids = {one.ticket: one for one in window}
    assert found[signal].examples
    (name, value), *_ = change.items()
    assert all(getattr(ids[i], name) == value for i in found[signal].examples)


def test_the_same_tickets_give_the_same_report() -> None:
    reference, window = stream(7, 300), stream(8, 100, 1000)
    assert look(reference, window) == look(reference, window)


def test_what_too_few_tickets_have_is_not_judged_and_costs_the_others_nothing() -> None:
    window = stream(8, LEAST_WINDOW - 1, 1000)
    assert all(one.p_value is None and not one.drifted for one in look(stream(7, 300), window).findings)
    unsaid = [replace(one, right=math.nan, gap=math.nan) for one in stream(8, 100, 1000)]
    findings = {one.signal: one for one in look(stream(7, 300), unsaid).findings}
    assert (findings["accuracy"].p_value, findings["accuracy"].window) == (None, 0)
    assert findings["confidence"].p_value is not None


def test_a_constant_signal_never_alarms() -> None:
    signal = mix(["en"] * 200, ["en"] * 100)
    assert permutation_p(signal.statistic, signal.division, Draws(2000, 0)) == 1.0
    assert signal.effect == 0.0


def test_worse_verdicts_are_a_reason_to_fit_again_and_a_new_topic_alone_is_not() -> None:
    reference = stream(7, 400)
    assert look(reference, changed({"right": 0.0, "gap": -0.8}, 0.6)).refit
    assert not look(reference, changed({"text": "escáner escáner escáner impresora clave vpn correo"}, 0.25)).refit
    assert look(reference, changed({"text": "escáner escáner escáner impresora", "confidence": 0.3}, 0.4)).refit


def test_p_values_are_valid_on_quiet_data() -> None:
    rng = np.random.default_rng(3)
    low = 0
    for seed in range(400):
        signal = rank(rng.normal(size=40), rng.normal(size=15))
        low += permutation_p(signal.statistic, signal.division, Draws(400, seed)) <= 0.1
    # Binomial(400, .1): more than 60 has a chance of 6e-4 at the nominal rate, and fewer than 20 would mean no power.
    assert 20 <= low <= 60


def test_draws_stop_early_where_nothing_is_there_and_p_is_then_enough_over_draws() -> None:
    seen = 0

    def always(places: Places) -> Floats:
        nonlocal seen
        seen += len(places)
        return np.zeros(len(places))

    assert permutation_p(always, Division(50, 20), Draws(100_000, 0)) == 1.0
    assert seen < 10 * ENOUGH


def test_each_draw_is_a_division_without_repetition() -> None:
    drawn: list[Places] = []

    def keep(places: Places) -> Floats:
        drawn.append(places)
        return -np.arange(1.0, len(places) + 1.0)

    permutation_p(keep, Division(30, 12), Draws(300, 1))
    places = np.concatenate(drawn[1:])
    assert {len(set(row)) for row in places.tolist()} == {12}
    often = np.bincount(places.ravel(), minlength=42)
    assert often.min() > 0.6 * often.mean()


def test_holm_by_hand() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert over_looks(0.01, 30) == pytest.approx(0.3)
    assert holm({}) == {}


def test_energy_distance_by_hand() -> None:
    """Two points at right angles to two others: between them sqrt(2), within 0, so the coefficient is 1."""
    east, north = np.array([[1.0, 0.0]] * 2, np.float32), np.array([[0.0, 1.0]] * 2, np.float32)
    signal = topic(east, north)
    assert signal.effect == pytest.approx(1.0)
    assert float(signal.statistic(signal.division.observed)[0]) == pytest.approx(2.0 * math.sqrt(2.0))
    assert topic(east, east).effect == pytest.approx(0.0)


def test_a_rate_that_rises_late_in_the_window_is_seen_and_dated() -> None:
    quiet = np.arange(300) % 5 == 0
    late = np.concatenate([np.arange(80) % 5 == 0, np.ones(20, dtype=bool)])
    signal = rate(quiet, late)
    assert permutation_p(signal.statistic, signal.division, Draws(4000, 0)) < 0.001
    assert min(signal.examples) >= 75
    fallen = rate(quiet, np.zeros(100, dtype=bool))
    assert permutation_p(fallen.statistic, fallen.division, Draws(4000, 0)) > 0.5
