"""Whether the words under which a ticket was closed say what helped: the quality rule of a resolution that is to be reused."""

import re

from core.text import fold
from review.courtesy import only_courtesy

FEWEST_WORDS = 3
_SENTENCE = re.compile(r"[.!;\n]+")
_WORD = re.compile(r"[^\W\d_]{2,}")
_GREETING = re.compile(r"^(?:estimad[oa]s?|dear|hola|buenos dias|buenas tardes|hello)(?: [a-z/]+)?, ?")
_BOILERPLATE = re.compile(
    r"(?:el |la |su |este |esta |se )?(?:ticket|caso|incidencia|solicitud|peticion|consulta)? ?(?:se |queda |ha sido |fue |es )*"
    r"(?:cerrad[oa]|cierra|cerramos|procede al? cierre|finalizad[oa]|resuelt[oa]|solucionad[oa]|atendid[oa]|completad[oa])"
    r"(?: (?:el|la|este|esta|su) (?:ticket|caso|incidencia|solicitud|peticion|consulta))?"
    r"(?: (?:automaticamente|por (?:inactividad|falta de respuesta|el sistema|duplicad[oa]|error)|sin respuesta.{0,40}))?"
    r"|(?:sin|no hay|no se recibio|no hubo) respuesta.{0,40}|por falta de respuesta.{0,40}"
    r"|(?:quedo|quedamos|estamos) (?:a (?:su|tu|vuestra) disposicion|atentos?|pendientes?).{0,60}|a (?:su|tu) disposicion.{0,40}"
    r"|no dudes?e? en .{0,60}|si (?:vuelve|persiste|se repite|tienes?|necesitas?|el problema|la incidencia) .{0,80}"
    r"|(?:le|te|les) informamos (?:de )?que (?:su|tu) .{0,40}(?:atendid[oa]|cerrad[oa]|resuelt[oa]|recibid[oa])"
    r"|estimad[oa]s? (?:usuari|client|compan)\w*|ver (?:adjunto|comentarios?|historial)|(?:lo )?dicho|ok|n/?a|ninguna?|none|tbd"
    r"|(?:this |the |your )?(?:ticket|case|request|issue|incident)? ?(?:has |been |was |is |now |we are )*"
    r"(?:closed|closing|resolved|solved|completed|fixed|done)(?: (?:this|the) (?:ticket|case|request|issue))?"
    r"(?: (?:automatically|as duplicate|due to .{0,40}|because of .{0,40}|after no .{0,30}|by the system))?"
    r"|no (?:further )?(?:response|reply|answer|action).{0,40}|please (?:reopen|let us know|contact us|do not hesitate).{0,80}"
    r"|(?:if|should) (?:the|this|you|it) .{0,80}|do(?:n'?t| not) hesitate .{0,60}|see (?:comments?|attached|above|notes?)"
    r"|dear (?:user|customer|colleague)s?|auto.?closed"
)
"""A whole sentence that could stand under any ticket."""


def why_useless(text: str) -> str:
    """Why a resolution tells nothing: `no_resolution`, `thanks_only`, `boilerplate` or `short_resolution`; "" where it tells."""
    if not _WORD.search(text):
        return "no_resolution"
    sentences = [one.strip(" \t,:-*") for one in _SENTENCE.split(text) if _WORD.search(one)]
    said = [one for one in sentences if not only_courtesy(one) and not _says_all_and_nothing(one)]
    if not said:
        return "thanks_only" if all(map(only_courtesy, sentences)) else "boilerplate"
    return "" if sum(len(_WORD.findall(one)) for one in said) >= FEWEST_WORDS else "short_resolution"


def _says_all_and_nothing(sentence: str) -> bool:
    return _BOILERPLATE.fullmatch(_GREETING.sub("", fold(sentence)).strip(" ,:-")) is not None
