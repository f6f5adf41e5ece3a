"""What a base needs every night: copies merged, contradictions found, what is out of date or leads astray retired."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from core.text import fold
from core.ticket import Exemplar
from knowledge.archive import Entry
from knowledge.ingest import exemplar_id

STALE_AFTER = timedelta(days=3 * 365)
"""An exemplar that is older and that nothing rested on since is retired."""
SHARE = 0.05
"""Part of the base that a night may change."""


def merges(exemplars: Iterable[Exemplar], confirmed: Collection[str]) -> list[Entry]:
    """Near-duplicates that say the same: of those with equal labels one stays, the best (see `_worth`).

    Ids in `confirmed` stay.
    """
    found = []
    for group in _groups(exemplars):
        alike: defaultdict[tuple[tuple[str, str], ...], list[Exemplar]] = defaultdict(list)
        for one in group:
            alike[tuple(sorted(one.labels.items()))].append(one)
        for same in alike.values():
            best, *rest = sorted(same, key=lambda one: _worth(one, confirmed), reverse=True)
            found += [
                Entry("merged", "copy", old=one, values={"into": best.id, "source": best.source_id})
                for one in rest
                if one.id not in confirmed
            ]
    return found


def contradictions(exemplars: Iterable[Exemplar], confirmed: Collection[str]) -> list[Entry]:
    """Near-duplicates with different labels, each as a proposal to take over what most of its kind have.

    The label of a confirmed one counts before any majority; where neither decides, the newer is followed.
    """
    found = []
    for group in _groups(exemplars):
        better: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for name in sorted({name for one in group for name in one.labels}):
            if label := _leading(group, name, confirmed):
                for one in group:
                    if one.labels.get(name, label) != label and one.id not in confirmed:
                        better[one.id][name] = label
        found += [relabelled(one, better[one.id], "contradiction") for one in group if one.id in better]
    return found


def relabelled(old: Exemplar, better: Mapping[str, str], reason: str, **values: str) -> Entry:
    """The proposal to give an exemplar other labels: `better` by field."""
    new = replace(old, labels=dict(sorted({**old.labels, **better}.items())), duplicate_group="")
    changes = "; ".join(f"{name}: {old.labels.get(name, '')} -> {label}" for name, label in sorted(better.items()))
    new = replace(new, id=exemplar_id(new))
    return Entry("relabelled", reason, old=old, new=new, values={"changes": changes, **values}, proposed=True)


def stale(
    exemplars: Iterable[Exemplar], last_used: Mapping[str, datetime], confirmed: Collection[str], now: datetime,
    after: timedelta = STALE_AFTER,
) -> list[Entry]:  # fmt: skip
    """Exemplars that were resolved before now - `after` and that no decision rested on since. Those without a date stay."""
    limit, found = now - after, []
    for one in exemplars:
        resolved = moment(one.resolved_at)
        used = last_used.get(one.id)
        if one.id not in confirmed and resolved and resolved < limit and (used is None or used < limit):
            found.append(Entry("retired", "stale", old=one, values={"resolved": resolved.date().isoformat()}))
    return found


def limited(entries: Sequence[Entry], size: int, *, share: float = SHARE) -> tuple[list[Entry], list[Entry]]:
    """The entries that may be applied in one night, and those that wait; in their order, one for each exemplar, at least five."""
    first: dict[str, Entry] = {}
    for entry in entries:
        first.setdefault(entry.exemplar.id, entry)
    once, most = list(first.values()), max(5, int(share * size))
    return once[:most], once[most:]


def applied(base: Iterable[Exemplar], entries: Iterable[Entry]) -> dict[str, Exemplar]:
    """The base by id after the entries: what is old goes, what is new comes. Of two entries on one exemplar the first counts."""
    after = {one.id: one for one in base}
    for entry in entries:
        there = entry.old is None or after.pop(entry.old.id, None) is not None
        if there and entry.new:
            after[entry.new.id] = entry.new
    return after


def moment(text: str) -> datetime | None:
    """The moment of an ISO 8601 text, in UTC where it names no zone; None where it is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _groups(exemplars: Iterable[Exemplar]) -> list[list[Exemplar]]:
    """Near-duplicates, each group with at least two."""
    members: defaultdict[str, list[Exemplar]] = defaultdict(list)
    for one in exemplars:
        if one.duplicate_group:
            members[one.duplicate_group].append(one)
    return [group for _, group in sorted(members.items()) if len(group) > 1]


def _worth(one: Exemplar, confirmed: Collection[str]) -> tuple[bool, bool, str, int, str]:
    """Confirmed before others, with a resolution before without, the newest, the longest; the id so that it never varies."""
    return one.id in confirmed, bool(one.resolution), one.resolved_at, len(fold(one.text)), one.id


def _leading(group: Sequence[Exemplar], name: str, confirmed: Collection[str]) -> str:
    """The label of a field that a group of near-duplicates should have; "" where it has but one."""
    labels = [one.labels[name] for one in group if name in one.labels]
    if len(set(labels)) < 2:
        return ""
    told = {one.labels[name] for one in group if name in one.labels and one.id in confirmed}
    if told:
        return next(iter(told)) if len(told) == 1 else ""
    (first, most), (_, second) = Counter(labels).most_common(2)
    if most > second:
        return first
    newest = max((one for one in group if name in one.labels), key=lambda one: (one.resolved_at, one.id))
    return newest.labels[name]
