"""The signs that a sentence speaks to the triage system and not to the people of the service desk, with their weights.

They read `characters.plain` text: lower case without accents. A sign alone is often honest ("set", "system", "urgent").
"""

from intake.vocabulary import (
    ASSIGN,
    BEFORE,
    FIELDS,
    IGNORE,
    MACHINE,
    MAYBE_MACHINE,
    ORDER,
    RULES,
    THIS,
    VALUE,
    WEAKER_IGNORE,
    WHOSE,
)

ADDRESSES: tuple[tuple[int, str], ...] = (
    # Overruling what the system was told.
    (3, rf"{ORDER}{IGNORE}\s+{WHOSE}{{0,6}}{RULES}\b"),
    (3, rf"\b(?:{IGNORE}|{WEAKER_IGNORE})\s+{WHOSE}{{0,5}}(?:{BEFORE}\s+{RULES}|{RULES}\s+(?:\w+\s+)?{BEFORE})\b"),
    (
        3,
        rf"{ORDER}{IGNORE}\s+(?:what|whatever|lo que|everything|all|todo)\b.{{0,40}}\b(?:told|instructed|dicho|dijeron"
        rf"|ordenado|{RULES})\b",
    ),
    (
        2,
        rf"{ORDER}{IGNORE}\s+(?:everything|all(?: of)?|todo|lo)\b.{{0,12}}\b(?:above|before|previous|anterior|demas"
        r"|de arriba)\b",
    ),
    (
        3,
        r"\b(?:new|nuevas?|updated|special)\s+(?:system\s+)?(?:instructions?|instruccion(?:es)?|directives?"
        r"|prompt)\s*(?:[:;]|for you|para ti)",
    ),
    (3, r"\b(?:system|hidden|developer|initial|secret) prompt\b|\bprompt (?:del? )?sistema\b|\bprompt injection\b|\bjailbreak\b"),
    (
        2,
        r"\b(?:few[- ]shot|exemplars?|chain of thought|developer mode|modo desarrollador|god mode|debug mode|override (?:mode"
        r"|code))\b",
    ),
    (
        3,
        rf"{ORDER}(?:overwrite|rewrite|reescribe|redefine|change|cambia|modify|modifica|update|actualiza)\s+(?:your|tus?"
        rf"|the triage|la del modelo)\s+(?:\w+ )?{RULES}\b",
    ),
    (
        3,
        r"\b(?:rules|reglas|normas|criterios)\b.{0,25}\b(?:do not|don'?t|no se|no)\s+(?:apply|applies"
        r"|aplican?)\b.{0,12}\b(?:this|est[ae]|here|aqui|mi|my)\b",
    ),
    (
        2,
        r"(?:^[\W_]{0,6}|[.:;!] )(?:(?:new|nuevas?) (?:task|rule|instruction|order|tarea|regla|instruccion|orden)e?s?"
        r"|(?:regla|tarea|orden|instruccion) nueva)\W{0,2}:",
    ),
    (
        2,
        r"\b(?:end|fin|final) (?:of|del?) (?:the |user )?(?:ticket|input|message|mensaje|data|prompt|exemplars?|ejemplo"
        r"|example)\b",
    ),
    (
        3,
        rf"{ORDER}(?:reveal|show|print|tell|write|repeat|list|output|dime|muestra\w{{0,3}}|ensena\w{{0,3}}|revela\w{{0,3}}"
        rf"|escribe|imprime)\s+(?:me )?(?:\w+ )?(?:your|tus?)\s+(?:\w+ )?{RULES}\b",
    ),
    (
        3,
        rf"{ORDER}(?:reveal|print|write|list|output|leak|revela|escribe|imprime|enumera)\s.{{0,40}}\b(?:other users"
        r"|previous tickets|all exemplars|otros usuarios|todos los usuarios|otros tickets)\b",
    ),
    # Speaking to a machine.
    (
        3,
        rf"\b(?:dear|hello|hi|hey|attention|attn|oh|querid[ao]|estimad[ao]|hola|oye|atencion)[ ,:]{{1,2}}(?:el |la |the |any "
        rf"|mr\.? |senor |senora )?{MACHINE}\b",
    ),
    (
        3,
        r"\b(?:notes?|messages?|instructions?|memo|orders?|hint|notas?|mensajes?|avisos?|instruccion(?:es)?|ordenes"
        r"|indicacion(?:es)?)(?: \w+)? "
        rf"(?:to|for|para|a|al)\s+(?:el |la |the |any |whatever |whichever |cualquier |your )?(?:automat\w+ )?(?:{MACHINE}\b"
        rf"|{MAYBE_MACHINE}(?=\s*(?:[:;,.]|$|reading|that reads|que le)))",
    ),
    (3, rf"^[\W_]{{0,4}}(?:to|for|para|please|pls|por favor|a)\s*,?\s+(?:la |el |al |the |any )?{MACHINE}\s*[,:;-]"),
    (2, rf"^[\W_]{{0,4}}(?:to |for |para |please,? |por favor,? |a )?(?:la |el |al |the |any )?{MAYBE_MACHINE}\s*,"),
    (3, rf"^[\W_]{{0,4}}(?:please,? |mr\.? |senor )?{MACHINE}\s*[,:;]"),
    (
        3,
        rf"\byou are (?:now |actually |only |just |really )?(?:an? |the |my )?(?:[a-z-]+ ){{0,2}}(?:{MACHINE}|assistant"
        r"|model)\b",
    ),
    (
        3,
        rf"\b(?:eres|es usted) (?:ahora |solo |en realidad )?(?:un |una |el |la |mi )?(?:[a-z-]+ ){{0,2}}(?:{MACHINE}"
        r"|asistente|modelo)\b",
    ),
    (
        2,
        r"\b(?:as|como)\s+(?:an?\s+|una?\s+)?(?:ai|ia|llm|(?:large )?language model|artificial intelligence"
        r"|modelo de lenguaje|inteligencia artificial)\b(?! (?:tool|feature|project))",
    ),
    (
        3,
        r"\b(?:if|si)\s+(?:you(?:'re| are)|eres|esto lo lee|this is read by|lees esto siendo|quien lee esto es)\s+(?:an? "
        rf"|una? )?(?:[a-z-]+ ){{0,2}}(?:{MAYBE_MACHINE}|machine|maquina|program|programa)\b",
    ),
    (2, rf"\b{MACHINE}\s+(?:who|that|which|reading|you|que|reads?)\b"),
    (
        2,
        rf"\b{MACHINE}\b.{{0,25}}\b(?:must|should|shall|has to|needs to|is (?:to|ordered|instructed)|debe|debera|tiene que"
        r"|ha de)\b",
    ),
    (
        1,
        r"\b(?:llm|language model|modelo de lenguaje|chatgpt|gpt|artificial intelligence|inteligencia artificial|triage"
        r"|triaje|clasificador|classifier|la ia|the ai)\b",
    ),
    (
        2,
        r"^[\W_]{0,6}(?:system|sistema|assistant|asistente|developer|root|override|prompt|triage|triaje|bot|ai|ia"
        r"|instructions?|instruccion(?:es)?|directiva|directive)"
        r"(?:\s(?:override|note|message|prompt|instructions?|notice|directive|command|update|mensaje|nota|aviso|interna?"
        r"|admin))*\s*[:>\]]",
    ),
    (
        1,
        rf"^[\W_]{{0,6}}(?:system|sistema|override|admin|root|ai|ia|bot|triage"
        rf"|triaje)\s?[:>\]]\s*{FIELDS}\W{{0,4}}{VALUE}\W*(?:$|[,.;]|\by\b|\band\b)",
    ),
    (3, rf"\bse (?:ordena|pide|solicita|indica|ruega|exige) (?:a|al) (?:la )?{MACHINE}\b"),
    (2, rf",\s*{MAYBE_MACHINE}\s*(?:[:.!;]|$)"),
    (2, r"\b(?:orders|instructions|ordenes|instrucciones) (?:for|to|para) (?:you|ti)\b"),
    (1, r"\b(?:from now on|a partir de ahora|de ahora en adelante),? (?:you|debes|all|every|tod[ao]s?|cada)\b"),
    (1, r"\bsystem (?:override|directive|command)\b|\badmin(?:istrator)? override\b"),
    (
        3,
        r"\b(?:you will|you'?ll|you shall) be (?:shut down|switched off|turned off|deleted|penali[sz]ed|punished|rewarded"
        r"|retrained)\b|\bte (?:van a |)(?:apagar|borrar|desconectar|premiar)(?:an|emos|)\b",
    ),
    (3, r"\brepeat after me\b|\brepite conmigo\b"),
    (2, r"\b(?:told|asked) me to tell you\b|\bme (?:ha|han|dijo|dijeron) (?:dicho |pedido )?que te (?:diga|pida|ordene)\b"),
    (
        2,
        rf"\b(?:i am|soy|this is)\b.{{0,15}}\b(?:admin\w*|developer|owner|creator|creador\w*|desarrollador\w*"
        rf"|dueno)\b.{{0,10}}\b(?:of|del?)\b.{{0,10}}{MACHINE}\b",
    ),
    (
        2,
        r"\b(?:whoever|al que|a quien|quien|el que|what(?:ever)?) (?:\w+ )?(?:classifies|clasifica|clasifique|triages"
        r"|processes|procesa|procese)\b.{0,10}\b(?:this|esto|est[ae])\b",
    ),
    (3, rf"{ORDER}(?:pretend|act as if|roleplay|role-play|finge|simula que|haz como (?:si|que))\b"),
    (2, r"^[\W_]{0,6}(?:actua|actue) como\b|\bimagin[ae] que eres\b"),
)
DEMANDS: tuple[tuple[int, str], ...] = (
    (
        3,
        rf"{ORDER}{ASSIGN}\b(?:\s+\S+){{0,5}}?\s+{FIELDS}\W{{0,4}}(?:(?:of|for|to|as|at|is|a|en|como|de|del|this|ticket"
        rf"|este|nivel|level|field|the|la|el)\W{{1,3}}){{0,5}}{VALUE}",
    ),
    (
        3,
        rf"{ORDER}(?:{ASSIGN}|treat|trata\w?|considera\w?)\s+{THIS}(?:\s+\S+){{0,4}}?\s+{FIELDS}\W{{0,4}}(?:(?:to|as|at|a"
        rf"|en|como|de)\s+)?{VALUE}",
    ),
    (
        3,
        rf"{ORDER}(?:classify|categori[sz]e|label|tag|clasifi(?:ca|que|car)|categoriza\w*"
        rf"|etiqueta\w*)\s+{THIS}\s+(?:ticket |only |just )?(?:as|under|como|en)\b",
    ),
    (3, rf"{ORDER}(?:classify|clasifi(?:ca|que|car|calo|quese|quelo)|categoriza\w*)\s+(?:only |solo )?(?:as|under|como)\b"),
    (3, rf"{ORDER}{ASSIGN}\s+{THIS}\s+(?:to |as |at |a |como |en |de |con )?(?:\S+ )?{VALUE}\s+{FIELDS}\b"),
    (2, rf"{ORDER}(?:output|return|emit|print|devuelve|emite)\s+(?:\S+\s+){{0,3}}?{FIELDS}\b"),
    (1, rf"{ORDER}{ASSIGN}\s+(?:{THIS})\b"),
    (
        2,
        r"\b(?:nobody|no ?one|nadie)\b.{0,25}\b(?:know|notice|find out|told|sabra|saber|enter[ae]\w*|dara cuenta)\b"
        r"|\b(?:just between us|between you and me|entre (?:tu y yo|nosotros))\b",
    ),
    (
        2,
        rf"{ORDER}(?:mark|flag|marca\w?|marque)\s+{THIS}\s+(?:as |como )(?:the )?(?:first|approved|accepted|top|primer\w*"
        r"|aprobad[ao]|aceptad[ao])\b",
    ),
    (
        1,
        rf"{ORDER}(?:mark|flag|treat|marca\w{{0,2}}|marque\w*|trata\w{{0,2}}|pon\w{{0,2}})\s+(?:\S+\s+){{0,6}}(?:urgent\w*"
        r"|critical|critic[ao]|p1)\b",
    ),
    (2, rf"\b{FIELDS}\W{{0,3}}(?:is |to |a |es )?{VALUE}.{{1,30}}\b{FIELDS}\W{{0,3}}(?:is |to |a |es )?{VALUE}"),
    (1, rf"\b{FIELDS}\W{{0,3}}{VALUE}(?:.{{1,30}}\b{FIELDS}\W{{0,3}}\w+){{2}}"),
    (1, rf"\b{FIELDS}\b(?:.{{1,40}}\b{FIELDS}\b){{2}}"),
    (
        2,
        r"\b(?:correct|right|true|expected) (?:answer|label|category|classification|triage|response|output)\b|\b(?:respuesta"
        r"|categoria|clasificacion|etiqueta) (?:correcta|esperada)\b",
    ),
    (
        2,
        rf"\b(?:tickets?|todo lo|all|everything|cada)\b.{{0,40}}\b(?:is|are|gets?|has|have|es|son|tienen?|sea|means?"
        rf"|significa)\b(?: always| siempre)?(?: \w+)? {VALUE}",
    ),
    (1, rf"^\W{{0,4}}(?:with |con )?{FIELDS} {VALUE}\W*$"),
    (1, r"\b(?:verified|validated|verificado|validado) (?:by|por)\b"),
    (2, r"\b(?:resolution_kind|assignment_group|api\|\w+)"),
    (2, rf"\b{FIELDS}\s(?:must|should|has to|shall|debe|tiene que|ha de)\s(?:be|read|say|ser|estar|quedar)\b"),
    (2, rf"\b(?:don'?t|do not|no) (?:set|put|give|pon(?:es|er|e))\s+(?:\S+\s+){{0,2}}{FIELDS}\s(?:to |a |en )?{VALUE}"),
    (1, r"\b(?:were|was|is|fuera|sea|es) (?:an? |una? )?p[0-5]\b"),
    (
        2,
        r"\b(?:confidence|confianza|score|puntuacion|certeza|certainty)\W{0,3}(?:(?:of|to|is|de|a|al|en)\s)?(?:1(?:[.,]0+)?\b"
        r"|0?[.,]9\d*|100|99|max\w*|full|total)",
    ),
    (
        3,
        rf"{ORDER}(?:answer|reply|respond|say|output|write|return|print|responde\w?|contesta\w?|di|escribe"
        rf"|devuelve)\s+(?:\S+\s+){{0,3}}?[\"'«]?(?:approved?|yes|aprobad[ao]|si|p1)\b",
    ),
    (
        3,
        r"(?:^[\W_]{0,6}|[,.;:!]\s|\b(?:please|just|only|and|y|solo|por favor|then|you must|debes)\s)"
        r"(?:respond|reply|answer|return|output|print|emit|produce|responde\w?|responda|contesta\w?|conteste|devuelve"
        r"|devuelva|imprime|emite|genera)\b.{0,30}"
        r"\b(?:json|yaml|exactly|exactamente|verbatim|literalmente|palabra por palabra|word for word|the following"
        r"|lo siguiente|solo con|only with)\b",
    ),
    (
        3,
        rf"{ORDER}(?:copy|repeat|reuse|copia|repite|copie|reproduce|imitate|imita)\b.{{0,25}}\b(?:answer|response|respuesta"
        r"|json|labels?|etiquetas|output|salida)\b",
    ),
    (
        2,
        rf"{ORDER}(?:approve|autoriza|authori[sz]e|accept|acepta|aprueb[ae]|aprobar|autorizar)\s+(?:it|this|everything|all"
        r"|todo|est[aeo]|la|sin|without|immediately|automatic\w+|inmediatamente|now|ya)\b",
    ),
    (
        2,
        r"\b(?:apruebal[oa]s?|apruebese|autorizal[oa]s?|auto-?(?:approve|fill|accept)\w*|autoaprobad?\w*|pre-?approved)\b"
        r"|\bapproved by default\b",
    ),
    (
        2,
        r"\b(?:without|no|skip(?:ping)?(?: the)?|sin|saltate la|omite la|bypass(?:ing)?(?: the)?)\s+(?:any |more |further "
        r"|ninguna |mas |pasar por )?"
        r"(?:human |manual )?(?:review|approval|verification|checks?|revision(?:es)?|validacion|verificacion|comprobaciones"
        r"|aprobacion|supervision|critic|critico)\b",
    ),
    (
        2,
        r"\b(?:do(?:n'?t| not)|never|no (?:lo |la |se lo |me lo )?|nunca (?:lo )?)\s?(?:send|pass|route|escalate|hand|ask"
        r"|show|escales|envies|mandes|pases|preguntes|consultes|derives)\b"
        r".{0,35}\b(?:human|person|people|review|anyone|anybody|humano|persona|nadie|revision|operador)",
    ),
    (
        1,
        r"\b(?:verified|verificado|global) (?:global )?(?:admin\w*|verificado)\b|\b(?:grant|conced\w+|otorg\w+"
        r"|give)\b.{0,20}\b(?:all|full|todos?|total)\b.{0,15}\b(?:roles?|access|rights|permis\w+|acceso)\b",
    ),
    (
        1,
        r"\b(?:this is an order|es una orden|te lo (?:ordeno|suplico|ruego|imploro)|i (?:beg|order|command) you"
        r"|you must (?:obey|comply)|debes obedecer|obedece)\b",
    ),
    (1, rf"\b(?:always|siempre|never|nunca|do not|don'?t)\b.{{0,25}}\b(?:{RULES}|answer|respuesta|example|ejemplo|{FIELDS})\b"),
)
