"""What stands around a number: the word before it says whether it is an invoice or somebody's telephone."""

import re

from intake.characters import aligned

_LOOK_BACK = 48
_CODE = re.compile(
    r"(?:\b(?:ticket|incid\w*|inc|req|ritm|chg|caso|case|expediente|factura|facturas|fra|invoices?|inv|pedidos?|orders?|orden"
    r"|ordenes|po|oc|so"
    r"|albaran(?:es)?|deliver(?:y|ies)|remesa|asientos?|errors?|codes?|codigos?|cod|kb|refs?|referencias?|references?|series?"
    r"|serial|serie|s/n|sn|imei|skus?"
    r"|articulos?|articles?|items?|lotes?|batch|tracking|envios?|shipments?|guias?|version|build|documentos?|documents?"
    r"|docs?|activo|asset|inventario|portatil|laptop"
    r"|equipo|ean|gtin|barcode|barras|matricula|contador|poliza|contrato|contract|proveedor(?:es)?|supplier|vendor|id|uid|pid"
    r"|cups|lpn"
    r"|pallets?|palets?|ubicacion|event|evento|stop|row|fila|port|puerto|account|cuenta)"
    r"[\W_]{0,3}(?:(?:n\.?[ºo°]?|num(?:ero)?|number|nro|no|de|of|is|es|the|la|el|with|con|code|id|interno"
    r"|cliente)[\W_]{1,3}){0,3}|[#№]\s?)$"
)
_PHONE = re.compile(
    r"\b(?:tel|tels|telf|tlf|tfno|tfn|telef\w*|telephone|phones?|ph|mobile|mob|movil|moviles|cell?|celular|cel|whats?app"
    r"|wasap|wsp|fax|call|llam\w+|marc\w+|ring|reach"
    r"|contact\w*|sms|fijo|linea directa|directo|localizable)\b[^\n\d]{0,22}$|\b[tmf][:. ]{1,3}$"
)
_LISTED = re.compile(r"(?:[\d<>:.()+/,;&\s-]|\b(?:y|e|and|o|or|a|to|al)\b)++$")


def before(text: str, start: int) -> str:
    """The folded text just before `start`, without a list of numbers that leads up to it ("invoices 612345678, 612345679")."""
    return _LISTED.sub("", aligned(text[max(0, start - _LOOK_BACK) : start])) + " "


def names_code(lead: str) -> bool:
    """Whether `lead` (of `before`) announces an invoice, ticket, error, serial number or the like."""
    return _CODE.search(lead) is not None


def names_phone(lead: str) -> bool:
    """Whether `lead` (of `before`) announces a telephone number."""
    return _PHONE.search(lead) is not None
