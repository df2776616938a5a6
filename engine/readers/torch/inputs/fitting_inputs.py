"""Find inputs that a module takes: the first candidate that runs, else the nearest size that it accepts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from time import monotonic
from typing import Any, TypeAlias, TypeVar

from rfscale.engine.errors import EXAMPLE_INPUT, INPUT_SIZE, InputError, shown
from rfscale.engine.network.input_sizes import AxisSizes
from rfscale.engine.readers.torch.inputs.example_input import ModelInputs, TensorInput
from rfscale.engine.readers.torch.inputs.signature import signature_of

MULTIPLES = (2, 4, 8, 16, 32, 64, 128)  # pixels that sizes of images are multiples of
MOST_PIXELS = 2048  # per axis, of the sizes that are tried
MOST_TRIES = 40  # of inputs that nobody asked for
MOST_SECONDS = 5  # for them: a model that takes long fails for other reasons
OF_MEMORY = ("not enough memory", "out of memory", "allocate memory")  # in what torch raises
R = TypeVar("R")
Run: TypeAlias = Callable[[ModelInputs], Any]


def first_that_runs(
    module: Any, candidates: Sequence[ModelInputs], run: Callable[[ModelInputs], R]
) -> tuple[ModelInputs, R]:
    """Return the first inputs that a module takes, and what running it returned.

    Parameters
    ----------
    module : torch.nn.Module
    candidates : sequence of ModelInputs
        As of `model_inputs`. Where nobody asked for their size, others are tried after them: the channels that the
        first convolution wants, and a size that fits.
    run : callable
        Runs the module on the inputs; it raises what the module raises.

    Raises
    ------
    InputError
        One line: what the module raised on the first candidate, and a size that it takes; or that it would take one of
        them, were there more memory.
    """
    failed: list[tuple[ModelInputs, Exception]] = []
    for inputs in candidates:
        try:
            return inputs, run(inputs)
        except InputError:
            raise
        except Exception as error:  # whatever the code of a model raises
            failed.append((inputs, error))
    for inputs, failure in failed:
        if _is_of_memory(failure):
            raise _too_large(module, inputs) from None
    (_, first), *_ = failed
    fitting = FittingInputs(module, candidates[0], run)
    if candidates[0].size_is_free:
        for other in fitting.others():
            with suppress(Exception):
                return other, run(other)
    raise refused(module, candidates[0], first, fitting) from None


def _is_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in OF_MEMORY)


def _too_large(module: Any, inputs: ModelInputs) -> InputError:
    name = getattr(module, "original_name", type(module).__name__)
    problem = f"{name} needs more memory than there is on an input of {inputs.label}"
    return InputError(problem, remedy=("give a smaller ", INPUT_SIZE, ", or a part of the module"))


def refused(module: Any, inputs: ModelInputs, error: Exception, fitting: FittingInputs) -> InputError:
    """Return the error that says that a module does not take its inputs: with a size that it takes, if there is one."""
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    wanted = fitting.channels
    remedy: tuple[Any, ...] = ("give another ", EXAMPLE_INPUT, ", or a part of the module")
    if wanted is not None:
        remedy = ("give ", EXAMPLE_INPUT, f" {_with_channels(inputs, wanted).image.shape}: it wants {wanted} channels")
    elif inputs.args and isinstance(inputs.args[0], Mapping):  # keys that are no parameters
        names = ", ".join((*(known := signature_of(module)).positional, *known.keyword_only))
        remedy = ("name its parameters in ", EXAMPLE_INPUT, f": {names}")
    elif (pixels := fitting.pixels) is not None:
        multiple = next((m for m in reversed(MULTIPLES) if not any(n % m for n in pixels)), 1)
        several = f", multiples of {multiple}" if multiple > 1 else ""
        remedy = ("try ", "×".join(map(str, pixels)), f" pixels{several}: give ", INPUT_SIZE)
        remedy += (" or another ", EXAMPLE_INPUT)
    name = getattr(module, "original_name", type(module).__name__)
    return InputError(f"{name} does not run on an input of {inputs.label}: {shown(reason, 200)}", remedy=remedy)


class FittingInputs:
    """What a module takes in the place of inputs that it does not: searched once, within so many tries and seconds.

    Parameters
    ----------
    module : torch.nn.Module
    inputs : ModelInputs
    run : callable
        Runs the module on inputs.
    """

    def __init__(self, module: Any, inputs: ModelInputs, run: Run) -> None:
        self._module, self._inputs, self._run = module, inputs, run
        self._tries = 0
        self._begun = monotonic()

    def _runs(self, inputs: ModelInputs) -> bool:
        """Whether the module takes some inputs; False when no more are tried."""
        self._tries += 1
        if self._tries > MOST_TRIES or monotonic() - self._begun > MOST_SECONDS:
            return False
        try:
            self._run(inputs)
        except Exception:  # whatever the module raises at that size
            return False
        return True

    @cached_property
    def channels(self) -> int | None:
        """Channels that the first convolution wants, where the image's are others."""
        return _channels_wanted(self._module, self._inputs, self._runs)

    @cached_property
    def pixels(self) -> tuple[int, ...] | None:
        """The pixels per axis nearest to those of the image that the module takes; None where none was found."""
        inputs = self._inputs if self.channels is None else _with_channels(self._inputs, self.channels)
        pixels = inputs.pixels
        if inputs.image.value is not None or not pixels:
            return None
        side = _side_for_linear(self._module, inputs, self._runs)
        if side is not None:
            return (side,) * len(pixels)
        sizes = [tuple(AxisSizes.multiples(m).nearest(n) or m for n in pixels) for m in MULTIPLES]
        sizes += [tuple(factor * n for n in pixels) for factor in (2, 4, 8)]  # where a map vanished
        for size in dict.fromkeys(sizes):
            if size != pixels and max(size) <= MOST_PIXELS and self._runs(inputs.with_pixels(size)):
                return size
        return None

    def others(self) -> Iterator[ModelInputs]:
        """Yield further inputs, where those that the module seemed to want fail."""
        inputs = self._inputs
        if self.channels is not None:
            inputs = _with_channels(inputs, self.channels)
            yield inputs
        if self.pixels is not None:
            yield inputs.with_pixels(self.pixels)


