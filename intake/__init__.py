"""The intake: tickets as received are cleaned and redacted here, before anything embeds, journals or keeps them."""

from intake.clean import Intake
from intake.key import load_key

__all__ = ["Intake", "load_key"]
