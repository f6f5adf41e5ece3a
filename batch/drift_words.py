"""The words of a drift report, in Spanish and English."""

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {  # key: (Spanish, English)
    "reference": ("Referencia", "Reference"),
    "window": ("Ventana", "Window"),
    "span": ("{n} tickets, {since} a {until} (versión {version})", "{n} tickets, {since} to {until} (version {version})"),
    "look": (
        "Mirada {look} de {looks} con esta referencia; en todas juntas, una falsa alarma con probabilidad {alpha} como mucho.",
        "Look {look} of {looks} at this reference; over all of them a false alarm has a chance of {alpha} at most.",
    ),
    "renewed": ("La referencia es nueva: {why}.", "The reference is new: {why}."),
    "renewed_first": ("no había ninguna", "there was none"),
    "renewed_asked": ("se pidió", "as asked"),
    "renewed_overlap": ("la ventana pedida alcanza la anterior", "the window that was asked for reaches into the one before"),
    "renewed_spent": ("la anterior había agotado sus miradas", "the one before had spent its looks"),
    "renewed_lost": (
        "el diario ya no tiene los tickets de la anterior",
        "the journal no longer has the tickets of the one before",
    ),
    "changed": ("Desde la referencia han cambiado: {names}.", "Changed since the reference: {names}."),
    "signal": ("señal", "signal"),
    "tickets": ("tickets", "tickets"),
    "effect": ("efecto", "effect"),
    "p_value": ("p", "p"),
    "p_adjusted": ("p corregida", "p, corrected"),
    "verdict": ("", ""),
    "examples": ("ejemplos", "examples"),
    "drift": ("DERIVA", "DRIFT"),
    "quiet": ("–", "–"),
    "too_few": ("muy pocos", "too few"),
    "none": ("No hay deriva.", "No drift."),
    "found": ("Qué hacer:", "What to do:"),
    "up": ("sube", "up"),
    "down": ("baja", "down"),
    "refit": (
        "El triaje decide peor que en la referencia: corrija lo que espera (`review`) y ajústelo de nuevo (`fit`).",
        "The triage decides worse than in the reference: judge what waits (`review`) and fit it again (`fit`).",
    ),
}
ACTIONS: Mapping[str, tuple[str, str]] = {
    "topic": (
        "Llegan otros textos. Lea los ejemplos: un incidente pasará; un tema nuevo pide veredictos y casos resueltos.",
        "Other texts arrive. Read the examples: an incident will pass; a new topic needs verdicts and resolved tickets.",
    ),
    "labels": (
        "Cambia el reparto de etiquetas. Compruebe en los ejemplos si cambian los tickets o se equivoca el triaje.",
        "The mix of labels moved. See in the examples whether the tickets changed or the triage errs.",
    ),
    "sure": (
        "El triaje está menos o más seguro que antes. Si baja: juzgue los ejemplos y ajuste de nuevo.",
        "The triage is less or more sure than before. Where it is less: judge the examples and fit again.",
    ),
    "texts": (
        "Cambia la forma de los textos. Mire si hay canal, plantilla o idioma nuevos, y si la limpieza los deja enteros.",
        "The form of the texts moved. Look for a new channel, template or language, and whether cleaning leaves them whole.",
    ),
    "rejected": (
        "Más tickets acaban en una persona. Los ejemplos son de cuando empezó; `report` dice las causas.",
        "More tickets go to a person. The examples are from when it began; `report` says why.",
    ),
    "accuracy": (
        "Las personas confirman menos (o más). Si baja, ajuste de nuevo antes de fiarse de lo que se escribe solo.",
        "People confirm less (or more). Where it is less, fit again before trusting what is filled in.",
    ),
    "calibration": (
        "La confianza ya no dice lo que decía: ajuste de nuevo para que los umbrales vuelvan a valer.",
        "Confidences no longer mean what they did: fit again, so that the thresholds hold again.",
    ),
}


def word(key: str, language: str, **values: object) -> str:
    """The words of a key with its values put in."""
    return _in(WORDS[key], language).format(**values)


def action(key: str, language: str) -> str:
    """What to do about a signal."""
    return _in(ACTIONS[key], language)


def _in(pair: tuple[str, str], language: str) -> str:
    return pair[0] if language == "es" else pair[1]
