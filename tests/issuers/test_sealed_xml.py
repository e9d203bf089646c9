"""XML is read where it lies, as the standard library reads it, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlsecrets.issuers._sealed_xml import DEEPEST, LONGEST_NAME, NotXML, read_leaves
from mlsecrets.memory import Sealed, SecretBuffer

BEFORE, AFTER = b"<a>", b"</a>"


def ours(text: bytes) -> dict[str, str]:
    """What we read, as plain values; whatever lies around it stays as it is."""
    with SecretBuffer.of(BEFORE, text, AFTER) as buffer:
        try:
            leaves = read_leaves(Sealed(buffer, *buffer.slots[1]))
            return {name: leaf.text() for name, leaf in leaves.items()}
        finally:
            with buffer.reading() as view:
                assert view[:3] == BEFORE
                assert view[-4:] == AFTER


def theirs(text: bytes) -> dict[str, str]:
    leaves: dict[str, str] = {}
    for element in ElementTree.fromstring(text).iter():
        if len(element) == 0 and element.text:
            leaves.setdefault(element.tag.rpartition("}")[2], element.text)
    return leaves


def outcome(read: Callable[[bytes], dict[str, str]], text: bytes) -> object:
    try:
        return "read", read(text)
    except (ElementTree.ParseError, ValueError, LookupError):
        return "refused"


# -- texts -----------------------------------------------------------------------------

names = st.sampled_from(["Key", "SecretAccessKey", "a", "a-b.c_1", "Xml"])
space = st.text(" \t\r\n", max_size=2)
characters = st.characters(codec="utf-8", exclude_characters="\ufffe\uffff").filter(
    lambda c: c >= " " or c in "\t\n\r"
)


def spelled(character: str) -> st.SearchStrategy[str]:
    """Every spelling of a character in a text."""
    forms = [f"&#{ord(character)};", f"&#x{ord(character):04X};", escape(character)]
    if character in "\"'":
        forms.append({'"': "&quot;", "'": "&apos;"}[character])
    return st.sampled_from([*forms, forms[2], forms[2]])


asides = st.sampled_from(
    ["<!---->", "<!-- - <no> & -->", "<?go?>", "<?go <on> & ?>", "<?xml-style a='b'?>"]
)
texts = st.lists(characters.flatmap(spelled) | asides, max_size=9).map("".join)
attributes = st.sampled_from(["", ' a="1>"', "\n b = '\"'\tp:c=''", ' xmlns="urn:y"'])


@st.composite
def elements(
    draw: st.DrawFn, inside: st.SearchStrategy[str], *, plain: bool = False
) -> str:
    name = draw(names if plain else names | names.map("p:".__add__))
    attribute = "" if plain else draw(attributes)
    content, before, after = draw(inside), draw(space), draw(space)
    if not content and draw(st.booleans()):
        return f"<{name}{attribute}{before}/>"
    return f"<{name}{attribute}{before}>{content}</{name}{after}>"


def trees(*, plain: bool) -> st.SearchStrategy[str]:
    return st.recursive(
        elements(texts, plain=plain),
        lambda inner: elements(
            st.lists(inner | texts, max_size=4).map("".join), plain=plain
        ),
        max_leaves=8,
    )


declarations = st.sampled_from(
    [
        "",
        "\ufeff",
        "<?xml version='1.0'?>",
        '<?xml version="1.0" encoding="UTF-8"?>\n',
        "\ufeff<?xml  version = '1.0'\tencoding='utf-8' standalone='yes' ?>",
    ]
)
around = st.lists(space | asides, max_size=3).map("".join)


def documents(*, plain: bool) -> st.SearchStrategy[bytes]:
    return st.tuples(
        st.sampled_from(["", "\ufeff"]) if plain else declarations,
        around,
        trees(plain=plain).map(
            lambda tree: tree if plain else f"<R xmlns:p='urn:x'>{tree}</R>"
        ),
        around,
    ).map(lambda parts: "".join(parts).encode())


#: Pieces that texts go wrong with. No prefixes and attributes: see the last test.
PIECES = [
    *(b"<", b">", b"&", b";", b"/", b"<a>", b"</a>", b"<a/>", b"</", b"<a", b"&amp;"),
    *(
        b"&lt",
        b"&nbsp;",
        b"&#",
        b"&#0;",
        b"&#x1F600;",
        b"&#xD800;",
        b"&#xFFFE;",
        b"]]>",
    ),
    *(
        b"]]",
        b"<!--",
        b"-->",
        b"--",
        b"<?",
        b"?>",
        b"<?xml ?>",
        b"<?XmL a?>",
        b"<!",
        b"\r",
    ),
    *(
        b"\r\n",
        b"\x00",
        b"\x0b",
        b"\x7f",
        b"\xc3\xa9",
        b"\xc3",
        b"\xed\xa0\x80",
        b" ",
        b"x",
    ),
    *(
        b"\xef\xbf\xbf",
        b"\xef\xbf\xbe",
        b"\xef\xbb\xbf",
        b"\xf0\x9f\x98\x80",
        b"1",
        b"-",
    ),
]


@given(documents(plain=False))
def test_a_document_is_read_as_the_standard_library_reads_it(text: bytes) -> None:
    """Whatever its comments, its line ends, and the spelling of its characters."""
    assert ours(text) == theirs(text)


@given(documents(plain=True), st.data())
def test_a_spoilt_document_is_judged_alike(text: bytes, data: st.DataObject) -> None:
    """Something is put in, taken away or repeated somewhere."""
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 3, len(text))))
    spoilt = text[:start] + data.draw(st.sampled_from([b"", *PIECES])) + text[end:]
    assert outcome(ours, spoilt) == outcome(theirs, spoilt)


@given(st.binary(max_size=40) | st.lists(st.sampled_from(PIECES)).map(b"".join))
@example(b"<")
@example(b"<a")
@example(b"<a></a")
def test_any_bytes_are_judged_alike(text: bytes) -> None:
    """Nothing else than "not XML" ever comes of them."""
    for whole in (text, b"<a>" + text + b"</a>"):
        assert outcome(ours, whole) == outcome(theirs, whole)


@pytest.mark.parametrize(
    "text",
    [
        b"<!DOCTYPE a><a>b</a>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        b"<a><![CDATA[b]]></a>",
        "<a>b</a>".encode("utf-16"),
        b"<?xml version='1.0' encoding='iso-8859-1'?><a>b</a>",
        b"<?xml version='2.0'?><a>b</a>",
        "<\u00e9>b</\u00e9>".encode(),
        b"<a>" * (DEEPEST + 1) + b"</a>" * (DEEPEST + 1),
        b"<%b>b</%b>" % (b"n" * (LONGEST_NAME + 1), b"n" * (LONGEST_NAME + 1)),
    ],
)
def test_what_is_refused_though_it_is_xml(text: bytes) -> None:
    """No STS answers so; nothing is quoted."""
    theirs(text)
    with pytest.raises(NotXML) as caught:
        ours(text)
    assert str(caught.value) == ""


@pytest.mark.parametrize(
    "declaration",
    [
        "<?xml?>",
        "<?xml version=1.0?>",
        " <?xml version='1.0'?>",
        "<?xml version='1.0'?><?xml version='1.0'?>",
        "<?xml version='1.0' encoding='nonsense'?>",
        "<?xml version='1.0' encoding='utf-16'?>",
        "<?xml version='1.0' standalone='maybe'?>",
        "<?xml encoding='utf-8' version='1.0'?>",
        "<?xml version='1.0'>",
    ],
)
def test_a_declaration_that_is_none(declaration: str) -> None:
    """Neither we nor the standard library go on."""
    text = f"{declaration}<a>b</a>".encode()
    assert outcome(ours, text) == outcome(theirs, text) == "refused"


@pytest.mark.parametrize(
    "text", [b"<p:a>b</p:a>", b"<a c='1' c='2'>b</a>", b"<a c='&no;'>b</a>"]
)
def test_attributes_are_not_looked_at(text: bytes) -> None:
    """Nothing is taken from them, so nothing depends on what is wrong with them."""
    assert ours(text) == {"a": "b"}


def test_the_limits_themselves_are_within_them() -> None:
    """So that the refusals above are for one more."""
    name = b"n" * LONGEST_NAME
    assert ours(b"<%b>b</%b>" % (name, name)) == {name.decode(): "b"}
    nested = b"<a>" * DEEPEST + b"b" + b"</a>" * DEEPEST
    assert ours(nested) == {"a": "b"}


def test_the_first_of_a_name_counts() -> None:
    """And only where it has a text, and no element."""
    assert ours(b"<r><a/><a>\n<b/></a><a>1</a><p><a>2</a></p></r>") == {"a": "1"}


def test_texts_lie_where_they_lay() -> None:
    """Un-escaped in place: nothing of the longer form is left behind them."""
    with SecretBuffer.of(b"<a>1&amp;2&#x3d;&#233;<!-- 3 -->4</a>") as buffer:
        leaf = read_leaves(Sealed(buffer, 0, buffer.size))["a"]
        assert leaf.buffer is buffer
        assert leaf.text() == "1&2=\u00e94"
        with buffer.reading() as view:
            assert bytes(view) == b"<a>1&2=\xc3\xa94" + bytes(23) + b"</a>"


def test_a_long_text_is_read_in_little_memory() -> None:
    """Step by step, whatever it is made of."""
    for text in ("x" * 1_000_000, "]" * 1_000_000, "\u00e9]" * 200_000, "\r\n" * 9_999):
        document = f"<a>{text}</a>".encode()
        assert ours(document) == theirs(document)
