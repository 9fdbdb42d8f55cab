"""Between texts and bytes, without loss: text is cut into words, tokens are bytes.

Bytes that are no UTF-8 travel through a text as half surrogate pairs, one for each (PEP 383). So
there is one way to cut, for texts and for bytes; and a text that has such halves of its own must be
refused, because nobody could tell them from bytes.
"""

from __future__ import annotations


def checked_text(text: str) -> str:
    """Return a text as it is. Raises TypeError, or ValueError for half a surrogate pair in it."""
    if not isinstance(text, str):
        raise TypeError(f"a text is wanted, not {type(text).__name__}: {text!r:.60}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"character {error.start} of the text is {text[error.start]!a}, half a surrogate pair, "
            "which is no character and has no bytes. Was it read with errors='surrogateescape'? "
            "Read it as bytes and pass those, or read it with errors='replace'"
        ) from None
    return text


def as_text(data: str | bytes) -> str:
    """Return a text as it is, and bytes as a text that `as_bytes` turns back.

    Raises TypeError for anything else, ValueError for a text with half a surrogate pair.
    """
    return (
        data.decode("utf-8", "surrogateescape") if isinstance(data, bytes) else checked_text(data)
    )


def as_bytes(text: str) -> bytes:
    """Return the UTF-8 bytes of a text, or those that `as_text` made it from.

    >>> as_bytes(as_text(b"\\xff\\xc3\\xa9"))
    b'\\xff\\xc3\\xa9'
    """
    return text.encode("utf-8", "surrogateescape")
