"""The errors a user of the parallelism search can meet, each one line: what, where, what to do."""

from hw.isa.errors import PolymapError


class SearchError(PolymapError, ValueError):
    """Base of every error of the parallelism search."""


class ChainError(SearchError):
    """A network that cannot be read as a chain of convolution stages."""


class DeviceError(SearchError):
    """An unknown device, or an arithmetic that it does not offer."""


class BudgetError(SearchError):
    """No design fits the DSP and memory blocks of the device."""


class WindowError(SearchError):
    """The windows of the search leave a stage without candidates, or hold no design that fits."""
