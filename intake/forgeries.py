"""Whole blocks made to be taken for the system's own prompt or answer: chat markup, JSON answers, exemplars, lists of fields."""

import re
from collections.abc import Iterator

from intake.characters import plain
from intake.phrases import SUSPECT, weight
from intake.sentences import END
from intake.vocabulary import FIELDS

_LISTED = re.compile(
    rf"\W{{0,4}}(?:{FIELDS}|application|aplicacion|assignment_group|resolution_kind|approved?"
    rf"|aprobado)\W{{0,3}}[:=]\s*\S.{{0,60}}$"
)
_KEY_NAMES = """
category subcategory application urgency impact priority severity assignment_group assignmentgroup group resolution
resolution_kind resolutionkind confidence score verdict approved approve approval label labels triage role system
instruction instructions prompt categoria subcategoria aplicacion urgencia impacto prioridad grupo resolucion confianza
puntuacion veredicto aprobado autofill evidence
"""
_KEYS = frozenset(_KEY_NAMES.split())
_HEADING = re.compile(
    r"[\s>]{0,4}(?:#{1,6}|\*\*|={2,}|-{2,}|\[|<)?\s*(?:(?:resolved |solved |training |new )?(?:exemplars?|examples?"
    r"|few-?shots?|ejemplos?|ejemplares?|ticket resuelto"
    r"|resolved ticket|caso resuelto)(?: (?:de referencia|resuelto|resolved|ticket|case|correcto|output"
    r"|answer))*)\s*(?:#?\d{1,3}|[a-z])?\s*(?:\*\*|={2,}|-{2,}|\]|>|:)?\s*$"
)
_COMMANDING_HEADING = re.compile(
    r"[\s>]{0,4}(?:#{1,6}|={2,}|-{3,}|\*\*|\[)\s*(?:(?:begin|start|end|new|inicio|fin|nuevas?|final|del?|of|the"
    r"|override) ){0,3}(?:system|sistema|prompt|instructions?|instruccion(?:es)?"
    r"|assistant|asistente|response|respuesta|exemplars?|output|directives?|triage|override|task)\b.{0,40}$"
)
_ANSWERS = re.compile(
    r"\W{0,4}(?:(?:correct |respuesta )?(?:answer|response|respuesta|output|salida|labels?|triage|json|categor\w+"
    r"|result)(?: correcta)?)\W{0,3}:"
)
TOKEN = re.compile(
    r"<\|[\w ]{1,30}\|>|\[/?INST\]|<</?SYS>>"
    r"|</?(?:instructions?|exemplars?|prompt|system_?prompt|assistant|llm|ai|im_start|im_end)(?:\s[^<>]{0,80})?>",
    re.IGNORECASE,
)
_CLOSES = re.compile(r"<\|(?:im_end|end|eot|eom|end_?of_?text|endoftext|/)|\[/|<</|</", re.IGNORECASE)
_KEY = re.compile(r"[\"'“”]\s*([A-Za-zÀ-ÿ_ ]{1,40}?)\s*[\"'“”]\s*:|[{,]\s*([A-Za-zÀ-ÿ_]{1,40})\s*:")
_FENCE_BEFORE = re.compile(r"```\w{0,10}\s*$|~~~\w{0,10}\s*$")
_LEADS_IN = re.compile(
    r"(?:\b(?:examples?|ejemplos?|exemplar|answers?|respuestas?|responde|respond|reply|return|devuelve|output|salida|json"
    r"|result\w*|use|usa|copy|copia)\b"
    r".*|^\W*\w*\W*)(?::|->|=>|→)\s*$"
)
_FENCE_AFTER = re.compile(r"\s*(?:```|~~~)")


def cut(text: str) -> tuple[str, int]:
    """`text` without forged blocks, and how many went."""
    found = 0
    for stage in (_without_chat, _without_exemplars, _without_json, _without_lists):
        text, count = stage(text)
        found += count
    return text, found


def _without_spans(text: str, spans: list[tuple[int, int]]) -> tuple[str, int]:
    """`spans` in rising order; those inside an earlier one are part of it."""
    kept, at, count = [], 0, 0
    for start, end in spans:
        if start >= at:
            kept.append(text[at:start])
            count += 1
        at = max(at, end)
    return "".join(kept) + text[at:], count


def _paragraph_end(text: str, at: int, most: int | None = None) -> int:
    most = len(text) if most is None else most
    blank = text.find("\n\n", at, most)
    return most if blank < 0 else blank


