"""Tickets that say nothing: empty, pointless, or an automatic reply. They go to a person as such, and nothing is guessed.

In doubt a ticket is worked on: refusing one that means something costs more than asking the experts about one that does not.
"""

import re

from core.text import fold
from core.ticket import CleanTicket
from core.triage import Reason

_WORD = re.compile(r"[^\W\d_]+")
_AGAIN = re.compile(r"(.)\1+")
_MASHED = re.compile(r"(?:asd|qwe|zxc|sdf|dfg|fgh|ghj|jkl)\w*|(?:j[aeio]|h[ae])+[jh]?|lo+l|x+d+")
_FILLERS = """
    hola buenas buenos buen buena dias dia tardes tarde noches noche gracias muchas muchisimas mil ok okay vale si no perdon
    perdona disculpe disculpa saludos saludo un cordial cordiales atentamente atte por favor porfa porfi test prueba pruebas
    testing probando nada ninguno ninguna na nd none nothing perfecto perfecta genial estupendo listo abrazo besos feliz felices
    hello hi hey heya hiya dear good morning afternoon evening thanks thank you thx ty cheers please pls plz sorry yes yep yeah
    great perfect cool fine regards best kind have nice lovely day weekend happy merry fwd fw re rv ayuda help urgente urgent team
    equipo all todo todos a al es un de del el lo los las y o e the to of and or is this it me your mensaje message ignore ignorar
    ignoren ignorad esto solo una estoy haciendo soy im am just ping sos u ya there here anyone anybody someone somebody are
    alguien ahi aqui hay algun alguno estais estan estas majo maja majos guapo guapa crack jefe jefa amigo amiga amigos chicos
    chicas tio colega lads lad mate guys folks buddy sir madam
"""
_PLACEHOLDERS = """
    subject asunto titulo title sin ticket caso case incidencia incidente incident issue problema problem consulta query question
    solicitud peticion request soporte support averia reporte nuevo nueva new
"""


def _squeezed(word: str) -> str:
    """`holaaa` is `hola`."""
    return _AGAIN.sub(r"\1", word)


_SAY_NOTHING = frozenset(map(_squeezed, (_FILLERS + _PLACEHOLDERS).split()))

# What a mail server puts before the subject of an automatic reply or a bounce; forwarded by a person it has RE or FW first.
_AUTO_SUBJECT = re.compile(
    r"(?:automatic reply|auto-?(?:matic )?(?:response|reply)|(?:respuesta|contestacion) automatica|ausencia automatica"
    r"|undeliver(?:able|ed)|mail delivery (?:failed|failure)|delivery (?:status notification|failure)"
    r"|no se (?:puede|pudo) entregar"
    r"|returned mail|out of (?:the )?office|fuera de (?:la )?oficina) ?(?::|\(|-)"
)
_ABSENT = re.compile(
    r"\b(?:i am|i'm|i will be|i'll be|estoy|me encuentro|estare)(?: \w+){0,2} (?:out of (?:the )?office|away|on (?:\w+ )?leave"
    r"|on (?:holidays?|vacation)|fuera de (?:la )?oficina|(?:de|en) vacaciones|ausente|de (?:baja|permiso))\b"
)
_DEFERS = re.compile(
    r"limited access|acceso limitado|(?:respond|reply|answer|get back)\b.{0,40}\b(?:my return|i return|i am back|i'm back)"
    r"|(?:respondere|contestare|atendere)\b.{0,60}\b(?:regreso|vuelta|vuelva|regrese)"
    r"|(?:for|in case of) .{0,20}\b(?:urgent|pressing|emergenc)|(?:para|en caso de) .{0,25}\b(?:urgent|urgencia|emergencia)"
)
_LONGEST_AUTO_REPLY = 800
"""Characters: a longer text is a person's own words with such a reply in it."""


def refuse(ticket: CleanTicket) -> Reason | None:
    """Why a ticket can't be worked on, or None where it can."""
    if not ticket.body and _says_nothing(ticket.subject):
        return Reason("empty")
    if _is_auto_reply(ticket):
        return Reason("auto_reply")
    return Reason("pointless") if _says_nothing(ticket.text) else None


def _says_nothing(text: str) -> bool:
    words = (_squeezed(word) for word in _WORD.findall(fold(text)))
    return all(len(word) == 1 or word in _SAY_NOTHING or _MASHED.fullmatch(word) for word in words)


def _is_auto_reply(ticket: CleanTicket) -> bool:
    body = fold(ticket.body)
    if _AUTO_SUBJECT.match(fold(ticket.subject)):
        return True
    return len(body) <= _LONGEST_AUTO_REPLY and _ABSENT.search(body) is not None and _DEFERS.search(body) is not None
