"""The leaves of an XML document, which never leave locked memory.

What an STS answers with is elements, texts and little else; this reads as much of XML
1.0 as that takes, and checks that it is well-formed. Refused: document types and with
them entities, CDATA sections, every encoding but UTF-8, names beyond ASCII or longer
than `LONGEST_NAME`, nesting beyond `DEEPEST`. Not looked at: attributes, and so whether
a prefix is declared.
"""

from __future__ import annotations

import re

from ..memory import Sealed
from ._in_place import DIGITS, Rewrite, end_of, is_utf8, next_end, rewriting

#: Elements in each other; an STS answer goes 4 deep.
DEEPEST = 64
#: Bytes of a name, which becomes a `str`; the longest of an STS has 33.
LONGEST_NAME = 64

_S = rb"[ \t\r\n]"
_NAME = rb"[A-Za-z_][A-Za-z0-9_.-]*"
_TAG = rb"%b(?::%b)?" % (_NAME, _NAME)
_EQUALS = rb"%b*=%b*" % (_S, _S)


def _quoted(inside: bytes) -> bytes:
    return rb"(?:\"%b\"|'%b')" % (inside, inside)


_SPACE = re.compile(_S + rb"*")
_MARK = re.compile(rb"\xef\xbb\xbf")  # byte order mark
_DECLARATION = re.compile(
    rb"<\?xml%b+version%b%b" % (_S, _EQUALS, _quoted(rb"1\.[0-9]+"))
    + rb"(?:%b+encoding%b%b)?" % (_S, _EQUALS, _quoted(rb"(?i:utf-8)"))
    + rb"(?:%b+standalone%b%b)?%b*\?>" % (_S, _EQUALS, _quoted(rb"(?:yes|no)"), _S)
)
#: What no document may hold (XML 1.0 §2.2), besides surrogates, which are not UTF-8.
_NO_CHARACTER = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]")
_COMMENT = re.compile(rb"<!--")
_TWO_HYPHENS = re.compile(rb"--")
_INSTRUCTION = re.compile(
    rb"<\?(?![Xx][Mm][Ll](?:%b|\?))%b(?=%b|\?>)" % (_S, _NAME, _S)
)
_INSTRUCTION_END = re.compile(rb"\?>")
_OPENS = re.compile(rb"<" + _TAG)
_ATTRIBUTE = re.compile(rb"%b+%b%b(?:\"[^\"<]*\"|'[^'<]*')" % (_S, _TAG, _EQUALS))
_OPENED = re.compile(_S + rb"*>")
_EMPTY = re.compile(_S + rb"*/>")
_END_TAG = re.compile(rb"</")
_CLOSES = re.compile(rb"</" + _TAG)
#: Text as it is, but for the end of a CDATA section, which must not stand in it (§2.4).
_PLAIN = re.compile(rb"(?:[^<&\r\]]+|\](?!\]>)){1,1000}")
_REFERENCE = re.compile(rb"&(?:amp|lt|gt|quot|apos|#[0-9]{1,8}|#x[0-9A-Fa-f]{1,8});")
_ENTITIES = {b"amp": "&", b"lt": "<", b"gt": ">", b"quot": '"', b"apos": "'"}
_LESS, _GREATER, _AMPERSAND, _CR, _LF, _X = b"<>&\r\nx"
_END = -1  # no byte


class NotXML(ValueError):
    """Malformed, or more of XML than is read here; nothing is quoted."""


def read_leaves(body: Sealed) -> dict[str, Sealed]:
    """The text of each element without elements in it, by its name without prefix.

    The first of a name counts, and one without text does not. The body is rewritten on
    the way, so it can be read only once; the texts lie in it, and are gone when it is
    wiped.

    Raises:
        NotXML: it is not XML by the rules above.
    """
    with rewriting(body) as view:
        return _Reader(body, view).document()


class _Element:
    __slots__ = ("is_leaf", "name", "text")

    def __init__(self, name: str, text: Rewrite) -> None:
        self.name = name
        self.text = text
        self.is_leaf = True


