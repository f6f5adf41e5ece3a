"""`python -m batch observe`: what an operator types to send the journal to Loki and its figures to Prometheus."""

from pathlib import Path
from typing import Annotated

import typer

UNFINISHED = 3
"""Done, but Loki refused some records, which are kept aside."""

app = typer.Typer(help="Send the journal to Loki, its figures to Prometheus, and see what was refused.", no_args_is_help=True)

Config = Annotated[Path | None, typer.Option(help="Settings file. Default: tamiz.toml in this folder.")]
Json = Annotated[bool, typer.Option("--json", help="The result as JSON on standard output.")]
Root = Annotated[Path, typer.Option(help="The folder with docker-compose.yml and deploy/. Default: this one.")]
Url = Annotated[str, typer.Option(help="Loki's address. Default: observability.loki_url of the settings.")]


@app.command(epilog="Example: python -m batch observe ship --url http://127.0.0.1:3100")
def ship(
    follow: Annotated[bool, typer.Option("--follow/--once", help="Go on with what is added, until Ctrl+C.")] = False,
    url: Url = "",
    set_aside: Annotated[
        bool, typer.Option("--set-aside", help="Go on also where Loki refuses all of a batch; see `observe dead`.")
    ] = False,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Send to Loki what the journal has and Loki has not. It may be stopped or killed at any moment and run again."""
    from batch.assemble import open_house
    from batch.observing import ship as send
    from batch.settings import load_settings

    with open_house(load_settings(config)) as house:
        _end(send(house, url, follow=follow, set_aside=set_aside, as_json=as_json))


@app.command(epilog="Example: python -m batch observe dead --resend")
def dead(
    resend: Annotated[bool, typer.Option("--resend", help="Send them again first, with new timestamps.")] = False,
    url: Url = "",
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Show the records that Loki refused, each with the cause; the journal has them."""
    from batch.assemble import open_house
    from batch.observing import show_dead
    from batch.settings import load_settings

    with open_house(load_settings(config)) as house:
        _end(show_dead(house, url, resend=resend, as_json=as_json))


@app.command(epilog="Example: python -m batch observe metrics --out /var/lib/node_exporter/textfile/tamiz.prom")
def metrics(
    out: Annotated[Path | None, typer.Option(help="Write to this file, whole or not at all. Default: standard output.")] = None,
    config: Config = None,
) -> None:
    """The metrics in Prometheus's text format; after the first time only what is new in the journal is read."""
    from batch.assemble import open_house
    from batch.observing import show_metrics
    from batch.settings import load_settings

    with open_house(load_settings(config)) as house:
        show_metrics(house, out)


@app.command(epilog="Example: python -m batch observe traces last --uri http://127.0.0.1:5000")
def traces(
    name: Annotated[str, typer.Argument(metavar="RUN", help="A run, the beginning of its name, or last.")] = "last",
    uri: Annotated[str, typer.Option(help="MLflow's tracking URI. Default: the home's own mlflow.db.")] = "",
    config: Config = None,
) -> None:
    """A run's decisions as MLflow traces, a span for each stage and each answer of a language model; again: nothing twice."""
    from batch.assemble import open_house
    from batch.observing import send_traces
    from batch.settings import load_settings

    with open_house(load_settings(config)) as house:
        send_traces(house, name, uri)


@app.command("serve-metrics", epilog="Example: python -m batch observe serve-metrics --port 9464")
def serve_metrics(
    port: Annotated[int, typer.Option(min=0, max=65535, help="On this machine only; 0: a free one.")] = 9464,
    config: Config = None,
) -> None:
    """Let Prometheus scrape the metrics, until Ctrl+C."""
    from batch.assemble import open_house
    from batch.observing import serve_metrics as serve
    from batch.settings import load_settings

    with open_house(load_settings(config)) as house:
        serve(house, port)


@app.command(epilog="Example: python -m batch observe dashboards")
def dashboards(
    root: Root = Path(),
    as_json: Json = False,
) -> None:
    """Write Grafana's dashboards and provisioning under deploy/grafana, from the code that describes them."""
    from batch.deployment import write_dashboards

    write_dashboards(root, as_json=as_json)


@app.command(epilog="Example: python -m batch observe check")
def check(
    root: Root = Path(),
    as_json: Json = False,
) -> None:
    """Check the compose file, the dashboards, the alerts and every query in them, with no server.

    Exit codes: 0 all is right, 1 something is wrong or an error, 2 usage.
    """
    from batch.deployment import check as look

    if look(root, as_json=as_json):
        raise typer.Exit(1)


def _end(refused: int) -> None:
    if refused:
        raise typer.Exit(UNFINISHED)
