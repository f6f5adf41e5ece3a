"""What people say when nothing is left to say, in Spanish and English, as regular expressions over folded words.

`SAID` are thanks, acknowledgements and "it works"; `BESIDE` may stand with them and say nothing alone. What no phrase takes is
content: so only phrases stand here, no loose words that could make a complaint together.
"""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _listed(phrases: str) -> list[str]:
    """Phrases with commas or line ends between them."""
    return [phrase.strip() for phrase in phrases.strip().replace("\n", ",").split(",")]


_OF_WHOM = r"(?:(?:la|el|los|las|tu|tus|su|sus|vuestra|vuestro|vuestras|vuestros|todo|toda|todos|tan|esa|ese|una|un) )*"
_HOW = r"(?:(?:rapida|rapido|pronta|gran|buena|buen|excelente|inmediata|magnifica|estupenda|eficaz|agil) )*"
_NOUN = (
    r"(?:ayuda|atencion|respuesta|gestion|rapidez|apoyo|soporte|trabajo|tiempo|esfuerzo|amabilidad|paciencia|interes|servicio"
    r"|aclaracion|informacion|info|confirmacion|solucion|agilidad|colaboracion|disposicion|aviso|explicacion|todo"
    r"|(?:resolver|solucionar|arreglar|mirar|gestionar|hacer|revisar)l[oa]|ayudarme|avisar|avisarme|contestar"
    r"|responder|atenderme)"
)
_FOR = (
    rf"(?:por|x) {_OF_WHOM}{_HOW}{_NOUN}(?: (?:prestada|recibida|tan rapid[oa]|rapid[oa]|inmediata|y {_OF_WHOM}{_HOW}{_NOUN}))*"
)
_KIND = r"(?:(?:quick|prompt|fast|great|speedy|swift|super|very|kind|good|amazing|excellent|rapid) )*"
_FOR_EN = (
    rf"for (?:(?:the|your|all|such|this|that|a|so) )*{_KIND}(?:help|support|reply|response|work|time|assistance|efforts?|patience"
    r"|service|update|info|information|fix|turnaround|confirmation|explanation|attention|everything|helping(?: me)?(?: out)?"
    r"|(?:fixing|sorting|resolving|solving) (?:it|this|that)(?: out)?|getting back(?: to me)?|letting me know)"
    r"(?: so (?:quickly|fast)| and (?:help|support|patience|time))?"
)
_WELL = (
    r"(?: (?:todo|ya|ahora|bien|perfectamente|perfecto|correctamente|de maravilla|sin (?:ningun )?(?:problemas?|errores|error)"
    r"|genial|estupendamente|otra vez|de nuevo|como siempre|con normalidad|a la perfeccion))*"
)
_WELL_EN = (
    r"(?: (?:now|again|fine|well|great|perfectly|like a charm|as expected|ok|okay|out|a treat|for me|here|properly|smoothly"
    r"|(?:at|on|from) my (?:end|side)))*"
)
_CASE = r"(?:ticket|caso|incidencia|incidente|solicitud|peticion|tema|consulta|asunto)"
_CASE_EN = r"(?:(?:the|this|my) (?:ticket|case|request|issue|incident)|it|this|that)"
_THING = r"(?:el|la|los|las|mi|mis|the|my|our) [a-z]+(?: (?:de|del|of) (?:la |the )?[a-z]+)?"
_MADE = r"(?:resuelt[oa]s?|solucionad[oa]s?|arreglad[oa]s?|list[ao]s?|finalizad[oa])"
_DO = (
    r"(?:entrar|acceder|imprimir|trabajar|conectarme|conectar|verl[oa]|abrirl[oa]|usarl[oa]|iniciar sesion|log ?in|access(?: it)?"
    r"|connect|print|open it|see it|work|sign in|get in)"
)
_IT = rf"(?:(?:ya|el|la|este|esta|mi) )*{_CASE}"
_WHEN = r"cuando (?:quieras?|quieran|puedas?|puedan)"
_DAY_EN = r"(?:day|one|weekend|evening|week|afternoon|holidays?)"
_DAY = r"(?:dia|tarde|noche|semana|finde|fin de semana|puente|jornada|verano|vacaciones|navidad|fiestas)"

