"""Where a clock may be moved by hand, and where not."""

import pytest

from holdfast.compose.config import parse_config
from holdfast.compose.moved_clock import check_clock
from holdfast.compose.storage import DATABASE
from holdfast.errors import ConfigInvalid

HERE = 'upstreams: {anthropic: {base_url: "http://127.0.0.1:9"}}\n'
TESTS = "server: {test_project: true}\n"
AGENT = "version: 1\nagents: {one: {model: claude-haiku-4-5}}\n"


def check(tmp_path, text, environment=None, *, asked=True, marked=False):
    config = parse_config(text.encode(), tmp_path / "holdfast.yaml")
    config.state_path.mkdir(exist_ok=True)
    check_clock(config, environment or {}, asked=asked, marked=marked)


def test_a_project_of_tests_with_a_model_of_its_own_may_move_its_clock(tmp_path):
    check(tmp_path, AGENT + TESTS + HERE, {"ANTHROPIC_API_KEY": "sk-ant-of-the-scripted-model"})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (AGENT + HERE, "test_project"),
        (AGENT + TESTS, "real provider"),
        (AGENT + TESTS + "upstreams: {anthropic: {vendor: bedrock, auth: sigv4, region: eu-west-1}}\n", "real provider"),
        (AGENT + TESTS + HERE + "gateway: {processes: 1}\n", "gateway processes"),
        (AGENT + TESTS + HERE + 'store: {url: "postgresql://db/x?sslmode=disable"}\n', "elsewhere"),
    ],
)  # fmt: skip
def test_no_other_project_may(tmp_path, text, says):
    with pytest.raises(ConfigInvalid, match=says):
        check(tmp_path, text)


@pytest.mark.parametrize("key", ["sk-ant-api03-x", "sk-ant-oat01-x", "sk-ant-admin01-x"])
def test_a_providers_real_key_is_refused(tmp_path, key):
    with pytest.raises(ConfigInvalid, match="real key"):
        check(tmp_path, AGENT + TESTS + HERE, {"ANTHROPIC_API_KEY": key})


def test_what_was_done_in_real_time_stays_in_real_time(tmp_path):
    (tmp_path / ".holdfast").mkdir()
    (tmp_path / ".holdfast" / DATABASE).touch()
    with pytest.raises(ConfigInvalid, match="real time"):
        check(tmp_path, AGENT + TESTS + HERE)
    check(tmp_path, AGENT + TESTS + HERE, marked=True)


def test_a_state_folder_of_a_test_clock_is_served_by_nothing_else(tmp_path):
    with pytest.raises(ConfigInvalid, match="made up"):
        check(tmp_path, AGENT + TESTS + HERE, asked=False, marked=True)
