from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

import bot
from bot.config import BadSettings, Settings, load_settings
from bot.prompts import PromptRules
from tests.conftest import REQUIRED, MakeSettings
from tests.documents import env_example, settings_table

ROOT = Path(__file__).parents[2]


def run_bot(cwd: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bot", *arguments],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_each_missing_setting_gets_one_sentence_and_no_traceback(tmp_path: Path):
    ended = run_bot(tmp_path, GENART_CONCURRENCY="many", DATABASE_URL="mysql://x/y")
    lines = ended.stderr.splitlines()
    assert ended.returncode == os.EX_CONFIG
    assert [line.split()[0] for line in lines] == [
        *(name.upper() for name in REQUIRED),
        "GENART_CONCURRENCY",
        "DATABASE_URL",
    ]
    assert all(line.endswith(".") for line in lines)


def test_a_malformed_secret_is_not_printed(tmp_path: Path):
    given = {name.upper(): value for name, value in REQUIRED.items()}
    ended = run_bot(tmp_path, **given | {"DISCORD_TOKEN": "two hush words"})
    assert ended.returncode == os.EX_CONFIG
    assert ended.stderr.startswith("DISCORD_TOKEN must be")
    assert "hush" not in ended.stderr


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("QUEUE_LIMIT", "0", "must be at least 1"),
        ("QUEUE_LIMIT", "many", "must be a whole number"),
        ("QUEUE_LIMIT", "1.5", "must be a whole number"),
        ("GENART_CONCURRENCY", "1000", "must be at most 100"),
        ("GENART_TIMEOUT", "0", "must be more than 0"),
        ("GENART_TIMEOUT", "soon", "must be a number"),
        ("GENART_TIMEOUT", "inf", "must be at most 3600"),
        ("LOG_FORMAT", "xml", "must be text or json"),
        ("LOG_LEVEL", "loud", "must be DEBUG, INFO, WARNING, ERROR or CRITICAL"),
        ("DATABASE_URL", "nonsense", "must be an address such as sqlite:///vary.db"),
        ("GENART_API_KEY", "two words", "must be plain letters, digits and signs, without spaces"),
    ],
)
def test_what_is_wrong_with_a_setting_is_a_sentence_of_our_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str, sentence: str
):
    monkeypatch.chdir(tmp_path)
    for required, given in REQUIRED.items():
        monkeypatch.setenv(required.upper(), given)
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings) as caught:
        load_settings()
    assert caught.value.sentences == [f"{name} {sentence}."]


def test_no_setting_is_refused_in_the_words_of_a_library(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.setenv(name.upper(), "\u00e9 \u00e9,[-1")
    with pytest.raises(BadSettings) as caught:
        load_settings()
    said = " ".join(caught.value.sentences).lower()
    assert not any(word in said for word in ("input", "should", "valid", "value error"))


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_and_version_need_no_settings(tmp_path: Path, argument: str):
    ended = run_bot(tmp_path, argument)
    assert ended.returncode == 0
    assert "Vary" in ended.stdout


def test_settings_are_read_from_dotenv_but_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    lines = [f"{name.upper()}={value}" for name, value in REQUIRED.items()]
    (tmp_path / ".env").write_text("\n".join([*lines, "QUEUE_LIMIT=7", "DAILY_LIMIT=8"]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAILY_LIMIT", "9")
    settings = Settings()  # pyright: ignore
    assert (settings.queue_limit, settings.daily_limit) == (7, 9)
    assert settings.discord_token.get_secret_value() == REQUIRED["discord_token"]


def test_no_secret_shows_in_a_printed_setting(make_settings: MakeSettings):
    settings = make_settings()
    assert settings.secrets() == [
        REQUIRED[name] for name in ("discord_token", "genart_api_key", "genart_discord_token")
    ]
    assert not any(secret in repr(settings) for secret in settings.secrets())


def test_a_database_s_password_is_a_secret(make_settings: MakeSettings):
    settings = make_settings(database_url="postgres://vary:p%40ss-word@host/name")
    assert settings.database_url == "postgresql://vary:p%40ss-word@host/name"
    assert {"p@ss-word", "p%40ss-word"} < set(settings.secrets())
    assert "ss-word" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("discord_api_url", "http://discord.example/api"),
        ("genart_api_url", "api.genartapi.com"),
        ("genart_image_hosts", "https://cdn.example/"),
        ("genart_image_hosts", " , "),
        ("genart_timeout", 0),
        ("log_level", "LOUD"),
        ("database_url", "sqlite://"),
        ("database_url", "postgres://host"),
        ("database_url", "mysql://host/name"),
        ("genart_api_key", "käse"),
    ],
)
def test_malformed_settings_are_refused(make_settings: MakeSettings, name: str, value: object):
    with pytest.raises(ValidationError):
        make_settings(**{name: value})


def test_the_documents_say_of_every_setting_what_it_is():
    assert (ROOT / ".env.example").read_text() == env_example(), "run `make documents`"
    assert settings_table() in (ROOT / "README.md").read_text(), "run `make documents`"
    assert all(field.description for field in Settings.model_fields.values())


def test_the_version_is_the_project_s():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert bot.__version__ == project["version"]


def test_the_rules_of_prompts_are_read_from_the_settings(make_settings: MakeSettings):
    settings = make_settings(
        prompt_parameters=" --AR, no,", genart_url_limit=900, genart_api_url="https://a.example/v1"
    )
    assert settings.prompt_rules() == PromptRules(frozenset({"ar", "no"}), 900, "/v1")


@pytest.mark.parametrize("names", ["ar 3:2", "ar,--no dogs", "v6"])
def test_what_names_no_parameter_is_refused(make_settings: MakeSettings, names: str):
    with pytest.raises(ValidationError):
        make_settings(prompt_parameters=names)
