"""What people said since the index was built, ready to be searched beside it, and read again whenever they say more."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from core.taxonomy import Taxonomy
from core.ticket import Vectors
from knowledge.base import KnowledgeBase
from knowledge.fresh import Fresh
from observability.journal import Journal
from review.corrections import JOURNAL, judged


@dataclass
class Corrections:
    """The exemplars that verdicts make, less those that the index has by now.

    Args:
        journal: the file; nobody has said anything where there is none.
        encode: texts to unit vectors (n, d).
    """

    journal: Path
    taxonomy: Taxonomy
    knowledge: KnowledgeBase
    encode: Callable[[Sequence[str]], Vectors]
    floor: float
    _read: int = field(default=0, init=False)
    _fresh: Fresh = field(default=Fresh((), np.zeros((0, 0), np.float32)), init=False)

    def current(self) -> Fresh:
        """As of now; StorageError where the journal can't be read."""
        if self.journal.exists():
            with Journal(self.journal) as journal:
                said = journal.said()
                if said != self._read:
                    made = judged(journal.about_judged(), self.taxonomy).rows
                    known = self.knowledge.get([exemplar.id for exemplar in made])
                    new = [exemplar for exemplar in made if exemplar.id not in known]
                    outdated = self._indexed - {exemplar.id for exemplar in made}
                    self._fresh = Fresh(new, self.encode([exemplar.text for exemplar in new]), self.floor, outdated)
                    self._read = said
        return self._fresh

    @cached_property
    def _indexed(self) -> frozenset[str]:
        """Ids of the index's exemplars that come from verdicts: those may have been taken back or given anew since."""
        return frozenset(one.id for one in self.knowledge.exemplars() if one.source == JOURNAL)

    @property
    def version(self) -> str:
        """ "" where nobody has said anything, else a mark that grows with every word."""
        self.current()
        return f"+{self._read}" if self._fresh.exemplars or self._fresh.outdated else ""
