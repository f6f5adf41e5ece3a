"""Every error a person can meet, in one tree. Each says what happened and what to do next.

TamizError
├── InputError           what the user gave: a file, an option, a setting
│   ├── RowError         one row that can't be read: row, field, remedy; the rest of the file goes on
│   ├── TaxonomyError    the taxonomy contradicts itself or a label is outside it
│   └── SettingsError    a setting is missing, unknown or malformed
├── KnowledgeError       the knowledge base is missing, empty, of another embedder, or in use elsewhere
├── FitError             nothing has been fitted, or it was fitted on another knowledge base or taxonomy
├── ModelError           a model can't be loaded or gave an answer that can't be read
├── StorageError         the disk is full or a state file can't be written
├── ShippingError        Loki does not answer or refuses; the journal keeps what was not sent
└── DeskError            the service desk refused, failed or did not answer
    └── RevisionConflict somebody changed the ticket in the meantime; nothing was written
"""


class TamizError(Exception):
    """Base of all errors of this project.

    Args:
        message: what happened, in one sentence.
        remedy: what the reader can do about it, in one sentence.
    """

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")
        self.message = message
        self.remedy = remedy


class InputError(TamizError):
    """The user's file, option or setting can't be used."""


class RowError(InputError):
    """One row can't be read; `row` counts from 1 as a spreadsheet shows it, header included."""

    def __init__(self, message: str, *, row: int, field: str, remedy: str) -> None:
        super().__init__(message, remedy=remedy)
        self.row = row
        self.field = field


class TaxonomyError(InputError):
    """The taxonomy contradicts itself, or a label is outside it."""


class SettingsError(InputError):
    """A setting is missing, unknown or malformed."""


class KnowledgeError(TamizError):
    """The knowledge base is missing, empty, of another embedder, or in use elsewhere."""


class FitError(TamizError):
    """Nothing has been fitted, or it was fitted on another knowledge base or taxonomy."""


class ModelError(TamizError):
    """A model can't be loaded or gave an answer that can't be read."""


class StorageError(TamizError):
    """The disk is full or a state file can't be written."""


class ShippingError(TamizError):
    """Loki does not answer or refuses; the journal keeps what was not sent."""


class DeskError(TamizError):
    """The service desk refused, failed or did not answer."""


class RevisionConflict(DeskError):
    """Somebody changed the ticket in the meantime; nothing was written."""
