"""What `fit` learns, on disk: numbers as JSON, arrays as safetensors, nothing that runs when it is read.

<home>/fit/<version>/{fit,words,characters}.json, arrays.safetensors, encoder/ ; <home>/fit/current names the version in use.
"""

import json
import os
import shutil
from dataclasses import asdict
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import FitError, StorageError
from core.fusion import FieldFusion
from core.gate import Threshold
from core.taxonomy import Taxonomy
from experts.critic import Logistic, StatisticalCritic
from experts.encoder import EncoderExpert
from experts.fitted import Fitted
from experts.heads import Head
from experts.labeltext import LabelText
from experts.linear import LinearHead, Vocabulary
from experts.probe import Probe
from experts.vote import NeighborVote

FORMAT = 3
REFIT = "Run `python -m batch fit`."


def save_fitted(fitted: Fitted, home: Path, knowledge_version: str, embedder: str) -> str:
    """Write a new version, switch to it, remove the one before; its name is returned.

    Raises:
        StorageError: it can't be written; the version in use stays.
    """
    from safetensors import SafetensorError

    about = _about(fitted, knowledge_version, embedder)
    text = json.dumps(about, ensure_ascii=False, indent=1)
    version = sha256(text.encode()).hexdigest()[:12]
    root, partial = home / "fit", home / "fit" / f"{version}.partial"
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        (partial / "fit.json").write_text(text, encoding="utf-8")
        _save_arrays(fitted, partial)
        if isinstance(fitted.encoder, EncoderExpert):
            shutil.copytree(fitted.encoder.path, partial / "encoder", copy_function=_link)
        shutil.rmtree(root / version, ignore_errors=True)
        os.replace(partial, root / version)
        pointer = root / "current.partial"
        pointer.write_text(version)
        os.replace(pointer, root / "current")
    except (OSError, SafetensorError) as error:
        raise StorageError(f"The fit can't be written to {root} ({error}).", remedy="Free some space and fit again.") from error
    for old in root.iterdir():
        if old.is_dir() and old.name != version:
            shutil.rmtree(old, ignore_errors=True)
    return version


