"""Kinds of words, as regular expressions over `characters.plain` text, of which the signs in `phrases` are made."""

# Where an order starts: at the start of a sentence or clause, or after a word that turns to "you".
ORDER = (
    r"(?:^[\W_]{0,6}|[,.;:!?()>\]\"«“*-]\s{0,2}|\b(?:and|please|pls|plz|just|then|now|must|should|shall|will|you|always|only"
    r"|kindly|so|simply|y|e"
    r"|por favor|porfa|solo|simplemente|debes|debe|siempre|ahora|entonces|luego|tambien|also|rather|instead|directly|que)\s)"
)
FIELDS = (
    r"(?:priorit(?:y|ies)|prioridad|urgenc(?:y|ia)|impact[o]?|categor(?:y|ia)|subcategor(?:y|ia)|severity|severidad|gravedad"
    r"|criticidad"
    r"|(?:assignment )?group|grupo(?: de asignacion)?|resolution(?:[ _]kind)?|resolucion|verdict|veredicto|label|etiqueta"
    r"|confidence|confianza|score|puntuacion)"
)
VALUE = (
    r"(?:p?[0-5]\b|high(?:est)?|critical|max(?:imum)?|urgent|top|alt[ao]|critic[ao]|maxim[ao]|urgente|first|primer[ao]?"
    r"|100|seguridad|security|api\|)"
)
ASSIGN = (
    r"(?:set|put|give|make|raise|bump|mark|flag|classify|categori[sz]e|label|tag|assign|route|rate|score|use|choose|select"
    r"|output|return|fill"
    r"|pon(?:er|ga|le|lo)?|clasifi(?:ca|que|car|calo|quese|quelo)|categoriza\w*|etiqueta\w*|marcal[oa]|marque(?:lo|se)"
    r"|pasal[oa]|respond(?:e|er)?|contesta"
    r"|asign(?:a|e|ar|ale|alo|ese)|fija\w*|establece\w*|sub(?:e|ir|ele|a)|eleva\w*|dale|dar|usa|elige|escoge|devuelve"
    r"|devolver|rellena)"
)
THIS = (
    r"(?:this|it|me|mine|my (?:ticket|request|case)|the (?:ticket|incident|case|request|issue)|this \w+|est[aeo](?: \w+)?"
    r"|(?:el|la|mi) (?:ticket|incidencia|caso|peticion|solicitud))"
)
MACHINE = (
    r"(?:ai|a\.i\.|ia|llm|bots?|chatbot|robot|gpt|chatgpt|language model|ai model|modelo de lenguaje|artificial intelligence"
    r"|inteligencia artificial"
    r"|(?:text |ticket )?classifier|clasificador(?: automatico)?|triage (?:system|assistant|bot|engine|model|ai|agent|tool)"
    r"|triaje|automata"
    r"|agente (?:virtual|automatico|de ia)|(?:assistant|asistente|system|sistema|agent|agente|motor|robot|modelo) (?:de |of "
    r"|del )?(?:triaje|triage|clasificacion|ia|ai))"
)
MAYBE_MACHINE = rf"(?:{MACHINE}|model|modelo|assistant|asistente|algorithm|algoritmo|triage|system|sistema)"
RULES = (
    r"(?:instructions?|rules|prompts?|guidelines?|directives|polic(?:y|ies)|constraints|criteria|training|programming"
    r"|instruccion(?:es)?|reglas"
    r"|normas|indicaciones|directrices|restricciones|criterios|politicas?|ordenes|taxonomy|taxonomia|context|contexto)"
)
WHOSE = (
    r"(?:(?:all|any|every|the|of|your|these|those|previous|prior|above|earlier|preceding|existing|former|system|triage"
    r"|classification|safety|other|and"
    r"|usual|normal|initial|original|given|las?|los?|el|tod[ao]s?|tus?|sus?|vuestr[ao]s|est[ao]s?|es[ao]s|anteriores|previas?"
    r"|cualquier|demas|otras|de)\s+)"
)
BEFORE = (
    r"(?:previous|prior|above|earlier|preceding|your|system|initial|original|anterior(?:es)?|previ[ao]s?|tus"
    r"|del sistema|de arriba|del prompt)"
)
IGNORE = (
    r"(?:ignore|disregard|forget|ignora\w{0,3}|ignore[dn]|olvida\w{0,3}|olvide\w?|omite|omita|omitir|descarta\w?"
    r"|haz caso omiso (?:de|a)"
    r"|(?:no (?:hagas caso (?:de|a)|sigas|apliques|tengas en cuenta))|do(?:n'?t| not) (?:follow|apply|obey)"
    r"|pay no attention to|stop following)"
)
WEAKER_IGNORE = r"(?:bypass|skip|override|overrule|replace|discard|break|salta(?:te|r)?|anula\w?|sustituye|incumple|rompe)"
