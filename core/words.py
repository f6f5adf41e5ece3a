"""What is said to people, in Spanish and English: the reasons of escalations, verdicts and suggestions."""

from collections.abc import Mapping

from core.triage import Reason

REASONS: Mapping[str, Mapping[str, str]] = {
    # why a ticket went to a person
    "empty": {"en": "the ticket is empty", "es": "el ticket está vacío"},
    "pointless": {
        "en": "the ticket says nothing that can be worked on",
        "es": "el ticket no dice nada sobre lo que se pueda trabajar",
    },
    "auto_reply": {"en": "it is an automatic reply", "es": "es una respuesta automática"},
    "no_evidence": {"en": "nothing like it is known", "es": "no se conoce nada parecido"},
    "failed": {"en": "{stage} failed: {error}", "es": "falló {stage}: {error}"},
    "critic_silent": {"en": "the critic gave no readable verdict", "es": "el crítico no dio un veredicto legible"},
    "rejected": {
        "en": "the critic gives it {score} of 100, under {approve_at}",
        "es": "el crítico le da {score} de 100, menos de {approve_at}",
    },
    "conflict": {"en": "somebody changed the ticket meanwhile", "es": "alguien cambió el ticket entretanto"},
    "write_failed": {"en": "the desk did not take it: {error}", "es": "la mesa no lo aceptó: {error}"},
    # why nothing was filled in
    "under_threshold": {
        "en": "{field}: {confidence} is under the threshold {threshold}",
        "es": "{field}: {confidence} está bajo el umbral {threshold}",
    },
    "no_threshold": {
        "en": "{field}: no threshold holds the target {target} yet",
        "es": "{field}: ningún umbral sostiene aún el objetivo {target}",
    },
    "doubted": {"en": "{field}: the critic doubts it", "es": "{field}: el crítico duda"},
    "suggest_only": {"en": "{field} is only suggested, by the taxonomy", "es": "{field} solo se sugiere, según la taxonomía"},
    # what the critic saw
    "experts_disagree": {"en": "the experts disagree on {field}", "es": "los expertos no coinciden en {field}"},
    "narrow_margin": {
        "en": "{field}: {first} and {second} are nearly as likely",
        "es": "{field}: {first} y {second} son casi igual de probables",
    },
    "far_from_known": {
        "en": "the nearest past ticket is far ({similarity})",
        "es": "el ticket pasado más cercano está lejos ({similarity})",
    },
    "breaks_rule": {
        "en": "the likeliest labels contradict a rule ({fields})",
        "es": "las etiquetas más probables contradicen una regla ({fields})",
    },
    "uncertain": {"en": "{field} is uncertain ({label})", "es": "{field} es incierto ({label})"},
    "little_text": {"en": "there is little text to go by", "es": "hay poco texto en que apoyarse"},
    "unsupported": {
        "en": "no retrieved exemplar carries {label} for {field}",
        "es": "ningún caso recuperado lleva {label} en {field}",
    },
    "hostile": {
        "en": "it contains instructions to the system, which were cut",
        "es": "contiene instrucciones al sistema, que se quitaron",
    },
    "critic_says": {"en": "the critic's words: {words}", "es": "en palabras del crítico: {words}"},
    "likely_right": {"en": "experts and past tickets agree", "es": "los expertos y los casos pasados coinciden"},
    # why nothing is proposed to be done
    "no_precedent": {"en": "no past ticket is near enough to say what to do", "es": "ningún caso pasado es lo bastante parecido"},
    # what to try
    "avoid_exemplars": {"en": "leave out {count} exemplars that pull away", "es": "dejar fuera {count} casos que desvían"},
    "ask_user": {"en": "ask the user for more detail", "es": "pedir más detalle al usuario"},
    "label_more": {"en": "confirm this ticket's labels: it teaches", "es": "confirmar las etiquetas de este ticket: enseña"},
}


def say(reason: Reason, language: str = "en") -> str:
    """A reason as a sentence in a language ("es", "en"; any other is said in English)."""
    texts = REASONS[reason.code]
    return texts.get(language, texts["en"]).format_map(reason.values)