_THANKS_AGAIN = r"(?:de nuevo|otra vez|nuevamente|mil|infinitas|totales|igualmente|a (?:ti|usted|ustedes|vosotros|todos))"
_LOTS = r"(?:a lot|a million|a bunch|a ton|so|very|much|again|once again|everyone|all|both|heaps|loads|indeed|kindly|a mil)"
_IS = (
    r"(?:(?:it|this|that|everything|all|now|is|its|it s|that s|all s|everything s|has|been|seems?|looks|appears|to|be|just"
    r"|can confirm|i|yes) )*"
)
_NO_MORE = r"(?:(?:el|ese|este|ningun|mas) )*(?:error|errores|problemas?|fallos?)"
_YOU = r"(?:(?:you|can|may|now|please|feel free to|happy to|so|we|i ll|ll|will|just) )*"

SAID = (
    rf"(?:(?:muchas|muchisimas|mil|miles de|un millon de|infinitas|bueno|ok|vale) )*gracias(?: {_THANKS_AGAIN})*(?: {_FOR})?",
    rf"(?:(?:se|te|os|le|les|lo) )*agradezco(?: mucho| muchisimo| enormemente)?(?: {_OF_WHOM}{_HOW}{_NOUN})?",
    rf"(?:muy |super )?agradecid[oa]s?(?: {_FOR})?",
    r"muy amables?",
    rf"(?:(?:many|much|big|huge|ok|okay) )*(?:thanks|thank (?:you|u)|thankyou|thank)(?: {_LOTS})*(?: {_FOR_EN})?",
    rf"(?:thx|thanx|tnx|tks|tysm|ty|cheers)(?: {_LOTS})*(?: {_FOR_EN})?",
    r"(?:(?:i|we) )?(?:(?:really|very|much|greatly) )*appreciated?(?: (?:it|that))?",
    rf"(?:(?:i|we) )?(?:(?:really|very|much|greatly) )*appreciate (?:the|your|all your) {_KIND}(?:help|support|response|work)",
    r"(?:(?:ya|esta|todo|ahora|queda|quedo) )*(?:ok|okey|okay|oki|okis|vale|perfecto|perfecta|genial|correcto|bien)"
    r"(?: (?:todo|ya|ahora|entonces))*",
    rf"(?:(?:ya|esta|todo|ahora|queda|quedo) )*(?:listo|conforme|en orden|operativo|{_MADE})(?: (?:todo|ya|ahora))*",
    rf"(?:(?:confirm[oa]|confirmamos|que|ya|si|ahora|todo|me|nos|efectivamente) )*funciona(?:ndo)?{_WELL}",
    rf"(?:(?:ya|ahora|si|todo|me|nos|lo|la|te) )+(?:va bien|va perfecto|funciono|tengo acceso|quedo|sirvio){_WELL}",
    rf"(?:(?:ya|ahora|si|todo|me|nos|lo|la) )+(?:puedo|pude|podemos|pudimos) {_DO}"
    rf"(?: (?:al|a la|a los|a mi|a mis) [a-z]+)?{_WELL}",
    rf"{_THING} (?:ya )?(?:(?:me|nos) )?(?:funcionan?|va bien|van bien){_WELL}",
    rf"{_THING} (?:is |are )?(?:now )?(?:works?|working){_WELL_EN}",
    rf"(?:(?:el|la|mi|este|esta) )?(?:{_CASE}|problema|error|fallo) (?:(?:ya|esta|quedo|ha|se|quedado|sido|fue) )*{_MADE}",
    rf"(?:ya )?no (?:me |nos )?(?:da|sale|aparece|tengo|hay|ocurre) {_NO_MORE}",
    r"sin (?:ningun )?(?:problemas?|inconvenientes?|errores|novedad)",
    rf"(?:(?:ya|se|lo|la|te) )*(?:puedes?|pueden|podeis|podemos) (?:ya )?cerrar(?:l[oa])?(?: {_IT})?(?: por favor| {_WHEN})?",
    rf"(?:(?:ya|se|lo|la) )*(?:puedes?|pueden|podeis) (?:ya )?dar(?:l[oa])? por (?:cerrad[oa]|{_MADE})",
    rf"(?:(?:lo|la|se|ya|procedo a|procedemos a) )*cierr[aeo]n?(?:l[oa])?(?: {_IT})?(?: por favor)?",
    rf"(?:(?:lo|la|se|ya|procedo a|procedemos a) )*(?:cerrad(?:l[oa])?|cerramos|cerrar)(?: {_IT})?(?: por favor)?",
    rf"{_IS}(?<!was )(?:works|working|worked|fixed|solved|resolved|sorted|done){_WELL_EN}",
    rf"{_IS}(?<!was )(?:goo?d|fine|ok|okay|k|kk|set|great|perfect|correct){_WELL_EN}",
    rf"(?:yes )?(?:i|we) (?:can|am able to|are able to|could) (?:now )?{_DO}{_WELL_EN}",
    r"(?:problem|issue|error) (?:(?:is|has|been|now|was) )*(?:fixed|solved|resolved|gone|sorted)(?: now)?",
    rf"{_YOU}(?:close|closing) {_CASE_EN}(?: now| please)?",
    r"(?:great|good|excellent|amazing|nice) (?:job|work|stuff|support|service|one)",
    r"(?:you (?:are|re|guys are)|u r|youre) (?:the best|a star|a legend|awesome|amazing|great|brilliant|stars|legends)",
    r"(?:eres|sois|son) (?:(?:un|una|unos|unas|el|la|los|las) )?(?:cracks?|maquinas?|mejor|mejores|genios?|genia|soles|grandes?)",
    r"(?:buen|gran|excelente|estupendo|magnifico) (?:trabajo|servicio|equipo)",
    *_listed(
        """
        estupendo, fenomenal, excelente, fantastico, maravilloso, de maravilla, de lujo, de diez, de 10, de acuerdo, entendido
        entendida, enterado, enterada, recibido, recibida, anotado, hecho, muy bien, que bien, buenisimo, barbaro, confirmado
        confirmada, me sirvio, tomo nota, ya esta, did the trick, that did it, that did the trick, grax, super
        excellent, awesome, amazing, brilliant, fantastic, wonderful, cool, col, nice
        lovely, noted, understood, received, got it, confirmed, well done, love it, perfectly, you rock
        """
    ),
)
"""Each says by itself that all is well."""

