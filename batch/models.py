"""From settings to models: the embedder and the language models."""

from pathlib import Path
from typing import TYPE_CHECKING

from batch.settings import LanguageSettings, Settings
from knowledge.embedder import PACKAGED_ADAPTER, Embedder

if TYPE_CHECKING:
    from llm.base import LanguageModel

SHIPPED = "shipped"
"""The language model that comes with the project, as settings name it."""
SHIPPED_TEMPLATE = "compact.v4"
"""What the shipped model reads. It was trained on compact.v3, which differs in the shares' marks alone (docs/decisions/0010)."""
COMPACT_TEMPLATES = frozenset(("compact.v3", SHIPPED_TEMPLATE))
"""What models of its kind read: they pick labels and write summaries, and can do nothing that they were not trained on."""
SHIPPED_BUDGET = 620
"""Tokens of a prompt that the shipped model was trained on."""


def make_embedder(settings: Settings) -> Embedder:
    """The settings' embedder."""
    chosen = settings.embedder
    adapter = None
    if chosen.adapter:
        adapter = PACKAGED_ADAPTER if chosen.adapter == "packaged" else Path(chosen.adapter).expanduser()
    return Embedder(chosen.model, precision=chosen.precision, batch_size=chosen.batch_size, adapter=adapter)


def make_language_model(chosen: LanguageSettings, home: Path, task: str = "triage") -> "LanguageModel | None":
    """The settings' language model: behind a server where there is a url, else on this machine with what was promoted for it.

    Raises:
        ModelError: what was promoted is missing or has been changed.
    """
    if chosen.model == "none":
        return None
    shipped = chosen.model == SHIPPED and not chosen.url
    template = SHIPPED_TEMPLATE if shipped else chosen.template
    budget = min(chosen.budget, SHIPPED_BUDGET) if shipped else chosen.budget
    if chosen.url:
        from llm.server import ServerModel

        return ServerModel(
            chosen.url,
            chosen.model,
            chosen.dialect,
            chosen.key_variable,
            budget=budget,
            template=template,
            concurrency=chosen.concurrency,
            timeout_s=chosen.timeout_s,
        )
    from llm.champion import base_source, read_champion
    from llm.checkpoint import Checkpoint
    from llm.local import LocalModel

    champion = None if chosen.adapter else read_champion(home, task)
    if champion and champion.base == chosen.model and champion.revision == chosen.revision:
        template, budget, checkpoint = champion.template, champion.budget, champion.checkpoint(home)
    else:
        adapter = Path(chosen.adapter) if chosen.adapter else None
        checkpoint = Checkpoint(base_source(chosen.model), chosen.revision, adapter, chosen.precision)
    return LocalModel(checkpoint, template=template, budget=budget, batch_size=chosen.batch_size)
