"""The bill while it is being shared out: what of each part and line nobody has paid yet."""

from collections.abc import Sequence

from rules.day_books import PARTS
from rules.money import largest_remainder

ALL_PARTS = tuple(range(len(PARTS)))


class Bill:
    """What is still open, by part (see PARTS) and line."""

    __slots__ = ("aided", "amounts", "charged", "ids", "lines", "open", "sums", "total", "unmapped")

    def __init__(self, ids: list[str], amounts: list[int]) -> None:
        self.ids = ids
        self.amounts = amounts
        self.total = sum(amounts)
        self.open = self.total
        """Fen nobody has paid yet."""
        self.sums = [0] * len(PARTS)
        """Of each part."""
        self.charged: tuple[int, ...] = ()
        """Of each part, before anyone paid."""
        self.lines: list[list[int]] = [[]] * len(PARTS)
        """Of each part by line; empty where the part is zero from the start."""
        self.aided: list[tuple[int, list[int]]] = []
        """Part and lines that the insurer's own medical aid paid."""
        self.unmapped: list[str] = []

    def put(self, part: int, line: int, amount: int) -> None:
        """Counts an amount of a line to a part, while the bill is read."""
        if amount:
            if not self.lines[part]:
                self.lines[part] = [0] * len(self.ids)
            self.lines[part][line] += amount
            self.sums[part] += amount

    def left(self, parts: Sequence[int]) -> int:
        """Fen still open in these parts."""
        sums = self.sums
        return sum([sums[part] for part in parts])

    def left_by_line(self, parts: Sequence[int]) -> list[int]:
        """The same by line."""
        found = [self.lines[part] for part in parts if self.sums[part]]
        if len(found) == 1:
            return found[0]
        return [sum(pieces) for pieces in zip(*found, strict=True)] if found else [0] * len(self.ids)

    def pay(self, amount: int, parts: Sequence[int]) -> list[int]:
        """Takes `amount` from the parts in their order, in proportion to what each line has open, and returns it
        by line.

        The parts must have that much open.
        """
        self.open -= amount
        paid: list[int] = []
        for part in parts:
            there = self.sums[part]
            if not there:
                continue
            now = min(amount, there)
            lines = self.lines[part]
            pieces = largest_remainder(now, lines, self.ids)
            self.lines[part] = [have - piece for have, piece in zip(lines, pieces, strict=True)]
            self.sums[part] = there - now
            paid = [one + other for one, other in zip(paid, pieces, strict=True)] if paid else pieces
            amount -= now
            if not amount:
                break
        return paid or [0] * len(self.ids)