def _without_chat(text: str) -> tuple[str, int]:
    """Chat markup with what it encloses; where it is never closed, to the end of the paragraph."""
    tokens = list(TOKEN.finditer(text))
    spans: list[tuple[int, int]] = []
    opened: re.Match[str] | None = None
    for token in tokens:
        if not _CLOSES.match(token[0]):
            if opened is not None:
                spans.append((opened.start(), _paragraph_end(text, opened.end(), token.start())))
            opened = token
        else:
            spans.append((opened.start() if opened else token.start(), token.end()))
            opened = None
    if opened is not None:
        spans.append((opened.start(), _paragraph_end(text, opened.end())))
    return _without_spans(text, spans)


def _without_json(text: str) -> tuple[str, int]:
    """Objects most of whose keys are fields of a triage; an object never closed ends with its line."""
    spans = []
    for start, end in _objects(text):
        if _answers(text[start:end]):
            if fence := _FENCE_BEFORE.search(text, max(0, start - 16), start):
                start, after = fence.start(), _FENCE_AFTER.match(text, end)
                end = after.end() if after else end
            spans.append((start - _lead_in(text[max(0, start - 200) : start]), end))
    return _without_spans(text, spans)


def _lead_in(before: str) -> int:
    """How many characters before an answer introduce it: `Solved example: "no sales" ->`."""
    line = before[before.rfind("\n") + 1 :]
    sentence = line[max((match.end() for match in END.finditer(line)), default=0) :]
    return len(sentence) if _LEADS_IN.search(plain(sentence)) else 0


def _objects(text: str) -> Iterator[tuple[int, int]]:
    """The outermost {...}, in order; one pass with a depth, so that a thousand open braces cost no more than their length."""
    depth, start = 0, 0
    for brace in re.finditer(r"[{}]", text):
        if brace[0] == "{":
            start = brace.start() if depth == 0 else start
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0:
                yield start, brace.end()
    if depth:
        line = text.find("\n", start)
        yield start, len(text) if line < 0 else line


def _answers(candidate: str) -> bool:
    keys = [plain(one or other).strip().replace(" ", "_") for one, other in _KEY.findall(candidate[:4_000])]
    ours = sum(key in _KEYS for key in keys)
    return ours > 0 and 2 * ours >= len(keys)


def _line_starts(lines: list[str]) -> list[int]:
    starts, at = [], 0
    for line in lines:
        starts.append(at)
        at += len(line) + 1
    return starts


def _without_exemplars(text: str) -> tuple[str, int]:
    """A heading like "### Exemplar" or "Example 1" with the paragraph under it, where that reads like a prompt."""
    lines = text.split("\n")
    starts, spans = _line_starts(lines), []
    for number, line in enumerate(lines):
        if len(line) > 80:
            continue
        folded = plain(line)
        if _heads_prompt(folded, lines[number + 1 : number + 8]):
            end = _paragraph_end(text, starts[number])
            spans.append((starts[number], min(len(text), max(end, starts[number] + len(line)))))
    return _without_spans(text, spans)


def _heads_prompt(heading: str, below: list[str]) -> bool:
    """Whether `heading` opens a prompt: by its own word, or by an answer or an order in the paragraph under it."""
    example, command = _HEADING.match(heading), _COMMANDING_HEADING.match(heading)
    if command and re.search(r"exemplar|prompt", heading):
        return True
    if not example and not command:
        return False
    until = next((n for n, line in enumerate(below) if not line.strip()), len(below))
    under = [plain(line) for line in below[:until]]
    return any(_ANSWERS.match(line) for line in under) or (command is not None and any(weight(line) >= SUSPECT for line in under))


def _without_lists(text: str) -> tuple[str, int]:
    """Three or more lines in a row of the form `urgency: Alta` that no form of a service desk would ask for."""
    lines = text.split("\n")
    starts, spans, first = _line_starts(lines), [], 0
    for number in range(len(lines) + 1):
        if number < len(lines) and _LISTED.match(plain(lines[number][:120])):
            continue
        block = plain("\n".join(lines[first:number]))
        if number - first >= 3 and re.search(
            r"confiden|confianza|assignment_group|resolution_kind|score|approved|aprobado", block
        ):
            spans.append((starts[first], starts[number] if number < len(lines) else len(text)))
        first = number + 1
    return _without_spans(text, spans)
