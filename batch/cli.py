"""`python -m batch`: what an operator types. Without a command it is `run`.

Exit codes: 0 done, 1 a clear error, 2 usage, 3 done but some rows could not be read.
"""

from pathlib import Path
from typing import Annotated

import typer

from batch.backup_cli import app as backup_app
from batch.backup_cli import restore
from batch.drift_cli import drift
from batch.entry import enter
from batch.ledger_cli import ledger
from batch.maintain_cli import app as maintain_app
from batch.observe_cli import app as observe_app
from batch.replay_cli import replay
from batch.review_cli import app as review_app
from batch.users_cli import app as users_app
from core.errors import InputError

UNREADABLE_ROWS = 3

app = typer.Typer(
    help="Turns raw IT tickets into structured triage with evidence. Without a command: run.",
    epilog="Exit codes: 0 done, 1 error, 2 usage, 3 done but some rows could not be read.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
taxonomy_app = typer.Typer(help="The closed label sets: make one from a history, or check one.", no_args_is_help=True)
app.add_typer(taxonomy_app, name="taxonomy")
app.add_typer(review_app, name="review")
app.add_typer(users_app, name="users")
app.add_typer(maintain_app, name="maintain")
app.add_typer(observe_app, name="observe")
app.add_typer(backup_app, name="backup")

Config = Annotated[Path | None, typer.Option(help="Settings file. Default: tamiz.toml in this folder.")]
Map = Annotated[list[str] | None, typer.Option("--map", help="A column of theirs as a field of ours: their_column=our_field.")]
Json = Annotated[bool, typer.Option("--json", help="The result as JSON on standard output.")]


def main() -> None:
    """Run the command."""
    enter(app, stopped="Stopped. What was decided is in the journal: run again to go on.")


@app.callback(invoke_without_command=True)
def default(context: typer.Context) -> None:
    """Turns raw IT tickets into structured triage with evidence. Without a command: run."""
    if context.invoked_subcommand is None:
        run()


@app.command(epilog="Example: python -m batch run tickets.xlsx --map Texto=body --limit 50")
def run(
    source: Annotated[Path | None, typer.Argument(help="A .csv, .xlsx or .jsonl file. Default: the service desk.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many tickets.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide and report, but write nothing to the desk.")] = False,
    as_json: Json = False,
    columns: Map = None,
    config: Config = None,
) -> None:
    """Triage the open tickets of the service desk, or those of a file (the results are then written beside it).

    With no service desk configured the bundled mock desk is started for the run, with an example company's tickets.
    """
    from batch.assemble import open_house
    from batch.running import run_desk, run_file
    from batch.settings import load_settings

    with open_house(load_settings(config)) as house:
        if source is None:
            _end(run_desk(house, limit=limit, dry_run=dry_run, as_json=as_json))
        else:
            _end(run_file(house, source, _columns(columns), limit=limit, dry_run=dry_run, as_json=as_json))


@app.command(epilog="Example: python -m batch ingest history.csv --map 'Tipo de cierre=resolution_kind' --prune")
def ingest(
    file: Annotated[Path, typer.Argument(help="Resolved tickets: .csv, .xlsx or .jsonl.")],
    prune: Annotated[bool, typer.Option("--prune", help="Also remove what came from this file and is no longer in it.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check the file, change nothing.")] = False,
    as_json: Json = False,
    columns: Map = None,
    config: Config = None,
) -> None:
    """Take resolved tickets into the knowledge base. The same file again changes nothing; an edited row replaces its old one.

    Without a taxonomy one is made from the file first.
    """
    from batch.assemble import open_house
    from batch.commands import ingest_file
    from batch.settings import load_settings

    with open_house(load_settings(config), own=True) as house:
        _end(ingest_file(house, file, _columns(columns), prune=prune, dry_run=dry_run, as_json=as_json))


@app.command(epilog="Example: python -m batch fit --encoder")
def fit(
    encoder: Annotated[
        bool, typer.Option("--encoder", help="Also train an encoder expert: minutes on a CPU, resumable.")
    ] = False,
    lora: Annotated[int, typer.Option(min=0, help="Rank of LoRA adapters for the encoder; 0 trains all its weights.")] = 0,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of the encoder.")] = 3,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Fit experts, weights, calibration, thresholds and critic on the knowledge base, on out-of-fold predictions."""
    from batch.assemble import open_house
    from batch.commands import fit_house
    from batch.settings import load_settings

    with open_house(load_settings(config)) as house:
        _end(fit_house(house, encoder=encoder, lora=lora, epochs=epochs, as_json=as_json))


@app.command(epilog='Example: python -m batch search "no me llega el código al móvil" -k 5')
def search(
    text: Annotated[str, typer.Argument(help="What a ticket could say.")],
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="How many past tickets.")] = 5,
    where: Annotated[list[str] | None, typer.Option(help="Only those with field=label, or language=es.")] = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Show the past tickets nearest to a text, with similarity, labels and resolution."""
    from batch.assemble import open_house
    from batch.commands import search_house
    from batch.settings import load_settings

    with open_house(load_settings(config)) as house:
        _end(search_house(house, text, k, _pairs(where, "--where"), as_json=as_json))


@app.command(epilog='Example: TAMIZ_LLM__MODEL=models/qwen python -m batch prompt "no puedo entrar a la VPN"')
def prompt(
    ticket: Annotated[str, typer.Argument(help="What a ticket could say, or the id of one that was triaged.")],
    answer: Annotated[bool, typer.Option("--answer", help="Also ask the model and show its answer.")] = False,
    context: Annotated[Path | None, typer.Option(help="File with what the model should know.")] = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Print exactly what the language model will read for a ticket, with token counts."""
    from batch.assemble import open_house
    from batch.prompting import show_prompt
    from batch.settings import load_settings

    with open_house(load_settings(config)) as house:
        _end(show_prompt(house, ticket, context, answer=answer, as_json=as_json))


@app.command(
    epilog="Example: python -m batch evaluate --kb kb.csv --test test.csv --fields category --baselines --json result.json"
)
def evaluate(
    kb: Annotated[Path, typer.Option(help="Resolved tickets to fit on.")],
    test: Annotated[Path, typer.Option(help="Labelled tickets to score; nothing is fitted on them.")],
    fields: Annotated[str, typer.Option(help="Fields to evaluate, with commas between.")],
    encoder: Annotated[bool, typer.Option("--encoder", help="Also train and use the encoder expert.")] = False,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of the encoder.")] = 3,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Also tune and score seven classical models, kNN, majority.")
    ] = False,
    trials: Annotated[int, typer.Option(min=1, help="Optuna trials for each baseline.")] = 20,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report page to this file.")] = None,
    columns: Map = None,
    config: Config = None,
) -> None:
    """Fit on one table and score on another, with a throw-away index, and say what holds."""
    from batch.commands import evaluate_tables
    from batch.settings import load_settings

    chosen = tuple(dict.fromkeys(f.strip() for f in fields.split(",") if f.strip()))
    if not chosen:
        raise typer.BadParameter("name at least one field", param_hint="--fields")
    _end(
        evaluate_tables(
            load_settings(config),
            kb,
            test,
            chosen,
            _columns(columns),
            encoder=encoder,
            epochs=epochs,
            trials=trials if baselines else None,
            json_out=json_out,
            html=html,
        )
    )


