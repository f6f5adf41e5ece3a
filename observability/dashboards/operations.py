"""The dashboard "Operations": whether the work goes on, how fast, what waits, what fails, what it costs."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from observability.dashboards.frame import Row, framed, typed
from observability.dashboards.parts import LOKI, QUARTER, THIRD, Built, Lines, Said, number, records, trend

UID = "tamiz-operations"
LIVE = 'tamiz_tickets_total{mode="live"}'
TROUBLE = '{app="tamiz-log", level=~"WARNING|ERROR|CRITICAL"}'
WRITTEN = "sum(increase(tamiz_fields_written_total[$__range]))"
TOKENS = 'sum(increase(gen_ai_client_token_usage_sum{{gen_ai_token_type="{kind}"}}[$__range]))'
SECONDS = "sum(increase(tamiz_stage_seconds_sum[$__range]))"
VARIABLES = (
    typed("price_in", "Price of a million tokens read", "0"),
    typed("price_out", "Price of a million tokens written", "0"),
    typed("price_hour", "Price of an hour of this machine", "0.10"),
)


def operations() -> Dashboard:
    """Built; its uid is UID."""
    rows = (
        Row("Now", _now()),
        Row("Throughput", (_outcomes(), _speed())),
        Row("Latency", (_slowest(), _mean())),
        Row("Queues", (_queue(), _owed(), _lag())),
        Row("Errors", (_causes(), _events(), _last())),
        Row("Cost", _cost()),
    )
    return framed(UID, "Tamiz: Operations", rows, VARIABLES, since="now-24h")


def _now() -> tuple[Built, ...]:
    return (
        number(
            Said("Tickets, 24 hours", "Decisions of live runs.", "Decisiones de ejecuciones reales."),
            f"sum(increase({LIVE}[24h]))",
            decimals=0,
        ),
        number(
            Said(
                "Accepted, 24 hours", "The share that wrote something without a person.", "La parte que escribió algo sin nadie."
            ),
            f'sum(increase(tamiz_tickets_total{{mode="live", outcome="accepted"}}[24h])) / sum(increase({LIVE}[24h]))',
            unit="percentunit",
        ),
        number(
            Said("Waiting for a person", "Tickets in the queue of review.", "Tickets en la cola de revisión."),
            'sum(tamiz_review_queue{state=~"waiting|doubted"})',
            limits=((100, "yellow"), (500, "red")),
        ),
        number(
            Said("Oldest waits since", "Age of the oldest decision in the queue.", "Edad de la decisión más antigua de la cola."),
            "(time() - tamiz_review_oldest_timestamp_seconds) * (tamiz_review_oldest_timestamp_seconds > bool 0)",
            unit="s",
            limits=((86_400, "yellow"), (259_200, "red")),
        ),
        number(
            Said("Last good run", "Time since a live run ended well.", "Tiempo desde que una ejecución real terminó bien."),
            "time() - tamiz_run_last_success_timestamp_seconds",
            unit="s",
            limits=((7_200, "yellow"), (86_400, "red")),
        ),
        number(
            Said("Dead letters", "Records that Loki refused.", "Registros que Loki rechazó."),
            "tamiz_loki_dead_letters",
            limits=((1, "red"),),
        ),
    )


def _outcomes() -> Built:
    said = Said("Decisions an hour", "By outcome, of live runs.", "Por resultado, de ejecuciones reales.")
    query = f"sum by (outcome) (rate({LIVE}[$__rate_interval])) * 3600"
    return trend(said, Lines(query, "{{outcome}}"), bars=True)


def _speed() -> Built:
    said = Said("Tickets a second", "Of the last run that ended.", "De la última ejecución que terminó.")
    return trend(said, Lines("tamiz_run_tickets_per_second", "last run"))


def _slowest() -> Built:
    said = Said(
        "Slowest twentieth, by stage",
        "A ticket's share of each stage: 95 of 100 tickets take less.",
        "La parte de cada etapa que toca a un ticket: 95 de 100 tardan menos.",
    )
    query = "histogram_quantile(0.95, sum by (le, stage) (rate(tamiz_stage_seconds_bucket[$__rate_interval])))"
    return trend(said, Lines(query, "{{stage}}"), unit="s")


def _mean() -> Built:
    said = Said("Mean time of a ticket", "By stage; together they are the whole.", "Por etapa; juntas son el total.")
    counted = "sum by (stage) (rate(tamiz_stage_seconds_{part}[$__rate_interval]))"
    query = f"{counted.format(part='sum')} / {counted.format(part='count')}"
    return trend(said, Lines(query, "{{stage}}"), unit="s", bars=True)


def _queue() -> Built:
    said = Said("Queue of review", "Tickets by state.", "Tickets por estado.")
    return trend(said, Lines("sum by (state) (tamiz_review_queue)", "{{state}}"), width=THIRD, bars=True)


def _owed() -> Built:
    said = Said(
        "Writes",
        "Owed: intended, with no final state yet. Conflict: somebody changed the ticket meanwhile.",
        "Pendientes: previstas, aún sin estado final. Conflicto: alguien cambió el ticket entretanto.",
    )
    troubles = 'sum by (state) (increase(tamiz_writebacks_total{state=~"failed|conflict"}[1h]))'
    return trend(said, Lines("tamiz_writebacks_pending", "owed"), Lines(troubles, "{{state}}, an hour"), width=THIRD)


def _lag() -> Built:
    said = Said("Behind in Loki", "Records that Loki has not yet.", "Registros que Loki aún no tiene.")
    return trend(said, Lines("tamiz_loki_lag_records", "records"), Lines("tamiz_loki_dead_letters", "dead letters"), width=THIRD)


def _causes() -> Built:
    said = Said(
        "Why decisions were held back, an hour",
        "A decision may have several causes; `failed` is a stage that broke, `critic_silent` a critic that could not be read.",
        "Una decisión puede tener varias causas; `failed` es una etapa que falló, `critic_silent` un crítico ilegible.",
    )
    return trend(said, Lines("sum by (cause) (increase(tamiz_causes_total[1h]))", "{{cause}}"), bars=True)


def _events() -> Built:
    said = Said("Warnings and errors in the log", "By event.", "Por suceso.")
    return trend(said, Lines(f"sum by (event) (count_over_time({TROUBLE} [$__auto]))", "{{event}}"), source=LOKI, bars=True)


def _last() -> Built:
    said = Said("The last of them", "Ids, codes and numbers only.", "Solo identificadores, códigos y números.")
    return records(said, TROUBLE, height=8)


def _cost() -> tuple[Built, ...]:
    read, written = TOKENS.format(kind="input"), TOKENS.format(kind="output")
    paid = f"({read} * $price_in + {written} * $price_out) / 1000000 + {SECONDS} / 3600 * $price_hour"
    return (
        number(
            Said("Cost of a written field", "With the prices above.", "Con los precios de arriba."),
            f"({paid}) / {WRITTEN}",
            width=QUARTER,
            decimals=5,
        ),
        number(
            Said("Seconds for a written field", "All stages of all tickets.", "Todas las etapas de todos los tickets."),
            f"{SECONDS} / {WRITTEN}",
            unit="s",
            width=QUARTER,
        ),
        number(
            Said("Tokens for a written field", "Read and written.", "Leídos y escritos."),
            f"sum(increase(gen_ai_client_token_usage_sum[$__range])) / {WRITTEN}",
            width=QUARTER,
            decimals=0,
        ),
        number(
            Said("Free space", "Where the home lies.", "Donde está la carpeta de datos."),
            "tamiz_disk_free_bytes / tamiz_disk_size_bytes",
            unit="percentunit",
            width=QUARTER,
        ),
    )