class _Reader:
    def __init__(self, body: Sealed, view: memoryview) -> None:
        self._body = body
        self._view = view
        self._at = 0
        self._open: list[_Element] = []
        self._leaves: dict[str, Sealed] = {}

    def document(self) -> dict[str, Sealed]:
        if (
            not is_utf8(self._view)
            or next_end(_NO_CHARACTER, self._view, 0) is not None
        ):
            raise NotXML
        self._take(_MARK)
        self._take(_DECLARATION)
        self._skip_aside()
        self._opens()
        while self._open:
            self._text(self._open[-1].text)
            if not self._aside():
                closes = end_of(_END_TAG, self._view, self._at) > self._at
                self._closes() if closes else self._opens()
        self._skip_aside()
        if self._at != len(self._view):
            raise NotXML
        return self._leaves

    def _take(self, pattern: re.Pattern[bytes]) -> bool:
        """Go past what matches here, if it does."""
        start, self._at = self._at, end_of(pattern, self._view, self._at)
        return self._at > start

    def _byte(self) -> int:
        return self._view[self._at] if self._at < len(self._view) else _END

    def _skip_aside(self) -> None:
        """Go past what may stand before and after the root element."""
        while self._take(_SPACE) or self._aside():
            pass

    def _aside(self) -> bool:
        """Go past a comment or a processing instruction, if one begins here."""
        if self._take(_COMMENT):
            self._go_past(_TWO_HYPHENS)
            if self._byte() != _GREATER:
                raise NotXML
            self._at += 1
            return True
        if self._take(_INSTRUCTION):
            self._go_past(_INSTRUCTION_END)
            return True
        return False

    def _go_past(self, pattern: re.Pattern[bytes]) -> None:
        end = next_end(pattern, self._view, self._at)
        if end is None:
            raise NotXML
        self._at = end

    def _opens(self) -> None:
        start = self._at + 1
        if not self._take(_OPENS) or len(self._open) == DEEPEST:
            raise NotXML
        if self._at - start > LONGEST_NAME:
            raise NotXML
        name = str(self._view[start : self._at], "ascii")
        while self._take(_ATTRIBUTE):
            pass
        if self._open:
            self._open[-1].is_leaf = False
        if self._take(_EMPTY):
            self._inner_closed()
        elif self._take(_OPENED):
            self._open.append(_Element(name, Rewrite(self._view, self._at)))
        else:
            raise NotXML

    def _closes(self) -> None:
        element = self._open.pop()
        end, start = self._at, self._at + 2
        if not self._take(_CLOSES):
            raise NotXML
        if self._view[start : self._at] != element.name.encode():
            raise NotXML
        if not self._take(_OPENED):
            raise NotXML
        if element.is_leaf:
            length = element.text.finish(end)
            start = self._body.offset + element.text.start
            if length:
                self._leaves.setdefault(
                    element.name.rpartition(":")[2],
                    Sealed(self._body.buffer, start, length),
                )
        self._inner_closed()

    def _inner_closed(self) -> None:
        """What follows an inner element must not be written over it."""
        if self._open:
            self._open[-1].text = Rewrite(self._view, self._at)

    def _text(self, text: Rewrite) -> None:
        """Un-escape what stands here, up to the next tag."""
        while True:
            start = self._at
            self._take(_PLAIN)
            text.keep(start, self._at)
            byte = self._byte()
            if byte == _LESS:
                return
            if byte == _AMPERSAND:
                text.put(self._referred())
            elif byte == _CR:  # the end of a line is one \n (§2.11)
                self._at += 1
                if self._byte() != _LF:
                    text.put(_LF)
            elif self._at == start:
                raise NotXML

    def _referred(self) -> int:
        """The character that a reference stands for (§4.1)."""
        start = self._at
        if not self._take(_REFERENCE):
            raise NotXML
        with self._view[start + 1 : self._at - 1] as inside:
            for name, character in _ENTITIES.items():
                if inside == name:
                    return ord(character)
            base = 16 if inside[1] == _X else 10
            point = 0
            for digit in inside[2 if base == 16 else 1 :]:
                point = point * base + DIGITS[digit]
        if not _is_character(point):
            raise NotXML
        return point


def _is_character(point: int) -> bool:
    """XML 1.0 §2.2."""
    return (
        point in {0x9, 0xA, 0xD}
        or 0x20 <= point < 0xD800
        or 0xE000 <= point < 0xFFFE
        or 0x10000 <= point <= 0x10FFFF
    )
