"""The intake: a ticket as received becomes the only form of it that anything else may see."""

from collections import Counter
from collections.abc import Callable, Iterable

from core.errors import SettingsError
from core.ticket import CleanTicket, Ticket
from intake import characters, instructions, language, markup, quoting, signature
from intake.redact import redact
from intake.tidy import clip, tidy

MOST_CHARACTERS = 20_000
"""Of a body after cleaning; what is beyond is counted in `removed["truncated"]`."""
MOST_SUBJECT = 1_000
_MOST_RAW = 200_000
_MOST_TEXT = 60_000
_MARGIN = 500
_MOST_PASSES = 8
_SHORTEST_KEY = 16
_PARTS = (("quoted", quoting.newest), ("signature", signature.strip))


class Intake:
    """Cleans and redacts. Instances with the same key give the same pseudonyms; nothing is kept between tickets.

    Cleaning what is already clean changes nothing: passes are made until one leaves the text as it was.

    Args:
        key: the secret of the pseudonyms, at least 16 bytes (`load_key`).

    Raises:
        SettingsError: the key is too short.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < _SHORTEST_KEY:
            raise SettingsError(
                f"A pseudonym key of {len(key)} bytes can be guessed.", remedy="Use `intake.load_key`, which makes one of 32."
            )
        self._key = key

    def clean(self, ticket: Ticket) -> CleanTicket:
        """The ticket without markup, quoted mail, signature, invisible characters, instructions to the system and personal data.

        `removed` counts by kind: invisible and truncated (characters), hidden (comments and elements a reader would not see),
        quoted and signature (lines), instruction (sentences and blocks). Never raises, whatever the text.
        """
        removed: Counter[str] = Counter()
        redactions: Counter[str] = Counter()
        subject = self._settled(ticket.subject, removed, redactions, subject=True)
        body = self._settled(ticket.body, removed, redactions)
        return CleanTicket(
            id=ticket.id,
            subject=subject,
            body=body,
            revision=ticket.revision,
            mailbox=ticket.mailbox,
            language=language.detect(f"{subject}\n{body}"),
            redactions={kind: redactions[kind] for kind in sorted(redactions)},
            removed={kind: removed[kind] for kind in sorted(removed) if removed[kind]},
        )

    def clean_text(self, text: str) -> str:
        """A resolution's text: without markup, invisible characters and personal data, its lines kept.

        Quotations, sign-offs and orders stay: "> Settings > Signature" and "set the priority to 1" are what somebody did.
        """
        return self._settled(text, Counter(), Counter(), trusted=True)

    def _settled(
        self, text: str, removed: Counter[str], redactions: Counter[str], *, subject: bool = False, trusted: bool = False
    ) -> str:
        text = _clipped(text, _MOST_RAW, removed)
        for _ in range(_MOST_PASSES):
            before = text
            text = _readable(text, removed)
            text = " ".join(text.split()) if subject else text
            text = text if trusted else _own(text, removed, () if subject else _PARTS)
            text, counts = redact(_clipped(text, MOST_CHARACTERS + _MARGIN, removed), self._key)
            redactions.update(counts)
            text = _clipped(tidy(text), MOST_SUBJECT if subject else MOST_CHARACTERS, removed)
            if text == before:
                break
        return text


def _clipped(text: str, most: int, removed: Counter[str]) -> str:
    kept = clip(text, most)
    removed["truncated"] += len(text) - len(kept)
    return kept


def _readable(text: str, removed: Counter[str]) -> str:
    """Visible characters only, no markup. Instructions that were hidden in comments count as instructions too."""
    text, dropped = characters.visible(text)
    seen, hidden = markup.to_text(text)
    if seen is not text:
        seen, more = characters.visible(seen)
        dropped += more
    removed["invisible"] += dropped
    removed["hidden"] += len(hidden)
    removed["instruction"] += sum(instructions.cut(piece[:_MARGIN])[1] > 0 for piece in hidden[:20])
    return _clipped(seen, _MOST_TEXT, removed)


def _own(text: str, removed: Counter[str], parts: Iterable[tuple[str, Callable[[str], tuple[str, int]]]]) -> str:
    """What the sender says to people: no instructions and, of a body, no quoted mail and no signature."""
    for kind, stage in (("instruction", instructions.cut), *parts):
        text, count = stage(text)
        removed[kind] += count
    return text
