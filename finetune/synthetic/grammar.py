"""From an incident to the text of a ticket, by templates with slots, in either language; with a summary that it supports."""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from finetune.synthetic.incident import Incident
from finetune.synthetic.lexicon import Lexicon
from finetune.synthetic.phrasing import SLOT, capital, filled, paraphrased, repaired, slots
from finetune.synthetic.summary import summarised

_QUOTED = re.compile(r"\[([^\]]*)\]")
_INLINE = {"say", "head", "name"}
SUBJECTLESS = {"mail": 0.06, "form": 0.15, "phone": 0.7, "chat": 0.9, "monitor": 0.1}
_DETAILS = {"s", "S", "who", "role", "host", "site", "err", "n"}


@dataclass(frozen=True, slots=True)
class Rendered:
    """A ticket as somebody would write it, without noise. `template` names where it comes from: "es/formal/2"."""

    subject: str
    body: str
    summary: str
    template: str


@dataclass(slots=True)
class Writer:
    """Writes one ticket. `quotes` are the parts a summary may take: scope, urgency, cause, in the words of the ticket."""

    incident: Incident
    lexicon: Lexicon
    language: str
    rng: random.Random
    values: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    quotes: dict[str, str] = field(default_factory=dict)

    def write(self) -> Rendered:
        """Subject, body, summary."""
        incident, rng = self.incident, self.rng
        self.values = slots(incident, self.lexicon, self.language)
        for key, texts in (("say", incident.symptom.says), ("head", incident.symptom.heads), ("name", incident.symptom.names)):
            said = paraphrased(rng.choice(texts[self.language]), self.language, rng) if key != "name" else ""
            self.values[key] = filled(said or rng.choice(texts[self.language]), self.values)
        templates = [t for t in self.lexicon.templates[incident.style][self.language] if "S" in self.values or "{S}" not in t]
        number = rng.randrange(len(templates))
        subject = self._subject()
        body = self._body(templates[number])
        used = {name for name in _INLINE if name in self.used}
        core = self._core(used)
        summary = summarised(
            repaired(core), repaired(f"{subject}\n{body}"), self._place(), self.quotes, rng, incident.scope == "one"
        )
        return Rendered(subject, body, summary, f"{self.language}/{incident.style}/{number}")

    def _core(self, used: set[str]) -> str:
        headed = "head" in used and (self.rng.random() < 0.75 or "say" not in used)
        return self.values["head" if headed else "say" if "say" in used else "name"]

    def _place(self) -> str:
        return self.values.get("S", "")

    def _subject(self) -> str:
        if self.rng.random() < SUBJECTLESS[self.incident.channel]:
            return ""
        template = self.rng.choice(self.lexicon.templates["subject"][self.language])
        if "S" not in self.values and ("{s}" in template or "{S}" in template):
            template = "{head}"
        text = repaired(filled(self._noted(template), self.values))
        return capital(text) if self.rng.random() < 0.8 else text

    def _noted(self, template: str) -> str:
        self.used.update(m[1] for m in SLOT.finditer(template))
        return template

    def _body(self, template: str) -> str:
        paragraphs = [self._paragraph(part) for part in template.split(" / ")]
        text = "\n".join(filter(None, paragraphs))
        missing = [
            self._sentence(name) for name in ("cause", "scope", "urgency", "site", "department") if name in self._owed(text)
        ]
        if "S" in self.values and self.values["S"].casefold() not in text.casefold():
            missing.append(self._phrase("mention"))
        elif "domain" in self.incident.said and self.values.get("s", "").casefold() not in text.casefold():
            missing.append(capital(self.values["s"]) + ".")
        return repaired(" ".join([text, *filter(None, missing)]))

    def _owed(self, text: str) -> set[str]:
        """What the incident says and the text does not say yet."""
        done = {"site": self.values["site"] in text, "department": self.values["dept"] in text}
        return {name for name in self.incident.said - {"domain"} if not done.get(name, name in self.quotes)}

    def _paragraph(self, template: str) -> str:
        """One paragraph; empty where it is a caption of something that is not said."""
        text = repaired(SLOT.sub(self._slot, template))
        caption = SLOT.sub("", template).strip()
        return "" if caption and SLOT.search(template) and repaired(caption) == text else text

    def _slot(self, match: re.Match[str]) -> str:
        name = match[1]
        if match[2] and self.rng.random() < 0.4:
            return ""
        if name in _INLINE or name == "Say":
            self.used.add(name.lower())
            return self.values[name] if name in _INLINE else capital(self.values["say"])
        if name in _DETAILS:
            return self.values.get(name, self.values["host"])
        if name in {"scope", "urgency", "cause"}:
            return self._sentence(name) if name in self.incident.said and name not in self.quotes else ""
        return self._signature() if name == "sign" else self._aside() if name == "aside" else self._phrase(name)

    def _phrase(self, bank: str) -> str:
        return filled(self.rng.choice(self.lexicon.banks[bank][self.language]), self.values)

    def _signature(self) -> str:
        return self.values["who"] if self.rng.random() < 0.5 else f"{self.values['who']}\n{self.values['role']}"

    def _aside(self) -> str:
        """Mentions a service that is not the point."""
        own = self.incident.service
        others = [kind for kind in self.lexicon.kinds.values() if not kind.app and (own is None or kind.id != own.kind.id)]
        surface = self.rng.choice(self.rng.choice(others).generic[self.language])
        return capital(filled(self.rng.choice(self.lexicon.banks["aside"][self.language]), {"s": surface}))

    def _sentence(self, name: str) -> str:
        if name in {"site", "department"}:
            return self._phrase("atsite" if name == "site" else "atdept")
        phrase = repaired(filled(self.rng.choice(self._cues(name)), self.values))
        quoted = _QUOTED.search(phrase)
        self.quotes[name] = quoted[1] if quoted else phrase
        text = capital(_QUOTED.sub(r"\1", phrase))
        return text if text.endswith((".", "!", "?")) else text + "."

    def _cues(self, name: str) -> tuple[str, ...]:
        if name == "cause":
            return self.lexicon.causes[self.incident.cause].extra[self.language]
        level = self.incident.scope if name == "scope" else self.incident.urgency
        return self.lexicon.banks[f"{name}_{level}"][self.language]


def rendered(incident: Incident, lexicon: Lexicon, rng: random.Random, language: str = "") -> Rendered:
    """The incident as a ticket without noise, in its own language or in `language`."""
    return Writer(incident, lexicon, language or incident.language, rng).write()


def resolution(incident: Incident, lexicon: Lexicon, rng: random.Random, language: str, end: str = "", **names: str) -> str:
    """What was done, by group of symptoms; for another `end` than manual, in the words for that end."""
    texts: Mapping[str, tuple[str, ...]] = lexicon.groups[incident.symptom.group].extra
    if end and end != "manual":
        texts = lexicon.ends[end].extra
    return filled(rng.choice(texts[language]), names)
