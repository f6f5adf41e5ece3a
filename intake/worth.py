"""Tickets that say nothing: empty, pointless, or an automatic reply. They go to a person as such, and nothing is guessed."""

import re

from core.text import fold
from core.ticket import CleanTicket
from core.triage import Reason

_WORD = re.compile(r"[^\W\d_]+")
_AUTO_REPLY = re.compile(
    r"respuesta automatica|automatic reply|auto-?reply|out of (the )?office|fuera de (la )?oficina|ausencia automatica"
    r"|\bestare (ausente|de vacaciones)\b|\bi am (currently )?(away|on (annual )?leave|out of office)\b"
    r"|mail delivery (failed|subsystem)|undeliverable"
)
_FILLERS = frozenset(
    """
    hola buenas buenos dias dia tardes noches gracias muchas mil ok okay vale si no perdon disculpe disculpa saludos un saludo
    por favor porfa test prueba testing probando asdf qwerty jaja jajaja lol nada ninguno ninguna na nd none nothing
    hello hi hey dear good morning afternoon evening thanks thank you thx cheers please pls sorry yes yep fwd fw re rv
    ticket caso ayuda help urgente urgent team equipo all todos a al de la el lo los las y o e the to of and or is this it me
    mensaje message asunto subject sin ignore ignorar esto solo una estoy haciendo soy im am just ignoren
    """.split()  # noqa: SIM905 - one word a token reads better than quotes
)


def refuse(ticket: CleanTicket) -> Reason | None:
    """Why a ticket can't be worked on, or None where it can."""
    if not ticket.text:
        return Reason("empty")
    folded = fold(ticket.text)
    if _AUTO_REPLY.search(folded):
        return Reason("auto_reply")
    words = _WORD.findall(folded)
    return None if any(word not in _FILLERS and len(word) > 1 for word in words) else Reason("pointless")