# channels of the first convolution ------------------------------------------------------------------------------------


def _channels_wanted(module: Any, inputs: ModelInputs, runs: Callable[[ModelInputs], bool]) -> int | None:
    """Channels of the image with which the first convolution called gets what it wants, where it gets others.

    A forward may join channels of its own to those of the image, or repeat them: what is given then has to run.
    """
    called: list[tuple[int, tuple[int, ...]]] = []
    with _watched(module, ("_ConvNd",), "in_channels", lambda wanted, shape: called.append((wanted, shape))):
        runs(inputs)
    if not called:
        return None
    wanted, shape = called[0]
    dim = _channel_dim(inputs)
    same = shape[-len(inputs.pixels) :] == inputs.pixels and len(shape) == len(inputs.image.shape)
    if not same or dim is None or shape[dim] == wanted:
        return None
    given, got = inputs.image.shape[dim], shape[dim]
    if got == given:
        return wanted
    tries = [given + wanted - got, *([given * wanted // got] if given * wanted % got == 0 else [])]
    return next((n for n in tries if n > 0 and runs(_with_channels(inputs, n))), None)


def _channel_dim(inputs: ModelInputs) -> int | None:
    others = [d for d in range(len(inputs.image.shape)) if d not in inputs.axes]
    return others[-1] if others else None


def _with_channels(inputs: ModelInputs, channels: int) -> ModelInputs:
    dim = _channel_dim(inputs)
    shape = tuple(channels if d == dim else n for d, n in enumerate(inputs.image.shape))
    return inputs.with_image(TensorInput(shape, inputs.image.dtype))


# size of a map that a linear layer takes flattened --------------------------------------------------------------------


def _side_for_linear(module: Any, inputs: ModelInputs, runs: Callable[[ModelInputs], bool]) -> int | None:
    """Pixels along each axis at which a linear layer gets as many values as it wants, if that is what does not fit."""
    misfits: list[int] = []

    def sign(side: int) -> int | None:
        """Whether an image is too large (1), too small (-1) or right (0); None where it fails otherwise."""
        misfits.clear()
        if runs(inputs.with_pixels([side] * len(inputs.pixels))):
            return 0
        return misfits[0] if misfits else None

    def note(wanted: int, shape: tuple[int, ...]) -> None:
        if shape[-1] != wanted:
            misfits.append(1 if shape[-1] > wanted else -1)

    with _watched(module, ("Linear",), "in_features", note):
        runs(inputs)
        if not misfits:
            return None
        low, high = 1, max(inputs.pixels)
        if misfits[0] < 0:
            low, high = high, 2 * high
            while high <= MOST_PIXELS and sign(high) in (-1, None):
                low, high = high, 2 * high
        side = _first(low, min(high, MOST_PIXELS), lambda n: sign(n) in (0, 1))  # a map that vanishes is too small
        if side is None or sign(side) != 0:
            return None
        larger = _first(side, side + 64, lambda n: sign(n) == 1)
        return max(range(side, larger or side + 1), key=lambda n: (n & -n, -n))  # the roundest in binary


def _first(low: int, high: int, holds: Callable[[int], bool]) -> int | None:
    """The first number from `low` to `high` from which on something holds, by halving; None where it never does."""
    if not holds(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


@contextmanager
def _watched(
    module: Any, kinds: Sequence[str], attribute: str, note: Callable[[int, tuple[int, ...]], None]
) -> Iterator[None]:
    """Call `note` with what each layer of some classes wants, an attribute, and the shape that it gets."""
    handles = []

    def before(part: Any, args: Any) -> None:
        shape = getattr(args[0], "shape", None) if args else None
        if shape is not None:
            note(getattr(part, attribute), tuple(shape))

    for part in module.modules():
        if isinstance(getattr(part, attribute, None), int) and any(c.__name__ in kinds for c in type(part).__mro__):
            with suppress(Exception):  # compiled modules take no hooks
                handles.append(part.register_forward_pre_hook(before))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
