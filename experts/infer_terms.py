"""What tells a label's tickets from the others: words by class-based TF-IDF, one language at a time.

Source: Grootendorst, "BERTopic", 2022 (c-TF-IDF), with a word counted once a text, so that no pasted log outweighs the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.text import fold
from experts.infer_labels import Column

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

SEEN_WITH: Mapping[str, str] = {"es": "Aparece con: ", "en": "Seen with: "}
MIN_TEXTS = 3
"""A label with fewer texts in a language gets no definition in it."""
MIN_SEEN = 2
"""A word of a single text of a label is that text's, not the label's."""
TERMS = 8
LIFT = 1.5
"""How much more frequent than in all texts a word must be in the label's."""
_WORD = r"(?u)\b[^\W\d_]{2,}\b"

# scikit-learn has stop words for English only, and counts some among them that tell an IT ticket.
_TELLING = frozenset({"bill", "bottom", "call", "empty", "fire", "full", "system"})
_ENGLISH_MORE = (
    "also am an any can cannot com couldn didn doesn don hasn haven hello hey hi isn just let like ll need needs new please "
    "regards says said since thank thanks try tried trying today tomorrow ve want wasn weren will won would wouldn yesterday day "
    "monday tuesday wednesday thursday friday dear good morning afternoon best kind cheers got gets getting went going "
    "comes did does im ok okay"
)
_SPANISH = (
    "a acaba adios ademas ahi ahora al algo alguien algun alguna algunas alguno algunos alla alli ante antes aquel aquella "
    "aquellas aquellos aqui asi atentamente atte aun aunque ayer bien buen buena buenas bueno buenos cada casi como con contra "
    "cordial cual cuales cualquier cuando cuanto cuya cuyo da dan de debe deben debo decir del demas desde despues dia dias dice "
    "dicen dijo donde dos durante el ella ellas ello ellos en entonces entre era eran eres es esa esas ese eso esos esta estaba "
    "estaban estamos estan estar estas este esto estos estoy estuvo favor fin fue fuera fueron gracias ha haber habia han has "
    "hace hacemos hacen hacer hacia haciendo hago hasta hay haya he hecho hemos hice hizo hola hoy igual iba ir jueves la las "
    "le les lo los luego lunes mal manana martes mas me menos mi mia mientras miercoles mio mis misma mismo mismos mucha mucho "
    "muchas muchos muy nada nadie necesito necesitamos ni ninguna ninguno ningun no nos nosotras nosotros noche nuestra nuestras "
    "nuestro nuestros nunca o os otra otras otro otros para parece pasa paso pero poco podeis podemos poder podria por porque "
    "primera primero pues puede pueden puedo pude pudo que quedo queda quien quiere quiero quisiera saludo saludos se sea segun "
    "ser si sido siempre sigue sin sino sobre solo somos son soy su sus tal tambien tampoco tan tanto tarde te tenemos tener "
    "tengo tenia ti tiene tienen toda todas todavia todo todos tras tres tu tus tuve un una unas uno unos usted ustedes va vale "
    "vamos van varios veces ver vez viernes vino voy vosotros vuelve vuelvo vuestra vuestro y ya yo ok"
)


@dataclass(frozen=True, slots=True)
class Words:
    """Which text has which word: `presence` (texts, words) of 0 and 1; `spelling` is each word's most frequent one."""

    presence: "csr_matrix"
    folded: tuple[str, ...]
    spelling: tuple[str, ...]


def definitions(
    columns: Sequence[Column], texts: Sequence[str], languages: Sequence[str]
) -> dict[tuple[str, str], dict[str, str]]:
    """(field, label) -> language -> the words its texts are seen with."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for language, opening in SEEN_WITH.items():
        among = [i for i, code in enumerate(languages) if code == language]
        words = count_words([texts[i] for i in among], stop_words(language))
        if words is None:
            continue
        for column in columns:
            for label, terms in top_terms(words, [column.rows[i] for i in among], column.names).items():
                found.setdefault((column.field, label), {})[language] = opening + ", ".join(terms)
    return found


def stop_words(language: str) -> frozenset[str]:
    """Folded words that tell nothing in Spanish ("es") or English ("en")."""
    if language == "es":
        return frozenset(_SPANISH.split())
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return (frozenset(ENGLISH_STOP_WORDS) - _TELLING) | frozenset(_ENGLISH_MORE.split())


def count_words(texts: Sequence[str], stop: frozenset[str]) -> Words | None:
    """Words of two letters or more that are no stop words, those that fold alike counted as one; None where there are none."""
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(token_pattern=_WORD)
    tokenize = vectorizer.build_analyzer()
    if not any(fold(word) not in stop for text in texts for word in tokenize(text)):
        return None
    counts = vectorizer.fit_transform(texts)
    spellings = vectorizer.get_feature_names_out().tolist()
    folded = np.array([fold(word) for word in spellings])
    kept = np.flatnonzero(~np.isin(folded, sorted(stop)))
    total = np.asarray(counts.sum(axis=0)).ravel()
    names, column = np.unique(folded[kept], return_inverse=True)
    merge = csr_matrix((np.ones(len(kept)), (kept, column)), shape=(len(spellings), len(names)))
    most: dict[int, str] = {}
    for word in sorted(kept.tolist(), key=lambda i: -total[i]):
        most.setdefault(int(np.searchsorted(names, folded[word])), spellings[word])
    presence = ((counts @ merge) > 0).astype(np.float64).tocsr()
    return Words(presence, tuple(names.tolist()), tuple(most[i] for i in range(len(names))))


def top_terms(words: Words, rows: Sequence[str], names: Sequence[str]) -> dict[str, list[str]]:
    """label -> its TERMS most telling words; a label with fewer than MIN_TEXTS texts, or without such words, is left out."""
    from scipy.sparse import csr_matrix

    index = {name: i for i, name in enumerate(names)}
    labelled = [i for i, name in enumerate(rows) if name]
    gold = np.array([index[rows[i]] for i in labelled], dtype=np.intp)
    one_hot = csr_matrix((np.ones(len(gold)), (gold, np.array(labelled, dtype=np.intp))), shape=(len(names), len(rows)))
    seen = (one_hot @ words.presence).toarray()
    texts = np.bincount(gold, minlength=len(names)).astype(float)
    scores = _scores(seen, texts)
    best = {name: _best(words, name, scores[i]) for name, i in index.items() if texts[i] >= MIN_TEXTS}
    return {name: terms for name, terms in best.items() if terms}


def _scores(seen: NDArray[np.float64], texts: NDArray[np.float64]) -> NDArray[np.float64]:
    """c-TF-IDF of (labels, words), 0 for words that are too rare or no more frequent than elsewhere."""
    total = seen.sum(axis=0)
    length = seen.sum(axis=1, keepdims=True)
    rarity = np.log1p(length.mean() / np.maximum(total, 1.0))
    share = seen / np.maximum(texts[:, None], 1.0)
    telling = (seen >= MIN_SEEN) & (share >= LIFT * total / max(texts.sum(), 1.0))
    return np.where(telling, seen / np.maximum(length, 1.0) * rarity, 0.0)


def _best(words: Words, label: str, scores: NDArray[np.float64]) -> list[str]:
    """The best words of one label, without those of its own name."""
    own = set(fold(label).split())
    order = [int(i) for i in np.argsort(-scores, kind="stable")[: TERMS + len(own)] if scores[i] > 0.0]
    return [words.spelling[i] for i in order if words.folded[i] not in own][:TERMS]