@app.command(epilog="Example: python -m batch report last")
def report(
    name: Annotated[str, typer.Argument(metavar="RUN", help="A run, the beginning of its name, or last.")] = "last",
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Write a run's report again from the journal, and say where it is."""
    from batch.assemble import open_house
    from batch.running import report_run
    from batch.settings import load_settings

    with open_house(load_settings(config)) as house:
        _end(report_run(house, name, as_json=as_json))


@app.command(epilog="Example: python -m batch web --port 8650 --who ana")
def web(
    host: Annotated[
        str, typer.Option(help="Address to listen on. Default: web.host; beyond this machine only with accounts.")
    ] = "",
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Default: web.port; 0: a free one.")] = None,
    who: Annotated[str, typer.Option(help="Who judges while nobody has an account. Default: your login name.")] = "",
    config: Config = None,
) -> None:
    """Review in a browser: what waits, one ticket with all that speaks for and against it, and the verdict."""
    from batch.assemble import open_house
    from batch.settings import load_settings
    from batch.web import serve_review

    with open_house(load_settings(config)) as house:
        chosen = house.settings.web
        serve_review(house, who, host or chosen.host, chosen.port if port is None else port)


@app.command(epilog="Example: TAMIZ_CRITIC__APPROVE_AT=70 python -m batch settings")
def settings(as_json: Json = False, config: Config = None) -> None:
    """Show every setting, its value and where it comes from; secrets are masked."""
    from batch.commands import show_settings

    _end(show_settings(config, as_json=as_json))


app.command(epilog="Example: python -m batch restore var/backups/tamiz-20261122T031500Z.tar.gz --dry-run")(restore)
app.command(epilog="Example: python -m batch drift --days 7 --json > drift.json")(drift)
app.command(epilog="Example: python -m batch ledger --worst 10")(ledger)
app.command(epilog="Example: python -m batch replay --run last --threshold category=0.8")(replay)


@taxonomy_app.command("infer", epilog="Example: python -m batch taxonomy infer history.csv > var/taxonomy.yaml")
def taxonomy_infer(
    file: Annotated[Path, typer.Argument(help="Resolved tickets with their labels.")],
    columns: Map = None,
) -> None:
    """Make a taxonomy from a history and print it as YAML, with what was left out and why."""
    from batch.commands import infer_from_file

    _end(infer_from_file(file, _columns(columns)))


@taxonomy_app.command("check", epilog="Example: python -m batch taxonomy check var/taxonomy.yaml")
def taxonomy_check(
    file: Annotated[Path | None, typer.Argument(help="The taxonomy. Default: that of the settings.")] = None,
    config: Config = None,
) -> None:
    """Name every contradiction of a taxonomy, or say what it holds."""
    from batch.assemble import open_house
    from batch.commands import check_taxonomy
    from batch.settings import load_settings

    _end(check_taxonomy(file or open_house(load_settings(config)).taxonomy_path))


def _end(unreadable: int) -> None:
    if unreadable:
        raise typer.Exit(UNREADABLE_ROWS)


def _columns(pairs: list[str] | None) -> dict[str, str]:
    return _pairs(pairs, "--map")


def _pairs(given: list[str] | None, option: str) -> dict[str, str]:
    pairs = {}
    for pair in given or []:
        left, equals, right = pair.rpartition("=")
        if not (left and equals and right):
            raise InputError(
                f"{option} {pair!r} is not of the form left=right.", remedy="For example --map 'Texto del caso=body'."
            )
        pairs[left.strip()] = right.strip()
    return pairs
