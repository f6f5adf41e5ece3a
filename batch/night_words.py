"""The words of a night's report, in Spanish and English."""

from collections.abc import Mapping

from batch.closed import REFUSALS

WORDS: Mapping[str, tuple[str, str]] = {  # key: (Spanish, English)
    "night_report": ("Informe de la noche", "Nightly report"),
    "dry": ("Simulación: no se cambió nada.", "Dry run: nothing was changed."),
    "base": ("Base de conocimiento", "Knowledge base"),
    "exemplars": ("ejemplares", "exemplars"),
    "nothing": ("No había nada que cambiar.", "There was nothing to change."),
    "withheld": (
        "La base candidata no sustituyó a la actual: es peor en {fields}.",
        "The candidate did not replace the base in use: it is worse in {fields}.",
    ),
    "phases": ("Fases", "Phases"),
    "phase": ("Fase", "Phase"),
    "took": ("Duración", "Took"),
    "found": ("Resultado", "Found"),
    "trial": ("Antes y después, con los mismos ejemplares apartados", "Before and after, on the same held-out exemplars"),
    "field": ("Campo", "Field"),
    "before": ("Antes", "Before"),
    "after": ("Después", "After"),
    "won_lost": ("Ganados / perdidos", "Won / lost"),
    "coverage": ("Cobertura", "Coverage"),
    "changes": ("Cambios", "Changes"),
    "applied": ("Aplicados", "Applied"),
    "proposed": ("Esperan la palabra de alguien", "Waiting for somebody's word"),
    "proposed_note": (
        "En la página Noches de `python -m batch web`, o con `python -m batch maintain approve ID` y `revert ID`.",
        "On the page Nights of `python -m batch web`, or with `python -m batch maintain approve ID` and `revert ID`.",
    ),
    "none_waiting": ("Nada espera la palabra de nadie", "Nothing waits for a word"),
    "waiting": ("{n} esperan su palabra", "{n} wait for your word"),
    "settled": ("Lo que cambiaron las noches", "What the nights changed"),
    "word": ("Su palabra", "Your word"),
    "approve": ("Aprobar", "Approve"),
    "decline": ("Rechazar", "Reject"),
    "undo": ("Deshacer", "Undo"),
    "restore": ("Aplicar de nuevo", "Apply again"),
    "approved": ("aprobado", "approved"),
    "tonight": ("La próxima noche lo aplica.", "The next night applies it."),
    "deferred": ("Aplazados: una noche cambia solo una parte", "Deferred: a night changes only a part"),
    "entry": ("Entrada", "Entry"),
    "what": ("Qué", "What"),
    "why": ("Por qué", "Why"),
    "ticket": ("Ticket", "Ticket"),
    "more": ("y {n} más", "and {n} more"),
    "incidents": ("Incidentes emergentes: proponer un incidente padre", "Emerging incidents: propose a parent incident"),
    "gaps": ("Lagunas: temas que la base no conoce", "Gaps: subjects that the base does not know"),
    "thin": ("Etiquetas con pocos ejemplares", "Labels with few exemplars"),
    "asked": ("{asked} decisiones, {known} ejemplares", "{asked} decisions, {known} exemplars"),
    "tickets": ("{n} tickets, del {first} al {last}", "{n} tickets, {first} to {last}"),
    "refused": ("Cerrados que no entran", "Closed tickets that were not taken in"),
    "drift": ("Deriva", "Drift"),
    "no_drift": ("sin alarmas", "no alarm"),
    "backup": ("Copia de seguridad", "Backup"),
    "drill": ("Ensayo de restauración", "Restore drill"),
    "all_equal": ("abierta: {n} búsquedas iguales", "opened: {n} searches equal"),
    "unequal": ("la copia no coincide: {why}", "the backup differs: {why}"),
    "failed": ("Falló: {why}", "Failed: {why}"),
    # actions
    "added": ("entra", "taken in"),
    "merged": ("copia retirada", "copy retired"),
    "retired": ("retirado", "retired"),
    "relabelled": ("otra etiqueta", "other label"),
    # reasons
    "copy": ("casi idéntico a {into}", "nearly the same as {into}"),
    "contradiction": ("texto casi idéntico con otra etiqueta", "nearly the same text with another label"),
    "unlikely": (
        "todos los demás dicen otra cosa ({p_label} frente a {p_likely})",
        "all the others say otherwise ({p_label} against {p_likely})",
    ),
    "stale": ("resuelto el {resolved}, sin uso desde entonces", "resolved on {resolved}, not used since"),
    "harmful": ("llevó a error {wrong} de {uses} veces", "led astray {wrong} of {uses} times"),
    "closed": ("ticket cerrado {ticket}", "closed ticket {ticket}"),
    "verdict": ("veredicto de una persona", "a person's verdict"),
    "taken_back": ("veredicto retirado", "verdict taken back"),
    "reverted": ("deshecho por una persona", "reverted by a person"),
    # phases
    "decisions": ("palabras de personas", "people's words"),
    "later": ("cambios posteriores", "later changes"),
    "collect": ("recogida", "collecting"),
    "duplicates": ("duplicados", "duplicates"),
    "contradictions": ("contradicciones", "contradictions"),
    "audit": ("auditoría de etiquetas", "label audit"),
    "retire": ("retirada", "retirement"),
    "apply": ("candidata", "candidate"),
    "fit": ("ajuste", "fit"),
}


FIGURES: Mapping[str, tuple[str, str]] = {  # what a phase counted
    "due": ("pendientes", "due"),
    "changed_later": ("cambiados después", "changed later"),
    "verdicts": ("veredictos", "verdicts"),
    "closed": ("cerrados", "closed"),
    "refused": ("no admitidos", "not taken in"),
    "copies": ("copias", "copies"),
    "contradictions": ("contradicciones", "contradictions"),
    "suspects": ("sospechosos", "suspects"),
    "proposed": ("propuestos", "proposed"),
    "harmful": ("dañinos", "harmful"),
    "stale": ("anticuados", "stale"),
    "incidents": ("incidentes", "incidents"),
    "gaps": ("lagunas", "gaps"),
    "thin_labels": ("etiquetas con pocos ejemplares", "thin labels"),
    "applied": ("aplicados", "applied"),
    "deferred": ("aplazados", "deferred"),
    "fields": ("campos", "fields"),
    "not_yet": ("aún no", "not yet"),
    "look": ("mirada", "look"),
    "alarms": ("alarmas", "alarms"),
    "refit": ("reajustar", "refit"),
    "file": ("fichero", "file"),
    "new": ("nuevo", "new"),
    "bytes": ("bytes", "bytes"),
    "let_go": ("copias dejadas ir", "let go"),
    "searches": ("búsquedas", "searches"),
    "equal": ("iguales", "equal"),
    **REFUSALS,
}


def spoken(key: str, language: str, **values: object) -> str:
    """A phrase of the report with its values."""
    return WORDS[key][0 if language == "es" else 1].format(**values)


def counted(key: str, language: str) -> str:
    """What a figure of a phase, or of the tickets that were not taken in, counts."""
    return FIGURES[key][0 if language == "es" else 1]
