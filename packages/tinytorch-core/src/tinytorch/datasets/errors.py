"""What can go wrong with a data set: it is missing, damaged, or cannot be fetched.

Each error derives from the builtin that a user would catch. Left out: how the messages are made,
which is told where they are raised, beside the values that they name.
"""


class DatasetMissingError(FileNotFoundError):
    """A data set is neither in TINYTORCH_DATA nor in the cache."""


class DatasetCorruptError(ValueError):
    """A file is damaged, cut short, or another file than its name says."""


class DownloadError(OSError):
    """No mirror gave the file."""
