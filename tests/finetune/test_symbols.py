"""Symbols: told apart by what is drawn for a batch, alike in what is learned."""

import torch

from finetune.symbols import LENGTH, Symbols

ROWS = (2, 3, 5, 7)
WIDTH, ENTRIES = 12, 4


def embedding() -> torch.nn.Parameter:
    torch.manual_seed(0)
    made = torch.nn.Parameter(torch.randn(9, WIDTH))
    with torch.no_grad():
        made[list(ROWS)] = made[2].clone()
    return made


def told(draw: int) -> torch.Tensor:
    rows = embedding()
    with Symbols(rows, ROWS, ENTRIES).drawn(draw):
        return (rows[list(ROWS)] - embedding()[2]).detach()


def test_a_draw_tells_symbols_apart_in_the_first_entries_alone() -> None:
    codes = told(3)
    torch.testing.assert_close(codes[:, :ENTRIES] @ codes[:, :ENTRIES].T, LENGTH**2 * torch.eye(len(ROWS)), atol=1e-5, rtol=0)
    torch.testing.assert_close(codes[:, ENTRIES:], torch.zeros(len(ROWS), WIDTH - ENTRIES))


def test_the_same_draw_is_the_same_and_another_one_another() -> None:
    torch.testing.assert_close(told(3), told(3))
    assert (told(3) - told(4)).abs().max() > LENGTH / 10


def test_more_symbols_than_entries_are_still_told_apart() -> None:
    rows = torch.nn.Parameter(torch.zeros(9, WIDTH))
    with Symbols(rows, range(9), ENTRIES).drawn(1):
        apart = torch.cdist(rows, rows).detach() + torch.eye(9)
    assert apart.min() > LENGTH / 4


def test_what_one_symbol_learns_all_have_learned() -> None:
    rows = embedding()
    symbols = Symbols(rows, ROWS, ENTRIES)
    with symbols.drawn(1):
        (rows[5].sum() * 4.0 + rows[0].sum()).backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            rows.sub_(0.1 * (rows.grad if rows.grad is not None else torch.zeros(9, WIDTH)))
    torch.testing.assert_close(rows[list(ROWS)].detach(), (embedding()[2] - 0.1).expand(len(ROWS), WIDTH))
    torch.testing.assert_close(rows[0].detach(), embedding()[0] - 0.1)
    assert (rows[list(ROWS)] == rows[2]).all()
