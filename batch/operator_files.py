"""The files that an operator writes: the taxonomy, the context and the glossary."""

from pathlib import Path

from core.errors import InputError, TaxonomyError
from core.taxonomy import Taxonomy


def read_taxonomy(path: Path) -> Taxonomy:
    """Read a taxonomy file.

    Raises:
        TaxonomyError: it is missing, no YAML, or contradicts itself; every contradiction is named.
    """
    import yaml
    from pydantic import ValidationError

    try:
        return Taxonomy.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise TaxonomyError(
            f"There is no taxonomy {path}.", remedy=f"Make one with `python -m batch taxonomy infer HISTORY > {path}`."
        ) from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'taxonomy'}: {e['msg']}" for e in error.errors()[:20])
        raise TaxonomyError(f"The taxonomy {path} can't be used: {faults}.", remedy="Correct it and check it again.") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TaxonomyError(
            f"The taxonomy {path} can't be read ({error}).", remedy="Correct the file and check it again."
        ) from error


def read_context(path: Path | None) -> str:
    """The operator's own words for the model, or nothing."""
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"The context {path} can't be read ({error}).", remedy="Name a text file in TAMIZ_LLM__CONTEXT."
        ) from error


def read_glossary(path: Path | None) -> dict[str, str]:
    """What the operator says of single labels: a YAML file of `label: words`, or nothing.

    Raises:
        InputError: it can't be read, or is no such file.
    """
    import yaml
    from pydantic import TypeAdapter, ValidationError

    if path is None:
        return {}
    try:
        return TypeAdapter(dict[str, str]).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise InputError(
            f"The glossary {path} can't be read ({str(error).splitlines()[0]}).",
            remedy="Name a YAML file with a line `label: words` for each label in TAMIZ_LLM__GLOSSARY.",
        ) from error
