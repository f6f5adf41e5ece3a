"""A small taxonomy, past tickets and questions about a ticket."""

from dataclasses import replace

from core.taxonomy import FieldSpec, Label, Rule, Taxonomy
from core.ticket import CleanTicket, Exemplar, Neighbor
from prompts.render import Question, Style

TAXONOMY = Taxonomy(
    version="1",
    fields={
        "category": FieldSpec(
            labels=(
                Label(name="Accesos", definition={"es": "Entrar en un sistema.", "en": "Getting into a system."}),
                Label(name="Red", definition={"es": "Conectividad: wifi, VPN.", "en": "Connectivity: wifi, VPN."}),
                Label(name="Correo"),
            )
        ),
        "subcategory": FieldSpec(labels=(Label(name="Contraseña"), Label(name="VPN"), Label(name="Wifi"), Label(name="Buzón"))),
        "urgency": FieldSpec(labels=(Label(name="Alta"), Label(name="Baja"))),
    },
    rules=(
        Rule(when={"category": "Accesos"}, allow={"subcategory": ("Contraseña",)}),
        Rule(when={"category": "Red"}, allow={"subcategory": ("VPN", "Wifi")}),
        Rule(when={"category": "Correo"}, allow={"subcategory": ("Buzón",)}),
    ),
)
PAST = (
    ("VPN no conecta", "Desde casa la VPN se queda en conectando.", "Red", "VPN", "Alta", "Se actualizó el cliente."),
    ("Wifi lento", "El wifi de la planta 2 va lento desde el lunes.", "Red", "Wifi", "Baja", "Se cambió el canal."),
    ("No puedo entrar", "He olvidado la clave del correo.", "Accesos", "Contraseña", "Baja", "Se restableció la clave."),
)
NEIGHBORS = tuple(
    Neighbor(Exemplar(f"e{i}", subject, body, "es", {"category": c, "subcategory": s, "urgency": u}, resolution), 0.91 - 0.2 * i)
    for i, (subject, body, c, s, u, resolution) in enumerate(PAST)
)
TICKET = CleanTicket("T-1", "vpn caida", "buenas, desde esta mañana la vpn no conecta, somos 12 en la sede", language="es")
OFFERS = {field: TAXONOMY.labels(field) for field in TAXONOMY.fields}
SHARES = {"category": {"Accesos": 0.25, "Red": 0.75, "Correo": 0.0}, "urgency": {"Alta": 0.52, "Baja": 0.48}}
QUESTION = Question(TICKET, NEIGHBORS, TAXONOMY, OFFERS, "k3f9", shares=SHARES)
COMPACT = Style("compact.v3", tuple(f"<|{i}|>" for i in range(128)), 400, lambda text: len(text.split()))
SERVED = replace(COMPACT, template="compact.v4")
CHAT = Style("triage.v2", tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), 600, lambda text: len(text.split()))
COMPACT_CRITIC, CHAT_CRITIC = replace(COMPACT, template="compact-critic.v4"), replace(CHAT, template="critic.v3")
JUDGED = replace(QUESTION, proposal={"category": "Red", "urgency": "Baja"}, free=None)


def about(text: str, language: str = "es") -> Question:
    """The same question about another ticket."""
    return replace(QUESTION, ticket=CleanTicket("T-2", "", text, language=language))
