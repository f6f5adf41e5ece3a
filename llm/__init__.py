"""Language models behind one small protocol, their constrained answers, and the expert and the critic made of them."""
