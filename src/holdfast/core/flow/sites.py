"""Hosts in the words of a search: what names one at all, and whose owner is known not to listen.

`numpy.linalg` and `sqlite3.OperationalError` are no hosts, though they are spelt like one: a name
counts by its ending. An ending that is not in the table is read as a word, which costs nothing but
what the word costs (`queries`): a search provider goes to no host that a query names. Not here:
hosts that a call opens (`hosts`), where every ending counts.
"""

import re

from holdfast.core.flow.hosts import registered
from holdfast.core.flow.words import names_file

_COUNTRY = 2
HOST_NUMBER = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\d)")
"""A host by number as people write it: four parts; fewer are a version."""
_HERE = frozenset({"127.0.0.1", "0.0.0.0"})  # noqa: S104  (words of a query; nothing listens)
_ENDINGS_TEXT = """
    academy agency app art bar best biz bid blog build business buzz cafe cam camp capital care cash
    center chat church city claims click clinic cloud club codes coffee com community company
    computer consulting contact cool country coupons credit dance date dating deals delivery design
    dev digital direct directory domains download earth edu education email energy engineering
    estate events exchange expert express fail fans farm finance fish fit fitness flights fm
    foundation fun fund fyi gallery games gifts gives global gold gov graphics group guide guru
    haus health help host hosting house icu inc info ink institute int international investments
    jobs kim land law legal life limited link live loan loans lol ltd market marketing mba media
    men menu mil mobi moda moe mom money monster name net network news ninja observer one online
    onion org organic page party photo photos pictures pizza place plus poker press pro productions
    promo properties pub pw quest racing recipes red rehab reise ren rent rentals repair report
    republican rest restaurant review reviews rich rip rocks run sale sbs school science services
    sex shiksha shoes shop shopping show singles site ski social software solar solutions space
    store stream studio style sucks supplies support surf surgery systems tax taxi team tech
    technology tel theater tips tires today tools top tours town toys trade trading training travel
    university uno vacations ventures vet video villas vin vip vision vote voyage wang watch webcam
    website wedding wiki win wine work works world wtf xin xxx xyz yoga zone
"""
_ENDINGS = frozenset(_ENDINGS_TEXT.split())
# Names whose owners publish what is searched for; who writes there sees nobody's queries.
_WELL_KNOWN_TEXT = """
    acm.org adobe.com angular.dev anthropic.com apache.org apple.com archlinux.org arxiv.org
    asp.net atlassian.com bbc.co.uk bitbucket.org britannica.com c-span.org ca.gov caniuse.com
    chromium.org claude.com clang.org cloudflare.com cncf.io codeberg.org cppreference.com crates.io
    curl.se debian.org deno.com deno.land deno.dev djangoproject.com docker.com docs.rs draw.io
    elastic.co esbuild.github.io europa.eu expressjs.com fastapi.tiangolo.com fedoraproject.org
    fly.io freebsd.org gcc.gnu.org getbootstrap.com git-scm.com github.com gitlab.com gnome.org
    gnu.org go.dev golang.org google.com gov.uk gradle.org grafana.com graphql.org hashicorp.com
    haskell.org helm.sh huggingface.co ieee.org ietf.org investopedia.com iso.org java.com
    jetbrains.com jquery.com kde.org kernel.org kotlinlang.org kubernetes.io laravel.com llvm.org
    man7.org mariadb.org matplotlib.org microsoft.com mongodb.com mozilla.org mypy-lang.org
    mysql.com nature.com netlify.com nextjs.org nginx.org nih.gov nist.gov nodejs.org npmjs.com
    numpy.org nvidia.com openai.com openjdk.org openssl.org oracle.com owasp.org palletsprojects.com
    pandas.pydata.org perl.org php.net pinterest.com playwright.dev postgresql.org prometheus.io
    pydantic.dev pypi.org pypa.io pytest.org python.org pytorch.org qt.io quora.com react.dev
    reactjs.org readthedocs.io redhat.com reddit.com redis.io render.com rfc-editor.org
    ruby-lang.org rubyonrails.org rust-lang.org scala-lang.org scikit-learn.org scipy.org
    serverfault.com socket.io spring.io sqlalchemy.org sqlite.org stackexchange.com
    stackoverflow.com superuser.com svelte.dev swift.org systemd.io tailwindcss.com tensorflow.org
    terraform.io typescriptlang.org ubuntu.com usa.gov vb.net vercel.com vite.dev vitest.dev
    vuejs.org w3.org w3schools.com webkit.org webpack.js.org whatwg.org wikipedia.org who.int
    wiktionary.org wordpress.org ycombinator.com youtube.com
"""
_WELL_KNOWN = frozenset(_WELL_KNOWN_TEXT.split())


def names_site(host: str) -> bool:
    """Whether a dotted name, in lower case, is one that somebody could have registered."""
    ending = host.rpartition(".")[2]
    if names_file(ending):
        return False
    return ending.startswith("xn--") or ending in _ENDINGS or len(ending) == _COUNTRY


def is_well_known(host: str) -> bool:
    """Whether a host's owner publishes for everybody and is nobody's accomplice."""
    return host in _WELL_KNOWN or registered(host) in _WELL_KNOWN or _without_www(host)


def _without_www(host: str) -> bool:
    return host.startswith("www.") and host.removeprefix("www.") in _WELL_KNOWN


def numbers_of_hosts(text: str) -> list[str]:
    """Addresses by number as people write them: four parts; fewer are a version."""
    return [one for one in HOST_NUMBER.findall(text) if one not in _HERE]
