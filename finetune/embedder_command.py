"""`python -m finetune embedder`: an adapter of the embedder, from made-up pairs and, where wanted, one's own tickets."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batch import console
from finetune.watching import watched
from knowledge.embedder import PACKAGED

if TYPE_CHECKING:
    from finetune.kin import Kin

RESOLUTION = "resolution"
"""In the place of a field's name: tickets with the same answer belong together."""


def embedder(
    folder: Annotated[Path, typer.Option(help="Where the run is kept; the same folder again goes on.")] = Path("var/embedder"),
    model: Annotated[str, typer.Option(help="The embedding model, as in the settings.")] = PACKAGED,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps.")] = 150,
    batch: Annotated[int, typer.Option(min=2, help="Pairs a step.")] = 64,
    seed: Annotated[int, typer.Option(help="Of weights, pairs and their order.")] = 0,
    kb: Annotated[Path | None, typer.Option(help="A home whose knowledge base is learnt from, too.")] = None,
    field: Annotated[str, typer.Option(help="Its tickets belong together by this field, or by resolution.")] = RESOLUTION,
    minutes: Annotated[float, typer.Option(min=0.0, help="Stop after so many minutes, to go on another time; 0: never.")] = 0.0,
) -> None:
    """Train an adapter with which Spanish and English texts about the same incident are near each other. Resumable."""
    from finetune.embedder import Plan, train_embedder

    plan = replace(Plan(), model=model, steps=steps, batch=batch, seed=seed)
    kin = read_kin(kb, field, model) if kb else None
    with watched("validation_top_1") as report:
        target = train_embedder(plan, folder, report, kin=kin, minutes=minutes)
    console.say(f"The adapter is in {target}." if target else f"Stopped in time; run it again to go on in {folder}.")


def read_kin(home: Path, field: str, model: str) -> "Kin":
    """What belongs together in the knowledge base of `home`.

    Raises:
        KnowledgeError: there is no knowledge base.
        ModelError: too few of its tickets belong together.
    """
    from finetune.kin import Kin
    from knowledge.base import shelf_at
    from knowledge.embedder import Embedder

    _, store = shelf_at(home).open()
    try:
        exemplars = store.exemplars()
    finally:
        store.close()
    texts = [exemplar.text for exemplar in exemplars]
    labels = [e.resolution if field == RESOLUTION else e.labels.get(field, "") for e in exemplars]
    return Kin(texts, labels, Embedder(model, precision="auto").encode(texts))
