"""What ``deploy/`` says, held against the settings and the roles."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from bot.config import Settings
from bot.roles import Role
from tests.conftest import REQUIRED

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SETTINGS = {name.upper() for name in Settings.model_fields}
KUBERNETES = ("kubernetes.yaml", "kubernetes-gateways.yaml")
HEALTH_PORT = 9090
GRACE = Settings.model_fields["shutdown_grace"].default


def load_text(name: str) -> str:
    return (DEPLOY / name).read_text()


def load(name: str) -> list[Any]:
    return list(yaml.safe_load_all(load_text(name)))


def services(name: str) -> dict[str, Any]:
    (found,) = load(name)
    return found["services"]


def bots(name: str) -> dict[str, Any]:
    return {n: s for n, s in services(name).items() if s["image"] == "vary"}


@pytest.mark.parametrize("name", ["compose.endpoints.yaml", "compose.gateways.yaml"])
def test_compose_starts_roles_with_settings_that_exist(name: str):
    for service in bots(name).values():
        *words, role = service["command"]
        assert words == ["python", "-m", "bot"]
        assert Role(role)
        assert set(service["environment"]) <= SETTINGS
        assert service["environment"]["HEALTH_PORT"] == HEALTH_PORT
        assert int(service["stop_grace_period"].removesuffix("s")) >= GRACE + 10
        assert service["build"]["args"]["REQUIREMENTS"] == "requirements-postgres.txt"
        given = {key.lower(): str(value) for key, value in service["environment"].items()}
        database = re.sub(r"\$\{.*?\}", "secret", given.pop("database_url"))
        assert database.startswith("postgresql://vary:secret@postgres/")
        Settings(_env_file=None, **REQUIRED, **given)  # pyright: ignore
    assert bots(name)["worker"]["deploy"]["replicas"] == 3


@pytest.mark.parametrize("name", ["compose.endpoints.yaml", "compose.gateways.yaml"])
def test_compose_takes_the_file_by_the_command_in_its_first_lines(name: str, tmp_path: Path):
    """With the settings where the file says, and nothing of this machine's environment."""
    (command,) = re.findall(
        "^#   docker (compose .*) up -d --build$", load_text(name), re.MULTILINE
    )
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    values = {"DISCORD_TOKEN": "token", "POSTGRES_PASSWORD": "p4ss", "DOMAIN": "vary.example"}
    settings = "".join(f"{key}={value}\n" for key, value in values.items())
    (tmp_path / ".env").write_text(settings)
    program = Path(sys.executable).with_name("docker-compose")
    done = subprocess.run(
        [program, *command.split()[1:], "config", "--format", "json"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["services"]
    assert found.keys() == services(name).keys()
    for bot in bots(name):
        environment = found[bot]["environment"]
        assert environment["DISCORD_TOKEN"] == "token"
        assert environment["DATABASE_URL"] == "postgresql://vary:p4ss@postgres/vary"


def test_every_shard_has_just_one_gateway():
    gateways = [s for n, s in bots("compose.gateways.yaml").items() if "gateway" in n]
    shards = [gateway["environment"]["SHARD_IDS"] for gateway in gateways]
    assert [shards] == [list(range(g["environment"]["SHARD_COUNT"])) for g in gateways[:1]]


def test_caddy_sends_to_every_endpoint_and_asks_how_it_is():
    caddyfile = (DEPLOY / "Caddyfile").read_text()
    endpoints = [n for n in bots("compose.endpoints.yaml") if n.startswith("endpoint")]
    assert len(endpoints) == 2
    assert f"reverse_proxy {' '.join(f'{n}:8080' for n in endpoints)} {{" in caddyfile
    assert f"health_port {HEALTH_PORT}" in caddyfile
    assert "health_uri /readyz" in caddyfile


def pods() -> Iterator[tuple[str, Any]]:
    for name in KUBERNETES:
        for thing in load(name):
            if thing["kind"] in {"Deployment", "StatefulSet"}:
                assert (
                    thing["spec"]["selector"]["matchLabels"]
                    == (thing["spec"]["template"]["metadata"]["labels"])
                )
                yield thing["metadata"]["name"], thing["spec"]["template"]["spec"]


def test_kubernetes_starts_roles_with_settings_that_exist():
    found = dict(pods())
    assert set(found) == {"vary-endpoint", "vary-worker", "vary-gateway"}
    for name, pod in found.items():
        (bot,) = pod["containers"]
        assert bot["args"] == ["python", "-m", "bot", name.removeprefix("vary-")]
        assert {one["name"] for one in bot["env"]} <= SETTINGS
        settings = {one["name"]: one.get("value") for one in bot["env"]}
        ports = {port["name"]: str(port["containerPort"]) for port in bot["ports"]}
        assert ports["health"] == settings["HEALTH_PORT"]
        assert ports.get("http") == settings.get("PORT")
        assert bot["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "health"}
        if "readinessProbe" in bot:
            assert bot["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "health"}
        assert pod["terminationGracePeriodSeconds"] >= GRACE + 10 + 5


def test_the_manifests_of_kubernetes_fit_a_page():
    assert len((DEPLOY / KUBERNETES[0]).read_text().splitlines()) <= 100


def test_each_gateway_of_kubernetes_has_the_shard_of_its_number():
    gateway = next(t for t in load("kubernetes-gateways.yaml") if t["kind"] == "StatefulSet")
    (bot,) = gateway["spec"]["template"]["spec"]["containers"]
    settings = {one["name"]: one for one in bot["env"]}
    assert settings["SHARD_COUNT"]["value"] == str(gateway["spec"]["replicas"])
    field = settings["SHARD_IDS"]["valueFrom"]["fieldRef"]["fieldPath"]
    assert field == "metadata.labels['apps.kubernetes.io/pod-index']"


def unit(name: str) -> configparser.SectionProxy:
    """Return the section Service; of a key that comes again, the last value."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # pyright: ignore
    parser.read(DEPLOY / "systemd" / name)
    return parser["Service"]


def test_systemd_gives_each_role_time_and_locks_it_in():
    alone, role = unit("vary.service"), unit("vary-role@.service")
    assert alone["ExecStart"].endswith("-m bot")
    assert role["ExecStart"].endswith("-m bot %j")
    for one in (alone, role):
        assert float(one["TimeoutStopSec"]) >= GRACE + 10
        assert one["RestartPreventExitStatus"] == "78"
        assert one["ProtectSystem"] == "strict"
        assert one["CapabilityBoundingSet"] == ""
    own = {"Environment", "EnvironmentFile", "ExecStart"}
    assert {k: v for k, v in alone.items() if k not in own} == {
        k: v for k, v in role.items() if k not in own
    }


def queries() -> Iterator[str]:
    """Yield every query of the dashboard and of the alerts."""
    dashboard = json.loads((DEPLOY / "grafana.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield target["expr"]
    (alerts,) = load("alerts.yaml")
    for group in alerts["groups"]:
        for rule in group["rules"]:
            yield rule["expr"]


@pytest.mark.parametrize("query", list(queries()))
def test_every_query_can_be_parsed(query: str):
    promql_parser.parse(query)


def test_the_dashboard_s_panels_do_not_overlap():
    panels = json.loads((DEPLOY / "grafana.json").read_text())["panels"]
    cells = [
        (x, y)
        for at in (panel["gridPos"] for panel in panels)
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_the_document_names_every_metric():
    code = (ROOT / "bot" / "metrics.py").read_text()
    counters = {f"{name}_total" for name in re.findall(r'counter\(\s*"(\w+)"', code)}
    others = set(re.findall(r'(?:gauge|histogram)\(\s*"(\w+)"', code))
    named = re.findall(r"`vary_(\w+)(?:\{[\w, ]+\})?`", (DEPLOY / "README.md").read_text())
    assert len(others) >= 10
    assert sorted(named) == sorted(counters | others)


def test_prometheus_asks_every_process_and_reads_the_alerts():
    (found,) = load("prometheus.yaml")
    (job,) = found["scrape_configs"]
    (names,) = job["dns_sd_configs"]
    assert set(names["names"]) == set(bots("compose.endpoints.yaml"))
    assert names["port"] == HEALTH_PORT
    assert all((DEPLOY / file).exists() for file in found["rule_files"])
