"""`ledger`: the account of past tickets, over a real run, verdicts and the index."""

from pathlib import Path

from tests.batch.commands_examples import RESOLVED, Desk, decisions, rows_of, tamiz


def test_what_people_say_of_a_run_is_in_its_exemplars_accounts(home: Path, desk: Desk) -> None:
    assert tamiz("ledger").code == 1
    assert tamiz("run", "--json").code == 0
    asked = next(d for d in decisions(home) if d.outcome != "accepted" and d.fusion and d.fusion["category"].evidence)
    exemplar = asked.fusion["category"].evidence[0]
    before = tamiz("ledger", exemplar, "--json").json
    assert tamiz("review", "approve", asked.ticket_id, "--who", "ana").code == 0
    after = tamiz("ledger", exemplar[:13], "--json").json
    cited = [name for name, fused in asked.fusion.items() if exemplar in fused.evidence]
    gained = {name: after["fields"][name]["confirmed"] - before["fields"][name]["confirmed"] for name in cited}
    assert gained == dict.fromkeys(cited, 1)
    assert after["last_success"] is not None
    assert after["provenance"]["source"]
    assert after["provenance"]["source_id"].startswith("R-")
    listed = tamiz("ledger", "--worst", "3", "--json").json
    assert (len(listed["worst"]), listed["accounts"]) == (3, len(rows_of(RESOLVED)))
    assert all(set(one) == set(after) for one in listed["worst"])
    assert "confirmed" in tamiz("ledger", "--worst", "3").out
    shown = tamiz("ledger", exemplar).out
    assert exemplar in shown
    assert asked.fusion["category"].label in shown


def test_an_unknown_exemplar_is_a_clear_error(home: Path, desk: Desk) -> None:
    assert tamiz("run", "--json").code == 0
    unknown = tamiz("ledger", "zzz")
    assert (unknown.code, "There is no exemplar 'zzz'" in unknown.err) == (1, True)
