"""The wiring: the parts of one home, from its settings."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from backup.placing import finish_restore
from batch.corrected import Corrections
from batch.models import COMPACT_TEMPLATES, make_embedder, make_language_model
from batch.operator_files import read_context, read_glossary, read_taxonomy
from batch.settings import Settings
from core.errors import FitError, SettingsError
from core.pipeline import Author, Pipeline, Rephraser, Reviewer, Summarizer
from core.retrieval import Search, retrieve
from core.taxonomy import Taxonomy
from experts.fitted import Fitted
from intake import Intake, load_key
from intake.worth import refuse
from knowledge.base import KnowledgeBase, shelf_at
from knowledge.cache import CachedEmbedder, Encoder
from knowledge.embedder import Embedder
from knowledge.stores import Shelf
from observability.records import Versions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from llm.author import LanguageAuthor
    from llm.base import LanguageModel
    from llm.reviewer import LanguageReviewer
    from llm.scribe import LanguageScribe

OPENED = ("knowledge", "language_model", "language_summarizer", "language_critic")
"""The parts that something has to let go of."""
EXAMPLES = Path(__file__).resolve().parent.parent / "mocks" / "examples"
Progress = Callable[[str], None]


def silent(stage: str) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class House:
    """The parts of one home directory, each made when first asked for; a context manager that lets go of them.

    `demo`: nothing of the user's is configured, so the bundled example company lives in `<home>/demo`, apart from real data.
    """

    settings: Settings
    home: Path
    demo: bool = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Let go of the index, since an embedded one serves one command at a time, and of connections to model servers."""
        made = vars(self)
        for part in filter(None, (made.get(name) for name in OPENED)):
            part.close()

    @cached_property
    def taxonomy(self) -> Taxonomy:
        """The label sets in use."""
        return read_taxonomy(self.taxonomy_path)

    @property
    def taxonomy_path(self) -> Path:
        """The taxonomy's file: the settings', else the home's, else for the demo the example company's."""
        if self.settings.taxonomy is not None:
            return self.settings.taxonomy
        return EXAMPLES / "taxonomy.yaml" if self.demo else self.home / "taxonomy.yaml"

    @cached_property
    def intake(self) -> Intake:
        """Cleaning and redaction, with the home's key."""
        return Intake(load_key(self.home / "redaction.key"))

    @cached_property
    def embedder(self) -> Embedder:
        """The embedder, for tickets that come once; its model is loaded when it first encodes."""
        return make_embedder(self.settings)

    @cached_property
    def remembering(self) -> CachedEmbedder:
        """The embedder with the home's cache, for exemplars: they are encoded at every ingest and fit."""
        return CachedEmbedder(self.embedder, self.home / "cache" / "vectors.sqlite")

    @cached_property
    def knowledge(self) -> KnowledgeBase:
        """The knowledge base, open."""
        return KnowledgeBase.open(self.shelf, self.embedder, floor=self.settings.knowledge.floor)

    @property
    def shelf(self) -> Shelf:
        """Where the versions of the index are kept."""
        return shelf_at(self.home, self.knowledge_url, api_key=self.settings.knowledge.api_key.get_secret_value() or None)

    @property
    def knowledge_url(self) -> str | None:
        """The Qdrant server's address; None for the embedded store. The demo never touches a server."""
        return None if self.demo else self.settings.knowledge.url or None

    @cached_property
    def glossary(self) -> Mapping[str, str]:
        """What the operator says of single labels: the language model reads it, and the label-text expert knows it."""
        return read_glossary(self.settings.llm.glossary)

    @cached_property
    def language_model(self) -> "LanguageModel | None":
        """The settings' language model, or what was promoted on top of it; loaded when first asked. None where none is set."""
        return make_language_model(self.settings.llm, self.home)

    @cached_property
    def language_critic(self) -> "LanguageModel | None":
        """The language model that judges, None where none is set."""
        chosen = self.settings.llm_critic
        if chosen.model != "llm":
            return make_language_model(chosen, self.home, "critic")
        from llm.champion import read_champion

        shared = self.settings.llm
        promoted = None if shared.url or shared.adapter else read_champion(self.home, "critic")
        if promoted and (promoted.base, promoted.revision) == (shared.model, shared.revision):
            return make_language_model(shared, self.home, "critic")
        return self.language_model

    def author(self, priors: "Mapping[str, NDArray[np.float64]]") -> "LanguageAuthor | None":
        """The language model as the pipeline asks it; `priors` are the label frequencies of the knowledge base by field."""
        if self.language_model is None:
            return None
        from llm.author import LanguageAuthor

        chosen = self.settings.llm
        return LanguageAuthor(
            self.language_model,
            self.taxonomy,
            priors,
            load_key(self.home / "redaction.key"),
            options=chosen.options,
            exemplars=chosen.exemplars,
            context=read_context(chosen.context),
            glossary=self.glossary,
            summaries=self.settings.llm_summary.model == "llm",
        )

    @cached_property
    def language_summarizer(self) -> "LanguageModel | None":
        """The language model that writes nothing but summaries; None where the triage's own does, or none."""
        chosen = self.settings.llm_summary
        return None if chosen.model == "llm" else make_language_model(chosen, self.home, "summary")

    @cached_property
    def summarizer(self) -> "LanguageScribe | None":
        """That model as the pipeline asks it."""
        if self.language_summarizer is None:
            return None
        model = _larger(self.language_summarizer, "A model that only summarises", 'llm_summary.model = "llm"')
        return self._scribe(model, self.settings.llm_summary.context)

    def reviewer(self, priors: "Mapping[str, NDArray[np.float64]]", *, writes: bool = False) -> "LanguageReviewer | None":
        """The language model as a critic; `writes`: also its reasons, which a fit has no use for."""
        if self.language_critic is None:
            return None
        from llm.reviewer import LanguageReviewer

        chosen, key = self.settings.llm_critic, load_key(self.home / "redaction.key")
        if chosen.reasons:
            _larger(self.language_critic, "A critic that says why", "llm_critic.reasons = false")
        asked = (priors, key, chosen.options, chosen.exemplars, chosen.reasons, writes)
        return LanguageReviewer(self.language_critic, self.taxonomy, *asked)

    @cached_property
    def rephraser(self) -> "LanguageScribe | None":
        """The language model as who says what to search with, where the settings want it."""
        if not self.settings.knowledge.rephrase:
            return None
        model = _larger(self.language_model, "Searching in other words", "knowledge.rephrase = false")
        return self._scribe(model, self.settings.llm.context)

    def _scribe(self, model: "LanguageModel", context: Path | None) -> "LanguageScribe":
        from llm.scribe import LanguageScribe

        return LanguageScribe(model, self.taxonomy, load_key(self.home / "redaction.key"), read_context(context))

    @property
    def models(self) -> str:
        """The names of all models that opinions come from, and how they are asked: a fit belongs to them."""
        chosen = self.settings
        asked = ((self.language_model, chosen.llm), (self.language_critic, chosen.llm_critic))
        names = [f"{model.name} {model.template} {model.budget}/{how.options}/{how.exemplars}" for model, how in asked if model]
        words = {"glossary": self.glossary, "context": read_context(chosen.llm.context) if self.language_model else ""}
        said = [f"{name}@{_digest(text)}" for name, text in words.items() if text]
        rephrased = ["rephrase"] if chosen.knowledge.rephrase else []
        return " ".join([self.embedder.name, *dict.fromkeys(names), *rephrased, *said])

    def fitted(self, progress: Progress = silent) -> Fitted:
        """The fit of this knowledge base and taxonomy; where there is none yet, or it is stale, it is made now."""
        from experts.artifacts import load_fitted

        try:
            return load_fitted(self.home, self.taxonomy, self.knowledge.version, self.models)
        except FitError:
            return self.fit(progress)

    def fit(  # the trainer is a TrainEncoder, imported late
        self,
        progress: Progress = silent,
        train_encoder: Any = None,  # noqa: ANN401
        home: Path | None = None,
    ) -> Fitted:
        """Fit on the whole knowledge base and put it in use; with another `home` it is kept there, and what is in use stays."""
        from experts.artifacts import save_fitted
        from experts.fit import fit

        # Ordered by what does not depend on the home's redaction key, as ids do: the folds are dealt in this order.
        exemplars = sorted(self.knowledge.exemplars(), key=lambda e: (e.source, e.source_id, e.id))
        vectors = self.remembering.encode([exemplar.text for exemplar in exemplars])
        fitted = fit(
            self.taxonomy,
            exemplars,
            vectors,
            self.search,
            self.remembering.encode,
            k=self.settings.knowledge.neighbors,
            train_encoder=train_encoder,
            author=self.author,
            reviewer=self.reviewer,
            learned=self.learned,
            glossary=self.glossary,
            progress=progress,
        )
        save_fitted(fitted, home or self.home, self.knowledge.version, self.models)
        return fitted

    def learned(self, text: str) -> bool:
        """Whether one of the language models was fine-tuned on a text."""
        from llm.base import text_digest

        return any(text_digest(text) in model.learned for model in (self.language_model, self.language_critic) if model)

    def search(self, tickets: Any, vectors: Any, k: int, exclude: Any) -> Any:  # noqa: ANN401 - the types of `experts.outoffold.Search`
        """Retrieval as the pipeline does it, in the form that the fit asks for."""
        queries = [one.query for one in self.rephraser.rephrase(tickets)] if self.rephraser else []
        return retrieve(self._found, self.remembering.encode, tickets, vectors, k, exclude, queries)

    def _found(self, tickets: Any, vectors: Any, k: int, exclude: Any) -> Any:  # noqa: ANN401 - see `search`
        return self.knowledge.search(tickets, vectors, k, exclude=exclude)

    @cached_property
    def corrections(self) -> Corrections:
        """What people said that the index does not have yet."""
        floor = self.settings.knowledge.floor
        return Corrections(self.home / "journal.sqlite", self.taxonomy, self.knowledge, self.remembering.encode, floor)

    def _found_and_said(self, tickets: Any, vectors: Any, k: int, exclude: Any) -> Any:  # noqa: ANN401 - see `search`
        """What serves: the index's neighbours with people's latest verdicts among them."""
        return self.corrections.current().joined(vectors, self._found(tickets, vectors, k, exclude), k, exclude)

    def pipeline(self, fitted: Fitted) -> Pipeline:
        """Everything wired together."""
        author = self.author(fitted.vote.priors)
        reviewer = self.reviewer(fitted.vote.priors, writes=True) if fitted.critic.reviewed else None
        parts = (self.taxonomy, self.intake, self.embedder, self._found_and_said, fitted, self.settings)
        return make_pipeline(*parts, self.rephraser, self.summarizer, author, reviewer)

    def versions(self) -> Versions:
        """The versions of everything that a decision depends on."""
        import platform

        from batch import __version__
        from experts.artifacts import current_fit

        about = current_fit(self.home)
        return Versions(
            tamiz=__version__,
            python=platform.python_version(),
            taxonomy=self.taxonomy.version,
            taxonomy_digest=self.taxonomy.digest,
            knowledge=self.knowledge.version + self.corrections.version,
            embedder=self.embedder.name,
            fit=about["version"] if about else "",
            language_model=self.language_model.name if self.language_model else "",
        )


