"""Whether the tickets, or what is decided on them, are still those of the reference: signals, their tests, and one report.

`sample` takes what is compared out of journal records, `permutation` gives p-values, `signals` says what is compared and how,
`correction` keeps false alarms rare over many signals and looks, `report` joins it all in `compare`.
"""