BESIDE = (
    r"buenas(?: tardes| noches| dias)?|estimad[oa]s?|querid[oa]s?|good (?:morning|afternoon|evening|day)",
    rf"(?:que (?:tengas?|tengan|tengais|pases?|pasen) )?(?:(?:un|una|muy|feliz|buen|buena|excelente|lindo|bonito) )+{_DAY}",
    r"(?:(?:un|mis|muy|con|cordial|cordiales|fuerte|atentos?) )*(?:saludos?|abrazos?|salu2|slds)"
    r"(?: (?:cordial|cordiales|a todos|a todo el equipo))?",
    r"hasta (?:luego|pronto|manana|otra)|a (?:ti|usted|ustedes|vosotros)|(?:por|de) mi parte",
    r"(?:el |al |a todo el |todo el )?equipo|(?:a )?tod[oa]s|chic[oa]s|companer[oa]s?|cracks?|amig[oa]s?|(?:ja|je|ji|ha|he)+j?",
    r"(?:ya )?no (?:necesito|necesitamos|hace falta|requiero|preciso|es necesario) (?:nada )?(?:mas|nada)(?: nada)?",
    r"no further (?:help|action|assistance)(?: is)?(?: needed| required)?|no more (?:issues?|errors?|problems?)",
    r"nothing else(?: needed)?|(?:dear |hi |hello )?(?:team|guys|everyone|folks|all|mate|sir|madam|buddy|pal|lads)",
    rf"(?:have|enjoy) (?:a |your |the )?(?:(?:nice|great|good|lovely|wonderful|rest of (?:the|your)) )*{_DAY_EN}",
    r"(?:(?:with|kind|kindest|best|warm|many) )*(?:regards|wishes|rgds)|you(?: a?re)? welcome|happy (?:friday|weekend|holidays)",
    *_listed(
        """
        hola, buenos dias, buen dia, cordialmente, atentamente, atte, besos, adios, chao, de nada, con gusto, un placer
        igualmente, maquina, fenomeno, jefe, jefa, tio, figura, campeon, y, and, si, yes, yep, yeah, lol, xd, no problem
        no worries, no pasa nada, no hay problema, nada mas, sr, sra, don, dona, mr, mrs, ms, hi
        hello, hey, dear, best, sincerely, bye, take care, see you
        my pleasure, you too
        """
    ),
)
"""What stands beside thanks and says nothing by itself."""

