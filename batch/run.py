"""The run: tickets in chunks through the pipeline, everything journalled before and after the desk is touched.

The order makes it safe to kill at any moment: decisions and the intention to write are one append; a write carries a marker
that the desk keeps; what was intended and has no final state is settled first by the next run.
"""

import itertools
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from batch.comment import compose
from core.errors import DeskError, RevisionConflict
from core.pipeline import Pipeline
from core.ticket import Ticket
from core.triage import Decision
from observability.decisions import decision_record
from observability.journal import Journal
from observability.records import DecisionRecord, RunFinished, RunStarted, Versions, WritebackRecord, WriteState, now
from servicedesk.http import HttpDesk

Advance: TypeAlias = Callable[[DecisionRecord, str], None]
"""Called after each ticket with its record and what became of the write ("" where nothing was to be written)."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run over one source. Without a desk, or dry, nothing is written; what is decided is journalled all the same."""

    name: str
    source: str
    pipeline: Pipeline
    journal: Journal
    versions: Versions
    desk: HttpDesk | None = None
    dry_run: bool = False
    chunk: int = 128
    comment_language: str = ""

    def execute(self, tickets: Iterable[Ticket], settings: Mapping[str, str], advance: Advance) -> dict[str, int]:
        """Decide on and write back every ticket that is not done yet; the totals by outcome and write state.

        Raises what the journal or the listing of tickets raises, after noting that the run failed.
        """
        self.journal.append(
            [
                RunStarted(
                    run=self.name, at=now(), source=self.source, dry_run=self.dry_run, versions=self.versions, settings=settings
                )
            ]
        )
        totals: Counter[str] = Counter()
        seconds: dict[str, float] = defaultdict(float)
        start = time.perf_counter()
        state: Literal["done", "stopped", "failed"] = "failed"
        try:
            if not self.dry_run:
                totals["settled"] = self.settle()
            for chunk in self._undone(tickets, totals):
                for record, write in self._process(chunk, seconds):
                    totals.update([record.outcome, "tickets", *([write] if write else [])])
                    advance(record, write)
            state = "done"
        except KeyboardInterrupt:
            state = "stopped"
            raise
        finally:
            elapsed = time.perf_counter() - start
            rate = totals["tickets"] / elapsed if elapsed else 0.0
            self.journal.append(
                [RunFinished(run=self.name, at=now(), totals=totals, seconds=seconds, tickets_per_second=rate, state=state)]
            )
        return dict(totals)

    def settle(self) -> int:
        """Carry out what earlier runs intended to write and did not finish; how many of them are settled now."""
        if self.desk is None:
            return 0
        tried = [self._write(self.desk, pending.decision) for pending in self.journal.pending_writes(source=self.source)]
        if tried:
            self.journal.append(tried)
        return sum(note.state != "failed" for note in tried)

    def _undone(self, tickets: Iterable[Ticket], totals: Counter[str]) -> Iterator[list[Ticket]]:
        """Chunks of those that no earlier run has done; without a desk, of all."""
        iterator = iter(tickets)
        while chunk := list(itertools.islice(iterator, self.chunk)):
            done = self.journal.processed(((t.id, t.revision) for t in chunk), source=self.source) if self.desk else set()
            left = [t for t in chunk if (t.id, t.revision) not in done]
            totals["already_done"] += len(chunk) - len(left)
            if left:
                yield left

    def _process(self, tickets: list[Ticket], seconds: dict[str, float]) -> Iterator[tuple[DecisionRecord, str]]:
        records = [self._record(decision, seconds) for decision in self.pipeline.decide(tickets)]
        if self.desk is None or self.dry_run:
            state: WriteState = "dry_run" if self.dry_run else "skipped"
            self.journal.append([*records, *(self._note(record, state) for record in records)])
            yield from ((record, state) for record in records)
            return
        self.journal.append([*records, *(self._note(record, "intended") for record in records)])
        start = time.perf_counter()
        done = [self._write(self.desk, record) for record in records]
        seconds["write"] += time.perf_counter() - start
        self.journal.append(done)
        yield from ((record, note.state) for record, note in zip(records, done, strict=True))

    def _record(self, decision: Decision, seconds: dict[str, float]) -> DecisionRecord:
        for stage, spent in decision.seconds.items():
            seconds[stage] += spent
        return decision_record(decision, self.name, self.versions, self.pipeline.thresholds, self.pipeline.fusion)

    def _write(self, desk: HttpDesk, record: DecisionRecord) -> WritebackRecord:
        """Write one decision; the desk's refusal is noted, never raised: the other tickets go on."""
        fields = {name: record.fusion[name].label for name in record.written}
        try:
            result = desk.write(
                record.ticket_id,
                revision=record.revision,
                fields=fields,
                comment=compose(record, self.comment_language),
                marker={"decision": record.digest},
            )
        except RevisionConflict as error:
            return self._note(record, "conflict", error=str(error))
        except DeskError as error:
            return self._note(record, "failed", error=str(error))
        state: WriteState = "written" if result.written else "already"
        return self._note(record, state, new_revision=result.revision, skipped_fields=tuple(result.skipped))

    def _note(
        self,
        record: DecisionRecord,
        state: WriteState,
        *,
        new_revision: str = "",
        skipped_fields: tuple[str, ...] = (),
        error: str = "",
    ) -> WritebackRecord:
        return WritebackRecord(
            run=self.name,
            at=now(),
            ticket_id=record.ticket_id,
            revision=record.revision,
            state=state,
            decision=record.digest,
            new_revision=new_revision,
            skipped_fields=skipped_fields,
            error=error,
        )
