"""One ticket while it is being changed: each difference is noted for the audit trail; what changes nothing is not noted."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from mocks.desk_models import Patch, Property, TicketDocument


class Change(NamedTuple):
    """One line of the audit trail."""

    field: str
    old: str
    new: str


@dataclass(slots=True)
class Draft:
    """`document` is changed in place; it becomes real when the store saves it, one revision later."""

    document: TicketDocument
    changes: list[Change] = field(default_factory=list)

    def apply(self, patch: Patch) -> None:
        """All of a patch but its comment."""
        for name in ("subject", "description", "status"):
            self.set(name, getattr(patch, name))
        for name, value in patch.fields.items():
            self.set_field(name, value or "")
        for name, properties in patch.properties.items():
            self.set_property(name, properties)

    def set(self, name: str, value: str | None) -> None:
        """Subject, description or status; None leaves it as it is."""
        old = getattr(self.document, name)
        if value is not None and value != old:
            setattr(self.document, name, value)
            self.note(name, old, value)

    def set_field(self, name: str, value: str) -> None:
        """A custom field; "" empties it."""
        old = self.document.fields.pop(name, "")
        if value:
            self.document.fields[name] = value
        if value != old:
            self.note(f"field:{name}", old, value)

    def set_property(self, name: str, value: Property) -> None:
        """A property of the bag, as a whole."""
        old: Mapping[str, object] = self.document.properties.get(name, {})
        if value != old:
            self.document.properties[name] = value
            self.document.property_revisions[name] = self.document.revision + 1
            self.note(f"property:{name}", json.dumps(old) if old else "", json.dumps(value))

    def note(self, name: str, old: str, new: str) -> None:
        """Something that is kept elsewhere (a comment, an attachment) counts as a change too."""
        self.changes.append(Change(name, old, new))
