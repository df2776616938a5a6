"""The one exception that bad input raises, and help with misspelt names.

An error is kept in fields, and a text is made of them where it is shown: Python, the shell and a batch file call the
same parameter `input_size`, `--input-size` and `input_size:`. A text that refers to a parameter holds a `Parameter`
in the place of its name; nobody searches a finished text for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function that a message refers to; each front end has its own words for it.

    Attributes
    ----------
    name : str
        As Python has it: ``input_size``.
    value : optional
        The value to give it: ``global_ops='skip'``.
    key : str, optional
        The entry of a mapping that is meant: ``unknown['aten.flip']``.
    """

    name: str
    value: str | Mapping[str, str] | None = None
    key: str | None = None


@dataclass(frozen=True)
class FactoryArguments:
    """Arguments of the user's own function that a message asks for: ``width=…, depth=…``."""

    names: tuple[str, ...]


Reference = Parameter | FactoryArguments
Text = str | Reference | tuple[str | Reference, ...]
Wording = Callable[[Reference], str]

INPUT_SIZE = Parameter("input_size")
EXAMPLE_INPUT = Parameter("example_input")
SKIP_GLOBAL_OPS = Parameter("global_ops", "skip")
MAX_CHARACTERS = 4000  # of a message


def python_wording(reference: Reference) -> str:
    """Return what a parameter is called in Python: ``input_size``, ``global_ops='skip'``, ``unknown['flip']``."""
    if isinstance(reference, FactoryArguments):
        return ", ".join(f"{name}=…" for name in reference.names)
    key = "" if reference.key is None else f"[{reference.key!r}]"
    return reference.name + key + ("" if reference.value is None else f"={reference.value!r}")


class InputError(ValueError):
    """Input that cannot be used. Shown on one line: what it got, what it needs, how to mend it.

    Parameters
    ----------
    problem : Text
        What is wrong; all of the message, or what follows the argument and its value.
    argument : Text, optional
        What the value was given to: a `Parameter` of a public function, or the name of a field of a file.
    value : optional
        What it got.
    remedy : Text, optional
        What is required, or how to go on.

    Examples
    --------
    >>> str(InputError(argument=INPUT_SIZE, value=0, remedy="it must be at least 1"))
    'input_size is 0; it must be at least 1'
    >>> error = InputError("depends on the size of its map", remedy=("give ", INPUT_SIZE)).within("layer 'fc'")
    >>> error.text(lambda reference: "--input-size")
    "layer 'fc': depends on the size of its map; give --input-size"
    """

    def __init__(
        self, problem: Text = "", *, argument: Text | None = None, value: object = ..., remedy: Text | None = None
    ) -> None:
        self.problem, self.argument, self.value, self.remedy = problem, argument, value, remedy
        self.where: tuple[Text, ...] = ()
        super().__init__(str(self))

    def within(self, where: Text) -> Self:
        """Return this error with the place where it came up before its text: a layer, a file, a run."""
        self.where = (where, *self.where)
        self.args = (str(self),)
        return self

    @property
    def reason(self) -> str:
        """The message without its remedy, for answers that say why something does not work."""
        remedy, self.remedy = self.remedy, None
        try:
            return self.text()
        finally:
            self.remedy = remedy

    def settled(self) -> Self:
        """Return this error with Python's names for good: of a file or a builder of the zoo, whose keys are those."""
        self.problem, self.where = worded(self.problem), tuple(worded(place) for place in self.where)
        self.argument = None if self.argument is None else worded(self.argument)
        self.remedy = None if self.remedy is None else worded(self.remedy)
        return self

    def text(self, wording: Wording = python_wording) -> str:
        """Return the message in the words of a front end."""
        subject = "" if self.argument is None else worded(self.argument, wording)
        if self.value is not ...:
            subject += f" is {shown(self.value)}" + (", " if self.problem else "")
        elif subject and self.problem:
            subject += " "
        message = subject + worded(self.problem, wording)
        if self.remedy is not None:
            message += "; " + worded(self.remedy, wording)
        whole = ": ".join([*(worded(place, wording) for place in self.where), message])
        return shortened(visible(re.sub(r"\s*[\t\n\v\f\r]\s*", " ", whole)))

    def __str__(self) -> str:
        return self.text()


class PartlyReadWarning(UserWarning):
    """A model was read in part: its network ends at an operator that is not known, and says so in `left_out`."""


class UnequalJumpsError(InputError):
    """Branches whose maps have different jumps merge in `layer`, and no input size says which entries meet."""

    def __init__(self, problem: Text, *, layer: str = "", remedy: Text | None = None) -> None:
        super().__init__(problem, remedy=remedy)
        self.layer = layer


def failure_text(error: BaseException, wording: Wording = python_wording) -> str:
    """Return what any error is called on one line: `InputError` as it says, what the system refused, our own faults."""
    if isinstance(error, InputError):
        return error.text(wording)
    try:
        said = str(error)
    except Exception:  # an error of others, whose text cannot be made
        said = ""
    after_colon = f": {said}" if said else ""
    if isinstance(error, MemoryError):
        text = f"the memory of this machine is not enough{after_colon}"
    elif isinstance(error, RecursionError):
        text = "the input is nested too deeply"
    elif isinstance(error, UnicodeEncodeError):
        letter = error.object[error.start : error.start + 1]
        text = f"a text has {letter!r} in it, which is no character that can be written"
    elif isinstance(error, OSError):
        reason = error.strerror or said or type(error).__name__
        text = f"{error.filename}: {reason}" if error.filename else f"the system refused to read or write: {reason}"
    else:
        text = f"internal error: {type(error).__name__}{after_colon}; please report it"
    return shortened(visible(" ".join(text.split())))


def worded(text: Text, wording: Wording = python_wording) -> str:
    """Return a text with its references in the words of a front end."""
    parts = text if isinstance(text, tuple) else (text,)
    return "".join(part if isinstance(part, str) else wording(part) for part in parts)


def nearest(name: object, known: Iterable[str]) -> str:
    """Return a phrase that offers the known names nearest to `name`, or lists them where they are few."""
    import difflib

    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5) if isinstance(name, str) else []
    if close:
        return "did you mean " + " or ".join(repr(c) for c in close) + "?"
    if len(names) <= 30:
        return "known: " + ", ".join(names)
    return f"{len(names)} names are known"


def visible(text: str) -> str:
    r"""Return a text with the characters that have no shape of their own as escapes.

    These are control and bidirectional characters, on which a terminal or a picture would act, and lone surrogates.

    Examples
    --------
    >>> print(visible("conv\x1b[31m\r\u202e"))
    conv\x1b[31m\r\u202e
    """
    if text.isprintable():
        return text
    keep = "\u00a0\u202f\u3000"  # blanks that are as wide as they look
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)


def shown(value: object, limit: int = 60) -> str:
    """Return `value` as an error message shows it: on one line, cut where it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an int of more than 4300 digits, a nest without end
        text = f"a {type(value).__name__} too large to print"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def shortened(text: str) -> str:
    """Return a message of at most `MAX_CHARACTERS`: a longer one without its middle, for its end has the remedy."""
    if len(text) <= MAX_CHARACTERS:
        return text
    note = f" … ({len(text)} characters, shortened) … "
    kept = MAX_CHARACTERS - len(note)
    return text[: kept - kept // 3] + note + text[len(text) - kept // 3 :]
