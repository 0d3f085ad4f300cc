"""One table of payloads against every medium."""

import csv as csv_files
import io
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from cu.reporting.render import escape
from cu.reporting.render.csv import csv

PAYLOADS = [
    *("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", '" onmouseover="x', "' onload='x", "</style><b>"),
    *("</title>", "<!--", "]]>", "&lt;b&gt;", "&#106;avascript:", "javascript:alert(1)", "{{ 7*7 }}", "{% raw %}"),
    *(r"\input{/etc/passwd}", r"\write18{id}", r"\\", "$x$", "%comment", "#1", "~^_&{}", r"\end{longtable}", "[a]*"),
    *("=cmd|' /C calc'!A0", "@SUM(1+1)", "+1+1", "-1+1", "\t=1", "\r=1", " =1", "%0A=1"),
    *("[x](http://evil)", "![x](http://evil)", "[x]: http://evil", "http://evil", "www.evil.com", "a@evil.com"),
    *("`code`", "**bold**", "_em_", "~~gone~~", "a|b", "# heading", "> quote", "- item", "1. item", "---", "$$x$$"),
    *("\x1b[31mred", "\x1b]0;title\x07", "bell\x07", "back\x08\x08", "\x9b31m", "a\nb", "a\r\nb", "a\u2028b"),
    *("\u202egnp.exe", "\u2066x\u2069", "zero\u200bwidth", "\ud800", "\x00", "\ufeff", "é漢"),
]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_is_hidden_in_a_line(payload):
    for show in (escape.visible, escape.terminal, escape.log):
        text = show(payload)
        assert text.isprintable()
        text.encode("utf-8")
        assert "\x1b" not in text


@pytest.mark.parametrize("payload", PAYLOADS)
def test_html_is_text_inside_and_outside_attributes(payload):
    class Reader(HTMLParser):
        tags, text = [], ""

        def handle_starttag(self, tag, attrs):
            self.tags = [*self.tags, (tag, attrs)]

        def handle_data(self, data):
            self.text += data

    reader = Reader(convert_charrefs=True)
    reader.feed(f'<p title="{escape.html(payload)}">{escape.html(payload)}</p>')
    reader.close()
    assert reader.tags == [("p", [("title", escape.visible(payload))])]
    assert reader.text == escape.visible(payload)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_latex_has_no_command_but_ours(payload):
    text = escape.latex(payload)
    commands = set(re.findall(r"\\([a-zA-Z]+)", text))
    assert commands <= {"textbackslash", "texttt", "textasciitilde", "textasciicircum"}
    bare = re.sub(r"\\[a-zA-Z]+(\{\})?|\\[&%$#_{}]|\$[<>|]\$", "", text)
    assert not set(bare) & set("\\$%#&_~^")
    assert bare.count("{") == bare.count("}")


@pytest.mark.parametrize("payload", PAYLOADS)
def test_csv_has_no_formula_and_keeps_its_shape(payload):
    written = csv(pd.DataFrame({"name": [payload], "value": [-1.5]}))
    ((name, value),) = list(csv_files.reader(io.StringIO(written)))[1:]
    assert not name.lstrip().startswith(("=", "+", "-", "@", "|", "%"))
    assert name in (escape.visible(payload), f"'{escape.visible(payload)}")
    assert value == "-1.5"


@pytest.mark.parametrize("payload", PAYLOADS)
def test_markdown_unescaped_is_the_text_and_escaped_holds_no_markup(payload):
    text = escape.markdown(payload)
    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text) == escape.visible(payload)
    bare = re.sub(r"\\[!-/:-@\[-`{-~]", "", text)
    assert not set(bare) & set("`*<|$~")
    assert not re.search(r"\]\(|\]\[|\]:|https?:|www\.|&#?\w+;|\w@\w", bare)
    assert not re.match(r"\s*(#{1,6}(\s|$)|>|[-+] |\d+[.)] |[-=]+$)", text)


def test_names_of_methods_and_metrics_stay_readable():
    for text in ("boundary_shrink", "test_acc [%] →ref", "n/a [1]", "91.2 ± 0.3 (−0.4)", "75.0", "-0.5", "lr=0.1"):
        assert escape.markdown(text) == text
    assert escape.latex("a_b & 5% ±1 −2 #{}$~^\\<> [*]") == (
        r"a\_b \& 5\% $\pm$1 $-$2 \#\{\}\$\textasciitilde{}\textasciicircum{}\textbackslash{}$<$$>$ {[}{*}{]}"
    )
    assert escape.latex("é漢\x1b") == r"é\texttt{U+6F22}{[}U+001B{]}"
    assert escape.breakable("a/b_c") == r"a/\allowbreak{}b\_\allowbreak{}c"


def test_a_log_line_is_bounded():
    assert len(escape.log("x" * 10**6)) == 2000
