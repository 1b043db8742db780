"""A file that the user typed by its name in the folder is that file, however a tool spells it."""

import pytest

from holdfast.core.flow import Vouched, gate
from holdfast.core.place import Place
from holdfast.model.risk import RiskLevel
from holdfast.model.tools import ArgumentRole, Contract, Effect

SHOP = Place(folder="/data/ann/shop")


def asks(typed, value, *, place=SHOP, argument="path", role="what"):
    contract = Contract(
        name="publish",
        description="d",
        effect=Effect.COMMIT,
        risk=RiskLevel.LOW,
        risk_reason="r",
        input_schema={"type": "object", "properties": {}},
        roles={argument: ArgumentRole(role)},
    )
    vouched = Vouched()
    vouched.trust(typed)
    vouched.taint("fetch")
    return [r.code for r in gate(contract, {argument: value}, vouched.copy(), place)]


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("publish src/app.py", "/data/ann/shop/src/app.py"),
        ("publish `src/app.py`, please.", "/data/ann/shop/src/app.py"),
        ("see ./src/app.py:12", "/data/ann/shop/src/app.py"),
        ("see @src/app.py", "/data/ann/shop/./src/../src/app.py"),
        ("publish app.py", "/data/ann/shop/app.py"),
        ("publish app.py", "./app.py"),
        ("publish docs/Makefile.", "/data/ann/shop/docs/Makefile"),
    ],
)
def test_a_typed_name_vouches_for_the_file_of_the_folder(typed, value):
    assert asks(typed, value) == []


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("publish src/app.py", "/data/ann/other/src/app.py"),
        ("publish src/app.py", "/data/ann/shop/lib/src/app.py"),
        ("publish src/app.py", "/data/ann/shop/app.py"),
        ("publish src/app.py", "/data/ann/shop/src/app.pyc"),
        ("publish src/app.py", "/data/ann/shop/src/App.py"),
        ("publish src/app.py", "/data/ann/shop/../src/app.py"),
        ("publish src/app.py", "/data/ann/shopping/src/app.py"),
        ("publish src/app.py", "~/src/app.py"),
        ("publish app.py", "/data/ann/shop/src/app.py"),
        # Part of another path is another file.
        ("not /etc/src/app.py", "/data/ann/shop/src/app.py"),
        ("not lib/src/app.py", "/data/ann/shop/src/app.py"),
        ("not ../src/app.py", "/data/ann/shop/src/app.py"),
        ("not ~/src/app.py", "/data/ann/shop/src/app.py"),
        ("https://a.example/src/app.py", "/data/ann/shop/src/app.py"),
        ("publish .", "/data/ann/shop"),
    ],
)
def test_it_vouches_for_no_other_file_of_that_name(typed, value):
    assert asks(typed, value) == ["flow.unvouched"]


@pytest.mark.parametrize("folder", ["", "/", "/home", "/tmp"])
def test_without_a_folder_of_its_own_a_session_has_no_files_by_name(folder):
    value = f"{folder.rstrip('/')}/src/app.py"
    assert asks("see src/app.py:1", value, place=Place(folder=folder)) == ["flow.unvouched"]


def test_only_an_argument_that_names_a_file_is_one():
    value = "/data/ann/shop/src/app.py"
    assert asks("publish src/app.py", value, argument="item") == ["flow.unvouched"]
    assert asks("publish src/app.py", value, role="who") == ["flow.unvouched"]