def _digest(said: object) -> str:
    return sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]


def make_pipeline(
    taxonomy: Taxonomy,
    intake: Intake,
    embedder: Encoder,
    search: Search,
    fitted: Fitted,
    settings: Settings,
    rephraser: Rephraser | None = None,
    summarizer: Summarizer | None = None,
    author: Author | None = None,
    reviewer: Reviewer | None = None,
) -> Pipeline:
    """The pipeline over these parts."""
    from dataclasses import replace

    approve_at = settings.critic.approve_at
    return Pipeline(
        taxonomy=taxonomy,
        clean=intake.clean,
        refuse=refuse,
        encode=embedder.encode,
        search=search,
        experts=fitted.experts,
        fusion=fitted.fusion,
        thresholds=fitted.thresholds,
        critic=replace(fitted.critic, approve_at=approve_at),
        rephraser=rephraser,
        summarizer=summarizer,
        author=author,
        reviewer=reviewer,
        k=fitted.k,
        approve_at=approve_at,
        max_revisions=settings.critic.max_revisions,
    )


def _larger(model: "LanguageModel | None", what: str, otherwise: str) -> "LanguageModel":
    """The model, unless it is the shipped one or its like: they were not trained on this."""
    if model is None or model.template in COMPACT_TEMPLATES:
        raise SettingsError(
            f"{what} needs a larger language model than the shipped one.",
            remedy=f"Name one in tamiz.toml, or set {otherwise} there.",
        )
    return model


def open_house(settings: Settings, *, own: bool = False) -> House:
    """The user's home, or the demo's: that only where no desk is configured, nothing of the user's has been ingested and the
    command does not bring its own data (`own`). A restore that was interrupted there is finished first."""
    for home in (settings.home, settings.home / "demo"):
        finish_restore(home)
    mine = own or settings.desk.url or settings.knowledge.url or (settings.home / "kb").exists()
    return House(settings, settings.home) if mine else House(settings, settings.home / "demo", demo=True)
