"""The dashboard "Quality": how much is written, how right it is in people's eyes, and whether that changes."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from observability.dashboards.frame import Row, framed, known
from observability.dashboards.parts import THIRD, Built, Lines, Said, figures, number, trend

UID = "tamiz-quality"
FIELD = 'field=~"$field"'
VARIABLES = (known("field", "Field", "tamiz_fields_total"),)


def quality() -> Dashboard:
    """Built; its uid is UID."""
    rows = (
        Row("Coverage and precision", (_coverage(), _precision(), _precision_table(), _verdicts())),
        Row("Calibration and critic", (_calibration(), _critic(), _scores())),
        Row("Drift and nights", (_drift(), *_standing())),
    )
    return framed(UID, "Tamiz: Quality", rows, VARIABLES, since="now-30d")


def share(metric: str, by: str, of: str, right: str) -> str:
    """The share of `right` among `of` by a label; 0, not nothing, where none is right."""
    among = f"sum by ({by}) ({metric}{{{of}}})"
    return f"(sum by ({by}) ({metric}{{{of}, {right}}}) or {among} * 0) / {among}"


def _coverage() -> Built:
    said = Said(
        "Coverage by field",
        "Of the proposals of a day, the share that was written.",
        "De las propuestas de un día, la parte que se escribió.",
    )
    counted = f"sum by (field) (increase({{metric}}{{{{{FIELD}}}}}[1d]))"
    query = f"{counted.format(metric='tamiz_fields_written_total')} / {counted.format(metric='tamiz_fields_total')}"
    return trend(said, Lines(query, "{{field}}"), unit="percentunit")


def _precision() -> Built:
    said = Said(
        "Realised precision by field",
        "Of the written labels that somebody judged, the share that was right. Judged tickets are no random sample.",
        "De las etiquetas escritas que alguien juzgó, la parte correcta. Los tickets juzgados no son una muestra al azar.",
    )
    query = share("tamiz_field_judgements", "field", f'gate="written", {FIELD}', 'right="yes"')
    return trend(said, Lines(query, "{{field}}"), unit="percentunit")


def _precision_table() -> Built:
    said = Said(
        "What people say of each field",
        "Written: past the gate. Held: only proposed; where these are right as often, the threshold may be too strict.",
        "Escrito: pasó el filtro. Retenido: solo propuesto; si acierta igual, el umbral puede ser demasiado estricto.",
    )
    written, held = (f'gate="{gate}", {FIELD}' for gate in ("written", "held"))
    queries = (
        Lines(share("tamiz_field_judgements", "field", written, 'right="yes"')),
        Lines(share("tamiz_field_judgements", "field", held, 'right="yes"')),
    )
    columns = {"field": "field", "Value #A": "written: right", "Value #B": "held: right"}
    return figures(said, *queries, columns=columns)


def _verdicts() -> Built:
    said = Said(
        "Verdicts and later changes, a day",
        "What people said in review, and what somebody changed at the desk after we wrote.",
        "Lo que se dijo en la revisión, y lo que alguien cambió en la mesa después de escribir.",
    )
    verdicts = Lines("sum by (action) (increase(tamiz_verdicts_total[1d]))", "{{action}}")
    changes = Lines("sum by (what) (increase(tamiz_later_changes_total[1d]))", "{{what}} at the desk")
    return trend(said, verdicts, changes, bars=True)


def _calibration() -> Built:
    said = Said(
        "Calibration",
        "Judged proposals by the confidence they had: the share that was right should lie in its band. Count: how many.",
        "Propuestas juzgadas según su confianza: la parte correcta debería caer en su banda. Count: cuántas hay.",
    )
    right = share("tamiz_confidence_judgements", "band", FIELD, 'right="yes"')
    counted = f"sum by (band) (tamiz_confidence_judgements{{{FIELD}}})"
    columns = {"band": "confidence", "Value #A": "right", "Value #B": "count"}
    return figures(said, Lines(right), Lines(counted), columns=columns, counts=("count",), width=THIRD)


def _critic() -> Built:
    said = Said(
        "The critic against people",
        "What the critic said of a triage, and what a person said of it afterwards. Count: how many tickets.",
        "Lo que dijo el crítico de un triaje y lo que dijo después una persona. Count: cuántos tickets.",
    )
    columns = {"critic": "critic", "person": "person", "Value": "count"}
    return figures(
        said, Lines("sum by (critic, person) (tamiz_critic_judgements)"), columns=columns, counts=("count",), width=THIRD
    )


def _scores() -> Built:
    said = Said(
        "The critic's scores",
        "Lowest tenth, middle, highest tenth, of a day.",
        "Décimo más bajo, centro y décimo más alto, de un día.",
    )
    query = "histogram_quantile({at}, sum by (le) (increase(tamiz_critic_score_bucket[1d])))"
    return trend(said, *(Lines(query.format(at=at), f"{at}") for at in (0.1, 0.5, 0.9)), width=THIRD)


def _drift() -> Built:
    said = Said(
        "The last look at drift",
        "Per signal the p-value, adjusted for all signals and looks, and 1 where it moved. `python -m batch drift` says more.",
        "Por señal, el valor p ajustado por todas las señales y miradas, y 1 donde cambió. `python -m batch drift` explica más.",
    )
    columns = {"signal": "signal", "Value #A": "p", "Value #B": "moved"}
    return figures(said, Lines("tamiz_drift_p_value"), Lines("tamiz_drift_found"), columns=columns, unit="none")


def _standing() -> tuple[Built, ...]:
    ages = (
        (Said("Last look at drift", "Time since.", "Tiempo desde entonces."), "tamiz_drift_last_look_timestamp_seconds"),
        (
            Said("Last good night", "Time since `maintain` ended well.", "Tiempo desde que `maintain` terminó bien."),
            "tamiz_night_last_success_timestamp_seconds",
        ),
        (
            Said("Newest backup", "Time since it was made or confirmed.", "Tiempo desde que se hizo o confirmó."),
            "tamiz_backup_last_timestamp_seconds",
        ),
    )
    limits = ((93_600, "yellow"), (180_000, "red"))
    return tuple(number(said, f"time() - {metric}", unit="s", limits=limits, height=8) for said, metric in ages)
