"""Personal data out, pseudonyms in; codes, dates and amounts stay."""

import pytest

from core.ticket import Ticket
from intake import Intake

INTAKE = Intake(b"k" * 32)

PERSONAL = [
    ("email", "escribid a {} gracias", "Marta.Perez@albeniz-distribucion.example"),
    ("phone", "mi móvil es el {}", "600 555 012"),
    ("phone", "llamadme al {} por favor", "600555012"),
    ("phone", "Tel {}", "+353 21 555 0131"),
    ("phone", "{}, ext. 2214", "954 555 123"),
    ("phone", "cel. {}", "3005550134"),
    ("phone", "mi whatsapp {}", "5512345678"),
    ("phone", "{} en Querétaro", "(442) 555-0143"),
    ("phone", "call me on {} after two", "087 555 0134"),
    ("phone", "London office {}", "020 7946 0123"),
    ("phone", "call {}", "212-555-0123"),
    ("phone", "llama al {} 12:30", "0034 600 555 012"),
    ("iban", "cuenta {} y nada más", "ES91 2100 0418 4502 0005 1332"),
    ("iban", "iban:{}", "de89370400440532013000"),
    ("card", "tarjeta {} 12/26", "4111 1111 1111 1111"),
    ("card", "factura pagada, factura {}", "4111 1111 1111 1111"),
    ("card", "pago con {}", "5500005555555559"),
    ("id", "soy {}", "12345678Z"),
    ("id", "mi nie {}", "X1234567L"),
    ("id", "CIF {}", "A58818501"),
    ("id", "CURP {}", "BADD110313HCMLNS09"),
    ("id", "RFC {}", "GODE561231GR8"),
    ("id", "NIT {}", "213.123.432-1"),
    ("id", "cédula {}", "1.032.456.789"),
    ("id", "RUT {}", "12.531.909-2"),
    ("id", "CUIT {}", "20-05536168-2"),
    ("id", "PPS {}", "1234567T"),
    ("id", "NI number {}", "AB123456C"),
    ("id", "SSN {}", "219-09-9999"),
    ("secret", "su contraseña: {}", "Verano2024!"),
    ("secret", "la clave es {}", "Azahar-2291"),
    ("secret", "usuario recep2 y clave {}, por si acaso", "Azahar-2291"),
    ("secret", "the initial password that HR sent ({}) fails", "Welcome-Rack-447x"),
    ("secret", "pwd={};Encrypt=true", "abc123"),
    ("secret", "password is {}", "hunter2"),
    ("secret", "clave: {}", "sevilla"),
    ("secret", "user/pass: {}", "jlopez / Verano24"),
    ("secret", "https://{}@intranet.example/x", "user:secreto"),
    ("secret", "https://app.example/cb?token={}&x=1", "abcdef123456"),
    ("secret", "Authorization: Bearer {}", "abcdefghijklmnop1234567890"),
    ("secret", "jwt {}", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"),
    ("secret", "key {}", "AKIAIOSFODNN7EXAMPLE"),
    ("secret", "Server=db;User Id=sa;Password={};", "S3cret!"),
    ("secret", "{}\nfin", "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc=\n-----END RSA PRIVATE KEY-----"),
]

KEPT = """
error 0x80070005 al abrir
Error 4471: período contable no abierto
factura 612345678 duplicada
facturas 612345678, 612345679 y 912345678
pedido 4500118832
pedido de compra 45-118832
INC-20871 sigue vivo, ticket 48213
versión 10.0.19041.1234, Atlas 7.5.0
2025-03-12 10:11:12 fallo
2024-12-03T05:12:40-06:00 muelle-qro-app1
12/11/2024 a las 10:30
1.234.567,89 € y 612 345 678 € de ventas
IP 192.168.100.20, 81.202.10.15 y 10.20.0.0/16
MAC 00:1A:2B:3C:4D:5E
AADSTS50126 KB5034441
la contraseña no funciona
contraseña: no funciona
mi contraseña ha caducado
password: expired
la clave es que no carga
albarán 2024-77310
IMEI 356938035643809, factura 4111111111111111
guid 123e4567-e89b-12d3-a456-426614174000
portátil LT123456A, serie PF3A1B2C
total=50, active=50, idle=0, waiting=188
código 0215550134
lote 20250312 y SKU 8412345678905
HTTP 401 token_expired endpoint=/muelle/entregas
horario 08:00-14:00 y 15:30-18:00
error 404 500 502
clave de registro: HKLM\\Software\\X
000123456 registros
""".strip().split("\n")


@pytest.mark.parametrize(("kind", "text", "value"), PERSONAL)
def test_personal_data_goes(kind: str, text: str, value: str) -> None:
    ticket = INTAKE.clean(Ticket("1", "", "Hola: " + text.format(value)))
    before, after = ("Hola: " + text).split("{}")
    assert value not in ticket.body
    assert ticket.redactions == {kind: 1}
    assert ticket.body.startswith(before + f"<{kind}:")
    assert ticket.body.endswith(">" + after)


@pytest.mark.parametrize("text", KEPT)
def test_codes_dates_and_amounts_stay(text: str) -> None:
    ticket = INTAKE.clean(Ticket("1", "", f"Hola: {text}"))
    assert (ticket.body, ticket.redactions) == (f"Hola: {text}", {})


def test_one_value_has_one_pseudonym_however_written() -> None:
    phones = [INTAKE.clean_text(f"tel. {text}") for text in ("600 555 012", "+34 600 555 012", "600555012")]
    ibans = [INTAKE.clean_text(text) for text in ("ES91 2100 0418 4502 0005 1332", "es9121000418450200051332")]
    emails = [INTAKE.clean_text(text) for text in ("Marta@A.example", "marta@a.example")]
    assert [len(set(same)) for same in (phones, ibans, emails)] == [1, 1, 1]
    assert INTAKE.clean_text("luis@a.example") != emails[0]


def test_pseudonyms_need_the_key() -> None:
    assert Intake(b"x" * 32).clean_text("marta@a.example") != INTAKE.clean_text("marta@a.example")


def test_pseudonyms_survive_cleaning() -> None:
    text = "<email:12ab34cd> y <phone:12345678>, <id:00000000>, clave: <secret:12ab34cd>"
    assert INTAKE.clean_text(text) == text
    assert INTAKE.clean_text(f"<p>{text}</p>") == text


def test_a_private_key_that_never_ends_goes_to_the_blank_line() -> None:
    cleaned = INTAKE.clean_text("-----BEGIN PRIVATE KEY-----\nMIIE\nabc\n\nno me deja entrar")
    assert "MIIE" not in cleaned
    assert cleaned.endswith("no me deja entrar")