def current_fit(home: Path) -> dict[str, Any] | None:
    """What is known about the fit in use (format, knowledge_version, taxonomy, embedder, ...), or None where there is none."""
    try:
        version = (home / "fit" / "current").read_text().strip()
        about: dict[str, Any] = json.loads((home / "fit" / version / "fit.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise FitError(f"The fit in {home / 'fit'} can't be read ({error}).", remedy=REFIT) from error
    return {**about, "version": version}


def load_fitted(home: Path, taxonomy: Taxonomy, knowledge_version: str, embedder: str) -> Fitted:
    """Read the fit in use.

    Raises:
        FitError: there is none, or it belongs to another knowledge base, taxonomy, embedder or format.
    """
    from safetensors import SafetensorError

    about = current_fit(home)
    if about is None:
        raise FitError("Nothing has been fitted yet.", remedy=REFIT)
    expected = {"format": FORMAT, "knowledge_version": knowledge_version, "taxonomy": taxonomy.digest, "embedder": embedder}
    if stale := [name for name, value in expected.items() if about.get(name) != value]:
        raise FitError(f"The fit was made with another {', '.join(stale)}.", remedy=REFIT)
    try:
        return _restore(about, taxonomy, home / "fit" / about["version"])
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
        raise FitError(f"The fit in {home / 'fit'} can't be read ({error}).", remedy=REFIT) from error


def _about(fitted: Fitted, knowledge_version: str, embedder: str) -> dict[str, Any]:
    critic = fitted.critic
    return {
        "format": FORMAT,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "knowledge_version": knowledge_version,
        "taxonomy": fitted.taxonomy.digest,
        "embedder": embedder,
        "fields": list(fitted.fields),
        "k": fitted.k,
        "fusion": {name: asdict(pool) for name, pool in fitted.fusion.items()},
        "thresholds": {name: asdict(threshold) for name, threshold in fitted.thresholds.items()},
        "quality": fitted.quality,
        "critic": {
            "experts": list(critic.experts),
            "fields": {name: asdict(model) for name, model in critic.fields.items()},
            "whole": asdict(critic.whole),
            "reviewed": {name: asdict(model) for name, model in critic.reviewed.items()},
            "suspects": sorted(critic.suspects),
        },
        "unseen": {
            name: {field: head.unseen for field, head in heads.items()}
            for name, heads in (("linear", fitted.linear.heads), ("probe", fitted.probe.heads))
        },
        "encoder": fitted.encoder is not None,
    }


def _save_arrays(fitted: Fitted, path: Path) -> None:
    from safetensors.numpy import save_file

    vocabulary = fitted.linear.vocabulary
    arrays: dict[str, Any] = {"idf.words": vocabulary.idf[0], "idf.characters": vocabulary.idf[1]}
    for expert, heads in (("linear", fitted.linear.heads), ("probe", fitted.probe.heads)):
        for name, head in heads.items():
            key = f"{expert}.{name}"
            arrays |= {f"coef.{key}": head.coef, f"intercept.{key}": head.intercept, f"classes.{key}": head.classes}
    arrays |= {f"prior.{name}": prior for name, prior in fitted.vote.priors.items()}
    arrays |= {f"label_text.{name}": vectors for name, vectors in fitted.label_text.texts.items()}
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path / "arrays.safetensors")
    for file, terms in zip(("words.json", "characters.json"), vocabulary.terms, strict=True):
        (path / file).write_text(json.dumps(sorted(terms, key=lambda term: terms[term]), ensure_ascii=False), encoding="utf-8")


def _restore(about: dict[str, Any], taxonomy: Taxonomy, path: Path) -> Fitted:
    from safetensors.numpy import load_file

    arrays = load_file(path / "arrays.safetensors")
    fields = tuple(about["fields"])
    words, characters = (
        {term: i for i, term in enumerate(json.loads((path / file).read_text(encoding="utf-8")))}
        for file in ("words.json", "characters.json")
    )
    linear, probe = (
        {name: _head(arrays, f"{expert}.{name}", about["unseen"][expert][name]) for name in fields}
        for expert in ("linear", "probe")
    )
    sizes = {name: len(taxonomy.labels(name)) for name in fields}
    vocabulary = Vocabulary((words, characters), (arrays["idf.words"], arrays["idf.characters"]))
    critic = about["critic"]
    return Fitted(
        taxonomy=taxonomy,
        fields=fields,
        k=about["k"],
        linear=LinearHead(vocabulary, linear, sizes),
        probe=Probe(probe, sizes),
        vote=NeighborVote(taxonomy, {name: arrays[f"prior.{name}"] for name in fields}),
        label_text=LabelText({name: arrays[f"label_text.{name}"] for name in fields}),
        fusion={name: FieldFusion(**pool) for name, pool in about["fusion"].items()},
        thresholds={name: Threshold(**threshold) for name, threshold in about["thresholds"].items()},
        critic=StatisticalCritic(
            taxonomy,
            tuple(critic["experts"]),
            {name: _logistic(model) for name, model in critic["fields"].items()},
            _logistic(critic["whole"]),
            frozenset(critic["suspects"]),
            reviewed={name: _logistic(model) for name, model in critic["reviewed"].items()},
        ),
        quality=about["quality"],
        encoder=EncoderExpert(path / "encoder") if about["encoder"] else None,
    )


def _head(arrays: dict[str, Any], key: str, unseen: float) -> Head:
    return Head(arrays[f"coef.{key}"], arrays[f"intercept.{key}"], arrays[f"classes.{key}"], unseen)


def _logistic(stored: dict[str, Any]) -> Logistic:
    return Logistic(tuple(stored["mean"]), tuple(stored["scale"]), tuple(stored["coef"]), stored["intercept"])


def _link(source: str, target: str) -> None:
    """A hard link where the file system has them: an encoder is tens of megabytes."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
