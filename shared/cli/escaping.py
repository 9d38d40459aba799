"""Escaping of text from outside, such as routing keys and headers, before a terminal, a log or a spreadsheet gets it.

A control character could move the cursor, forge a line of a log, or show text in another order than it is stored in.
"""

import json

# A spreadsheet takes a cell that starts like this for a formula. The last four are full-width forms of the first four.
_FORMULA_STARTS = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def escape(text: str) -> str:
    r"""Return the text on one line, with every character that is not printable in its Python spelling, such as \x1b.

    These are the control characters (C0, DEL and C1), line and paragraph separators, bidirectional controls and other
    invisible characters, every space but the ASCII space, and halves of surrogate pairs.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def escape_json(line: str) -> str:
    r"""Return a line of JSON with \u escapes for characters that are not printable, which keeps its values."""
    if line.isprintable():
        return line
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in line)


def escape_cell(text: str) -> str:
    """Return text for a cell of a CSV file: escaped, and with a leading ' if it could be a formula."""
    # A file has millions of cells, nearly all of them harmless.
    if text[:1] in _FORMULA_STARTS:
        return f"'{escape(text)}"
    return text if text.isprintable() else escape(text)
