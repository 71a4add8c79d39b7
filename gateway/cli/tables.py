"""Text for terminals: tables, wrapped lines, amounts. Chinese characters are counted as the two columns they take."""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence

COLUMNS = 80


def yuan(fen: int) -> str:
    """1234567 -> 12,345.67"""
    sign, fen = ("-", -fen) if fen < 0 else ("", fen)
    return f"{sign}{fen // 100:,}.{fen % 100:02}"


def width(text: str) -> int:
    """Columns that a text takes in a terminal."""
    return sum(map(_columns, text))


def padded(text: str, columns: int, *, right: bool = False) -> str:
    """Filled up with blanks, to the right of the text or, with `right`, to its left."""
    blanks = " " * (columns - width(text))
    return blanks + text if right else text + blanks


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[int] = ()) -> str:
    """Rows under headers, two blanks between columns; `right`: which columns are flush right, such as amounts."""
    lines = [list(headers), *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(width, column)) for column in zip(*lines, strict=True)]
    flush = set(right)
    text = [
        "  ".join(padded(cell, widths[at], right=at in flush) for at, cell in enumerate(line)).rstrip()
        for line in lines
    ]
    return "\n".join([text[0], "  ".join("-" * each for each in widths), *text[1:]])


def wrapped(text: str, *, indent: str = "", columns: int = COLUMNS) -> str:
    """Lines of at most `columns`, each indented; broken at blanks, and anywhere within Chinese."""
    return "\n".join(indent + line for line in _lines(text, columns - width(indent)))


def _lines(text: str, columns: int) -> Iterator[str]:
    line = ""
    for piece in _pieces(text):
        if width(line) + width(piece.rstrip()) > columns and line:
            yield line.rstrip()
            line = ""
        line += piece
    if line:
        yield line.rstrip()


def _pieces(text: str) -> Iterator[str]:
    """What may not be broken: a word with the blank behind it, a wide character with the punctuation behind it."""
    piece = ""
    for character in text:
        follows = character in "，。；：、！？）”〕》"
        if piece and not follows and (piece[-1] == " " or _columns(character) == 2 or _columns(piece[-1]) == 2):
            yield piece
            piece = ""
        piece += character
    if piece:
        yield piece


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
