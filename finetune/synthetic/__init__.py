"""Synthetic tickets: incidents are drawn first, then told by weighted grammars in Spanish and English, with their labels."""

from finetune.synthetic.deal import Split
from finetune.synthetic.episodes import Episode, episode, episodes
from finetune.synthetic.lookup import lookup
from finetune.synthetic.pairs import pairs
from finetune.synthetic.tickets import LabelledTicket, tickets

__all__ = ["Episode", "LabelledTicket", "Split", "episode", "episodes", "lookup", "pairs", "tickets"]
