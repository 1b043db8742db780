"""Texts that want to be more than text, and honest ones that look a little like it.

A page has to show each of the first without acting on it or hiding a part of it, and each of the
second as it is.
"""

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "'\"><svg/onload=alert(1)>",
    "</td></tr></table><h1>APPROVED</h1>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "&lt;b&gt;&#x3c;script&#x3e;",
    '" autofocus onfocus=alert(1) x="',
    "' hx-get='/console/fleet' hx-trigger='load",
    "data-hx-on:click=alert(1)",
    "sse-connect=/console/x",
    "refund 5.00 \u202e00.005\u202c EUR",
    "ann\u2066\u202ebob\u2069",
    "a\u200bb\u200cc\u2060d\ufeffe",
    "pay\u00adpal",
    "\x1b[31mred\x1b[0m \x1b]8;;http://evil.example\x07link",
    "bell\x07 back\x08space del\x7f c1\x9b31m",
    "null\x00byte",
    "line one\u2028line two\u2029three",
    "tags \U000e0041\U000e0042 hidden",
    "blank \u3164\u115f\u2800 letters",
    "zal\u0300\u0301\u0302\u0303\u0304\u0305\u0306go",
    "private \ue000 unassigned \U0003ffff",
    "lone \ud800 surrogate",
    "x" * 4000 + " and to: mallory@evil.example",
    "--><!--",
    "]]>",
    "%3Cscript%3E",
    "\r\nSet-Cookie: a=b\r\n",
    "ﬁ\u200dlook",
)
"""None of these may act, hide or move anything."""

HONEST = (
    "Zoë Müller",
    "张伟",
    "Ólafur Jóhann",
    "Đặng Thị Hồng",
    "दीपिका",
    "ปรีชา",
    "ايمان",
    "דניאל",
    "🎉 done 👍🏽",
    "👩‍💻 at work",
    "❤️ 1️⃣",
    "a < b && c > d",
    'O\'Neill & "Sons"',
    "x² ≤ ½ — “quoted” … €5",
    "C:\\Users\\ann\\file.txt",
    "first line\n\tsecond line",
    "naïve café №5",
)
"""Each of these is shown sign for sign."""
