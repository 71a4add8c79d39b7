"""What is wrong with the input, in a sentence that says what to do."""


class RulebookError(ValueError):
    """A file of a rulebook cannot be used. `file` is the path inside the set, `line` counts from 1 (0 = the file
    as a whole).
    """

    def __init__(self, file: str, line: int, sentence: str) -> None:
        super().__init__(f"{file}:{line}: {sentence}" if line else f"{file}: {sentence}")
        self.file = file
        self.line = line
        self.sentence = sentence


class SituationError(ValueError):
    """A situation that cannot be assessed, such as prior payers who paid more than the bill."""
