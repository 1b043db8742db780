"""Listings of processes and sockets: numbers and short names, or what others wrote."""

import pytest

from holdfast.core.listing_words import tells_numbers


@pytest.mark.parametrize(
    "command",
    [
        "ps",
        "ps -e",
        "ps -o pid,comm",
        "ps -eo pid,ppid,%cpu,comm --no-headers | head",
        "ps -p 12 -o pid=,etime=",
        "ps -p $(cat server.pid)",
        'ps -p "$(cat run/server.pid)" -o stat=',
        "ps -p $!",
        "ps -C node -o pid=",
        "pgrep -f 'shop.app' || echo none",
        "if pgrep -x node; then echo yes; fi",
        "pgrep -l python",
        "lsof -ti :8000",
        "lsof -i :8000 -t 2>/dev/null",
        "kill $(lsof -ti:8000)",
        "lsof -nP -iTCP:8000 -sTCP:LISTEN",
        "lsof -i :8000 -sTCP:LISTEN",
        "ss -ltnp 2>/dev/null | head -10 || true",
        "ss -tln 'sport = :8000'",
        "ss --tcp --listening --numeric",
        "/bin/ps -o pid",
    ],
)
def test_numbers_and_names_cut_short_carry_no_message(command):
    assert tells_numbers(command)


@pytest.mark.parametrize(
    "command",
    [
        "ps aux",
        "ps -ef",
        "ps e",
        "ps -eo pid,args",
        "ps -o cmd",
        "ps -o pid,comm -o args",
        "ps -o pid,comm aux",
        "ps -o pid,comm:40,command",
        "ps --format args",
        "ps -o $COLUMNS",
        "ps -o {args,pid}",
        "ps -o pid 2>/dev/null -f",
        "/bin/ps aux; ps",
        'p"s" aux; ps',
        "p\\s aux; ps -o pid",
        "'ps' aux",
        "command ps aux; ps",
        "xargs ps < names",
        "pgrep -a python",
        "pgrep -fl python",
        "pgrep -f -l python",
        "pgrep --list-full python",
        "lsof",
        "lsof -n",
        "lsof -p 12",
        "lsof -i :8000",
        "lsof -i -n +c 0",
        "lsof +D /srv -n -i",
        "ss",
        "ss -x",
        "ss -tx",
        "ss -tr",
        "ss -te",
        "ss -t 2>/dev/null -x",
        "users",
    ],
)
def test_what_processes_were_started_with_and_hosts_are_called_is_a_strangers(command):
    assert not tells_numbers(command)
