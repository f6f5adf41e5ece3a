"""Every fixed word of the reports, in Spanish and English, in one place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from batch.report_models import Said
from batch.report_numbers import Numbers
from core.errors import InputError

Language: TypeAlias = Literal["es", "en"]

WORDS: Mapping[str, tuple[str, str]] = {  # key: (Spanish, English)
    "run_report": ("Informe de ejecución", "Run report"),
    "evaluation": ("Evaluación", "Evaluation"),
    "made_by": (
        "Página autónoma de Tamiz: no carga nada de fuera y puede leerse sin conexión.",
        "A self-contained page by Tamiz: it loads nothing from outside and reads offline.",
    ),
    "contents": ("Contenido", "Contents"),
    "from": ("Origen", "Source"),
    "started": ("Inicio", "Started"),
    "took": ("Duración", "Took"),
    "speed": ("Ritmo", "Speed"),
    "per_second": ("{n} tickets por segundo", "{n} tickets per second"),
    "dry_run": (
        "Simulación: no se ha escrito nada en la mesa de servicio.",
        "Dry run: nothing was written to the service desk.",
    ),
    "nothing_left": ("No quedaba nada por hacer.", "There was nothing left to do."),
    "charts": ("De un vistazo", "At a glance"),
    "decisions": ("Decisiones", "Decisions"),
    "details": ("Versiones y archivos", "Versions and files"),
    "total": ("Total", "Total"),
    "other_n": ("{n} más", "{n} more"),
    # outcomes
    "accepted": ("Aceptados", "Accepted"),
    "suggested": ("Sugeridos", "Suggested"),
    "escalated": ("Para una persona", "For a person"),
    "accepted_note": ("con campos escritos", "with fields filled in"),
    "suggested_note": ("solo propuestos", "proposed, nothing filled in"),
    "escalated_note": ("los decide alguien", "somebody decides"),
    "unreadable": ("Ilegibles", "Unreadable"),
    "written": ("Escritos", "Written"),
    "already_done": ("Ya hechos antes", "Already done before"),
    # charts of a run
    "outcomes_by_group": ("Resultado por grupo", "Outcomes by group"),
    "outcomes_by_group_note": ("Tickets de cada grupo de asignación propuesto.", "Tickets of each proposed assignment group."),
    "scores": ("Nota del crítico", "The critic's score"),
    "scores_note": (
        "Probabilidad de que el triaje sea correcto, de 0 a 100; se aprueba desde {approve_at}.",
        "How likely the triage is right, 0 to 100; approved from {approve_at}.",
    ),
    "unscored": ("Sin nota: {n}.", "Without a score: {n}."),
    "approval": ("se aprueba desde {n}", "approved from {n}"),
    "cause_chart": ("Por qué decide una persona", "Why a person decides"),
    "cause_chart_note": ("Un ticket puede tener varias causas.", "A ticket may have several causes."),
    "seconds_chart": ("Tiempo por etapa", "Time per stage"),
    "seconds_chart_note": ("Suma de toda la ejecución.", "Summed over the whole run."),
    "tickets_axis": ("tickets", "tickets"),
    # a ticket
    "score": ("nota", "score"),
    "score_of_100": ("{n} de 100", "{n} of 100"),
    "field": ("Campo", "Field"),
    "proposal": ("Propuesta", "Proposal"),
    "confidence": ("Confianza", "Confidence"),
    "mode": ("Modo", "Mode"),
    "runners_up": ("Otras opciones", "Runners-up"),
    "evidence": ("Evidencia", "Evidence"),
    "resolution": ("Resolución propuesta", "Proposed resolution"),
    "from_exemplar": ("Palabras del caso", "Words of exemplar"),
    "group": ("Grupo", "Group"),
    "system": ("Sistema", "System"),
    "why": ("Por qué decide una persona", "Why a person decides"),
    "why_not_filled": ("Por qué no se rellena", "Why nothing is filled in"),
    "critic_says": ("Lo que vio el crítico", "What the critic saw"),
    "priority": ("Prioridad", "Priority"),
    "language": ("Idioma", "Language"),
    "revision": ("Revisión", "Revision"),
    "attempts": ("Intentos", "Attempts"),
    "writeback": ("Escritura", "Writeback"),
    "no_summary": ("sin resumen", "no summary"),
    "no_evidence": ("ninguna", "none"),
    "none_of_these": ("Ninguno.", "None."),
    # thresholds
    "thresholds": ("Umbrales", "Thresholds"),
    "thresholds_note": (
        "Un campo solo se rellena si su umbral sostiene el objetivo en tickets apartados; si no, se sugiere.",
        "A field is only filled in where its threshold holds the target on held-out tickets; else it is suggested.",
    ),
    "threshold": ("Umbral", "Threshold"),
    "no_threshold": ("ninguno", "none"),
    "target": ("Objetivo", "Target"),
    "precision": ("Precisión", "Precision"),
    "lower": ("Al menos", "At least"),
    "coverage": ("Cobertura", "Coverage"),
    "held_out": ("Apartados", "Held out"),
    "meaning": ("Qué significa", "What it means"),
    "holds": (
        "Se sostiene: rellena {coverage} de los tickets y acierta en {precision} (con un 95 % de seguridad, al menos {lower}).",
        "Holds: it fills in {coverage} of the tickets and is right in {precision} of them (at least {lower}, with 95% certainty).",
    ),
    "lacks_data": (
        "Faltan unos {needed} tickets etiquetados más; sobre todo de «{weakest}».",
        "About {needed} more labelled tickets are needed, above all of “{weakest}”.",
    ),
    "lacks_data_any": ("Faltan unos {needed} tickets etiquetados más.", "About {needed} more labelled tickets are needed."),
    "lacks_quality": (
        "Más tickets por sí solos no bastan: lo que más falla es «{weakest}». Revise sus etiquetas o su definición.",
        "More tickets alone would not do: “{weakest}” goes wrong most. Look at its labels or its definition.",
    ),
    "lacks_quality_any": (
        "Más tickets por sí solos no bastan: revise las etiquetas y sus definiciones.",
        "More tickets alone would not do: look at the labels and their definitions.",
    ),
    "lacks_all": ("Aún no hay tickets etiquetados de este campo.", "There are no labelled tickets of this field yet."),
    # problems
    "problems": ("Filas que no se pudieron leer", "Rows that could not be read"),
    "row": ("Fila", "Row"),
    "problem": ("Problema", "Problem"),
    "remedy": ("Qué hacer", "What to do"),
    # evaluation
    "n_kb": ("Tickets de la base", "Tickets known"),
    "n_test": ("Tickets de prueba", "Tickets tested"),
    "n_kb_note": ("con lo que se ajusta", "fitted on these"),
    "n_test_note": ("no vistos antes", "not seen before"),
    "duplicates": ("Casi duplicados compartidos", "Near-duplicates shared"),
    "duplicates_note": ("entre base y prueba", "between known and tested"),
    "speed_note": ("tickets por segundo", "tickets per second"),
    "summary": ("Resumen", "Summary"),
    "tested": ("Probados", "Tested"),
    "accuracy": ("Exactitud", "Accuracy"),
    "ci": ("IC 95 %", "95% CI"),
    "summary_note": (
        "Exactitud con su intervalo del 95 %. ECE: cuánto se desvía la confianza de la realidad. AURC: riesgo medio; "
        "ambas, cuanto más bajas mejor. Cobertura: lo que se responde con el umbral del objetivo.",
        "Accuracy with its 95% interval. ECE: how far confidence is from reality. AURC: mean risk; both are better the lower. "
        "Coverage: what is answered with the target's threshold.",
    ),
    "coverage_at": ("Cobertura al {target}", "Coverage at {target}"),
    "realised": ("Precisión lograda", "Precision achieved"),
    "is_right": ("acierta en {accuracy} ({interval})", "is right in {accuracy} ({interval})"),
    "clearly_better": (
        "Mejor que {name}, la mejor alternativa ({theirs}); no es azar (McNemar p {p}).",
        "Better than {name}, the best baseline ({theirs}); not by chance (McNemar p {p}).",
    ),
    "clearly_worse": (
        "Peor que {name}, la mejor alternativa ({theirs}); no es azar (McNemar p {p}).",
        "Worse than {name}, the best baseline ({theirs}); not by chance (McNemar p {p}).",
    ),
    "no_difference": (
        "Frente a {name}, la mejor alternativa ({theirs}), la diferencia puede ser azar (McNemar p {p}).",
        "Against {name}, the best baseline ({theirs}), the difference may be chance (McNemar p {p}).",
    ),
    "risk_coverage": ("Riesgo y cobertura", "Risk and coverage"),
    "risk_coverage_note": (
        "Lo que falla entre lo respondido, según cuánto se responde. Las marcas son los umbrales elegidos para cada precisión "
        "objetivo; la línea fina de su color es el riesgo permitido.",
        "What is wrong among what is answered, by how much is answered. The marks are the thresholds chosen for each target "
        "precision; the thin line in their colour is the risk allowed.",
    ),
    "coverage_axis": ("respondido (cobertura)", "answered (coverage)"),
    "risk_axis": ("mal entre lo respondido (riesgo)", "wrong among answered (risk)"),
    "reliability": ("Fiabilidad", "Reliability"),
    "reliability_note": (
        "Una confianza honesta cae sobre la diagonal. Barras: intervalo del 95 % y, abajo, tickets de cada tramo.",
        "An honest confidence lies on the diagonal. Bars: 95% interval and, below, the tickets of each bin.",
    ),
    "confidence_axis": ("confianza", "confidence"),
    "accuracy_axis": ("aciertos", "right"),
    "rivals": ("Expertos y alternativas", "Experts and baselines"),
    "rivals_note": (
        "Exactitud de Tamiz (banda: su intervalo del 95 %), de cada experto solo (con su peso en la mezcla) y de las alternativas.",
        "Accuracy of Tamiz (band: its 95% interval), of each expert alone (with its weight in the blend) and of the baselines.",
    ),
    "ours": ("Tamiz", "Tamiz"),
    "experts": ("Expertos", "Experts"),
    "baselines": ("Alternativas", "Baselines"),
    "weight": ("Peso", "Weight"),
    "numbers": ("Las cifras", "The figures"),
    "name": ("Nombre", "Name"),
    "confusion": ("Confusiones", "Confusion matrix"),
    "confusion_note": (
        "Filas: etiqueta correcta; columnas: la propuesta. Azul, aciertos; naranja, errores; más intenso, mayor parte de la fila.",
        "Rows: the right label; columns: the proposed one. Blue is right, orange wrong; stronger means more of the row.",
    ),
    "true_axis": ("correcta", "right label"),
    "predicted_axis": ("propuesta", "proposed"),
    "mixups": ("Confusiones más frecuentes", "Most frequent mix-ups"),
    "mixup_true": ("Era", "It was"),
    "mixup_predicted": ("Se propuso", "Proposed"),
    "count": ("Tickets", "Tickets"),
    "share_of_label": ("De la etiqueta", "Of the label"),
    "critic": ("El crítico", "The critic"),
    "critic_note": (
        "AUROC: probabilidad de que un triaje correcto tenga más nota que uno erróneo. Errores hallados: parte de todos los errores "
        "que hay entre los tickets de peor nota.",
        "AUROC: how likely a right triage scores above a wrong one. Errors found: the part of all errors that lies among the "
        "lowest-scored tickets.",
    ),
    "caught": ("Errores hallados revisando el {share}", "Errors found reviewing {share}"),
}

PLURALS: Mapping[str, tuple[tuple[str, str], tuple[str, str]]] = {  # key: (Spanish one, many), (English one, many)
    "headline": (("{n} ticket triado", "{n} tickets triados"), ("{n} ticket triaged", "{n} tickets triaged")),
    "tested_headline": (
        ("{n} campo, probado con {tests} tickets", "{n} campos, probados con {tests} tickets"),
        ("{n} field, tested on {tests} tickets", "{n} fields, tested on {tests} tickets"),
    ),
    "n_tickets": (("{n} ticket", "{n} tickets"), ("{n} ticket", "{n} tickets")),
    "other_labels": (("{n} etiqueta más", "{n} etiquetas más"), ("{n} other label", "{n} other labels")),
}

NAMES: Mapping[str, Mapping[str, tuple[str, str]]] = {  # family -> code -> (Spanish, English); other codes are said as they are
    "field": {
        "category": ("Categoría", "Category"),
        "subcategory": ("Subcategoría", "Subcategory"),
        "application": ("Aplicación", "Application"),
        "urgency": ("Urgencia", "Urgency"),
        "impact": ("Impacto", "Impact"),
        "assignment_group": ("Grupo de asignación", "Assignment group"),
        "resolution_kind": ("Tipo de resolución", "Resolution kind"),
        "priority": ("Prioridad", "Priority"),
        "queue": ("Cola", "Queue"),
    },
    "mode": {
        "autofill": ("se rellena", "filled in"),
        "suggest": ("se sugiere", "suggested"),
        "shadow": ("solo se registra", "recorded only"),
        "off": ("apagado", "off"),
    },
    "write": {
        "written": ("escrito en la mesa", "written to the desk"),
        "already": ("ya estaba escrito", "already written"),
        "dry_run": ("simulado", "simulated"),
        "conflict": ("alguien lo cambió antes", "somebody changed it first"),
        "failed": ("la mesa no lo aceptó", "the desk did not take it"),
        "none": ("nada que escribir", "nothing to write"),
    },
    "kind": {
        "manual": ("a mano", "by hand"),
        "close": ("cerrar", "close"),
        "reassign": ("reasignar", "reassign"),
        "wait": ("en espera", "wait"),
    },
    "stage": {
        "read": ("leer", "read"),
        "clean": ("limpiar", "clean"),
        "embed": ("codificar", "embed"),
        "retrieve": ("buscar", "retrieve"),
        "experts": ("expertos", "experts"),
        "fuse": ("fusionar", "fuse"),
        "judge": ("juzgar", "judge"),
        "write": ("escribir", "write"),
        "ingest": ("ingerir", "ingest"),
        "fit": ("ajustar", "fit"),
        "evaluate": ("evaluar", "evaluate"),
        "baselines": ("alternativas", "baselines"),
    },
    "path": {"journal": ("Diario", "Journal"), "report": ("Informe", "Report"), "review": ("Lista de revisión", "Review list")},
    "language": {"es": ("español", "Spanish"), "en": ("inglés", "English")},
}


@dataclass(frozen=True, slots=True)
class Words:
    """The catalogue in one language; also writes that language's numbers.

    Raises:
        InputError: the language is neither "es" nor "en".
    """

    language: Language

    def __post_init__(self) -> None:
        if self.language not in ("es", "en"):
            raise InputError(f"There are no reports in {self.language!r}.", remedy='Ask for "es" or "en".')

    def __call__(self, key: str, **values: object) -> str:
        """A fixed text with its values."""
        return WORDS[key][self._column].format_map(values)

    def count(self, key: str, n: int, **values: object) -> str:
        """A text that depends on a number, in the singular or the plural."""
        one, many = PLURALS[key][self._column]
        return (one if n == 1 else many).format_map({"n": self.numbers.decimal(n), **values})

    def name(self, family: str, code: str) -> str:
        """What a code is called; a code outside the catalogue (a user's field) is called by itself, without underscores."""
        known = NAMES[family].get(code)
        return known[self._column] if known else code.replace("_", " ")

    def said(self, text: Said) -> str:
        """A sentence that came in both languages."""
        return text.in_language(self.language)

    @property
    def numbers(self) -> Numbers:
        """How numbers are written."""
        return Numbers(self.language)

    @property
    def _column(self) -> int:
        return ("es", "en").index(self.language)
