import pytest

from holdfast.client.discovery import Address, locate
from holdfast.client.logins import Login, keep_login, login_at, logins_path
from holdfast.errors import ConfigInvalid

URL = "https://holdfast.example.com"
ANN, DEV = Login("ann", "hft_ann"), Login("key:dev", "hft_dev")


@pytest.fixture
def home(tmp_path):
    return {"HOME": str(tmp_path), "HOLDFAST_URL": URL}


def test_a_sign_in_is_kept_by_address_for_its_owner_alone(home):
    assert login_at(URL, home) is None
    keep_login(f"{URL}/", ANN, home)
    keep_login("http://127.0.0.1:8787", DEV, home)
    path = logins_path(home)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert login_at(URL, home) == ANN
    keep_login(URL, None, home)
    assert (login_at(URL, home), login_at("http://127.0.0.1:8787", home)) == (None, DEV)


def test_the_folder_is_the_users_own_choice(tmp_path):
    given = {"HOME": "/nowhere", "XDG_CONFIG_HOME": str(tmp_path)}
    assert logins_path(given) == tmp_path / "holdfast" / "sign-ins.json"
    assert logins_path({"HOME": "/h", "XDG_CONFIG_HOME": "relative"}).parts[:3] == (
        "/",
        "h",
        ".config",
    )


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_reach_is_not_used(home, mode):
    keep_login(URL, ANN, home)
    logins_path(home).chmod(mode)
    with pytest.raises(ConfigInvalid, match="chmod 600"):
        login_at(URL, home)


def test_a_damaged_file_says_what_to_do(home):
    keep_login(URL, ANN, home)
    logins_path(home).write_text("{")
    with pytest.raises(ConfigInvalid, match="sign in again"):
        login_at(URL, home)


def test_a_sign_in_is_found_after_every_token_of_the_environment(home):
    keep_login(URL, ANN, home)
    assert locate(None, None, None, home) == Address(URL, "hft_ann")
    assert locate(None, "given", None, home).token == "given"
    for variable in ("HOLDFAST_KEY", "HOLDFAST_OPERATOR_TOKEN", "HOLDFAST_ADMIN_TOKEN"):
        assert locate(None, None, None, home | {variable: "set"}).token == "set"
    assert locate("https://other.example", None, None, home).token == ""


def test_whoever_operates_does_not_act_as_a_key(home):
    keep_login(URL, DEV, home)
    assert locate(None, None, None, home).token == "hft_dev"
    assert locate(None, None, None, home, spends=False).token == ""