SIGN_OFFS = _set(
    """
    saludos saludo salu2 slds abrazo abrazos cordialmente atentamente atte besos cordial cordiales regards wishes rgds best
    sincerely
    """
)
"""Last words of a phrase after which a name may stand, on whatever line."""

CORRECTED = ("gracias", "muchas", "muchisimas", "saludos", "perfecto", "thanks", "regards", "perfect", "agradezco", "solucionado")
"""Words that are recognised with one slip of the keyboard."""
NO_SLIPS = _set("thank think thinks thanked tanks muchos perfectos grafias")
"""Words that are no slips."""

GIVEN_NAMES = _set(
    """
    ana maria jose juan luis carlos pedro pablo miguel antonio manuel francisco javier david daniel jesus alejandro fernando
    rafael sergio jorge alberto alvaro adrian diego ivan ruben oscar raul enrique ramon vicente andres angel victor ignacio
    jaime marcos mario hugo lucas mateo martin nicolas gonzalo carmen isabel laura marta cristina lucia elena sara paula
    raquel patricia pilar teresa rosa beatriz silvia monica nuria irene alba julia sofia andrea claudia valeria gabriela
    daniela camila mariana lupita guadalupe paco pepe nacho lola conchi inma begona noelia eva olga sonia yolanda rocio
    john james robert michael william richard joseph thomas charles chris christopher matthew anthony steven paul andrew
    joshua kevin brian george edward ronald tim jason jeff ryan gary nick eric stephen jonathan larry justin scott brandon
    ben sam adam mary jennifer linda elizabeth barbara susan jessica sarah karen lisa nancy betty helen sandra donna carol
    ruth sharon michelle emily kate katie anna amy rebecca rachel emma olivia hannah sean liam aoife siobhan niamh lorcan
    tom dave mike steve bob bill jim joe dan matt jane lucy alice peter simon alex max leo
    """
)

BAD_SIGNS = "👎😡😠🤬😢😭😞☹🙁😔😩😫😤❌🚫⚠🆘😟😣😖💩"
GOOD_SIGNS = "👍🙏😊🙂😀😃😄😁😍🥰😘❤💪👏🎉👌✅✔🤗🙌💯🥳😉🤝⭐💚💙☺"

NOT_NAMES = _set(
    """
    impresora error vpn outlook correo password clave teams sap excel word windows pantalla servidor red wifi internet portatil
    printer laptop screen server network email mail access acceso usuario user urge urgente urgent falla fallo sigue still
    ayuda help necesito need pero but no not otra otro another again reabrir reopen aplicacion app sistema system factura
    pedido telefono movil phone monitor teclado raton mouse keyboard disco backup carpeta folder licencia license problema
    problem issue incidencia duda pregunta question porque because aunque however cuando when falta missing pendiente pending
    nada nothing nunca never todavia aun yet espero waiting lento slow caido down roto broken mal bad peor worse
    """
)
"""Capitalised after thanks these are no names."""
