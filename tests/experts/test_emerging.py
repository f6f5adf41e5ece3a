"""Emerging incidents and gaps: dense groups of tickets that nothing known is near."""

from datetime import UTC, datetime, timedelta

import numpy as np

from experts.emerging import Sighting, emerging, usual_nearness

START = datetime(2026, 11, 20, 8, tzinfo=UTC)


def directions(seed: int, axis: int, count: int, spread: float = 0.15) -> np.ndarray:
    """Unit vectors about an axis of 16 dimensions."""
    rng = np.random.default_rng(seed)
    made = rng.normal(0.0, spread, (count, 16))
    made[:, axis] += 1.0
    unit: np.ndarray = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
    return unit


def sightings(count: int, hours: float, nearest: float = 0.1) -> list[Sighting]:
    return [
        Sighting(f"T-{i}", START + timedelta(hours=hours * i), "Faro payroll portal rejects salaries", nearest)
        for i in range(count)
    ]


def test_many_at_once_are_an_incident_and_the_same_over_weeks_a_gap() -> None:
    vectors = directions(0, 3, 8)
    (incident,) = emerging(sightings(8, hours=1), vectors, unknown_below=0.5)
    assert incident.incident
    assert incident.tickets == tuple(f"T-{i}" for i in range(8))
    assert "payroll" in incident.words
    assert incident.last - incident.first == timedelta(hours=7)
    (gap,) = emerging(sightings(8, hours=48), vectors, unknown_below=0.5)
    assert not gap.incident


def test_what_is_known_or_scattered_is_neither() -> None:
    assert emerging(sightings(8, 1, nearest=0.9), directions(0, 3, 8), unknown_below=0.5) == []
    scattered = np.eye(16, dtype=np.float32)[:8]
    assert emerging(sightings(8, 1), scattered, unknown_below=0.5) == []
    assert emerging([], np.zeros((0, 16), np.float32), unknown_below=0.5) == []


def test_how_near_exemplars_usually_are_leaves_their_own_copies_out() -> None:
    vectors = np.repeat(np.eye(16, dtype=np.float32)[:4], 2, axis=0)
    assert usual_nearness(vectors, ["a", "a", "b", "b", "c", "c", "d", "d"]) == 0.0
    assert usual_nearness(vectors, [""] * 8) == 1.0
    assert usual_nearness(vectors[:1], [""]) == -1.0
