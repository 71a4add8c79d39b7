"""The bill while it is being shared out: what of each part and line nobody has paid yet."""

from collections.abc import Sequence
from operator import add, sub

from rules.day_books import PARTS
from rules.money import largest_remainder
from rules.situation import Line

ALL_PARTS = tuple(range(len(PARTS)))


class Bill:
    """What is still open, by part (see PARTS) and line.

    Inside, the lines stand in the order of their ids, so that no result depends on the order in which they were sent.
    """

    __slots__ = ("_places", "aided", "amounts", "charged", "items", "lines", "open", "sums", "total", "unmapped")

    def __init__(self, lines: Sequence[Line]) -> None:
        ids = [line.id for line in lines]
        self.items = sorted(lines, key=lambda line: line.id)
        """The claim's lines by id."""
        ordered = [line.id for line in self.items]
        self._places = None if ordered == ids else [ordered.index(each) for each in ids]
        self.amounts = [line.amount for line in self.items]
        self.total = sum(self.amounts)
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
                self.lines[part] = [0] * len(self.amounts)
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
        return [sum(pieces) for pieces in zip(*found, strict=True)] if found else [0] * len(self.amounts)

    def pay(self, amount: int, parts: Sequence[int]) -> list[int]:
        """Takes `amount` from the parts in their order, in proportion to what each line has open, and returns it
        by line.

        The parts must have that much open.
        """
        self.open -= amount
        sums = self.sums
        paid: list[int] = []
        for part in parts:
            there = sums[part]
            if not there:
                continue
            now = min(amount, there)
            lines = self.lines[part]
            pieces = largest_remainder(now, lines)
            self.lines[part] = list(map(sub, lines, pieces))
            sums[part] = there - now
            paid = list(map(add, paid, pieces)) if paid else pieces
            amount -= now
            if not amount:
                break
        return paid or [0] * len(self.amounts)

    def as_sent(self, amounts: Sequence[int]) -> tuple[int, ...]:
        """Amounts by line in the order in which the claim has its lines."""
        places = self._places
        return tuple(amounts) if places is None else tuple([amounts[place] for place in places])
