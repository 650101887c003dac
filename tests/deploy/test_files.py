"""What the files in deploy/ must agree on: with the server, and with one another."""

import configparser
import re
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.balancing import status
from tests.running import Running
from xiaozhi import __version__
from xiaozhi.settings import OPENAI_NAMES, Settings

ROOT = Path(__file__).parents[2]

DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
MANIFEST: list[dict[str, Any]] = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
STOPS_WITHIN = Settings.model_fields["stop_within"].default + 3  # s, with what closes after it


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [each for each in MANIFEST if each["kind"] == kind]


def pods() -> list[dict[str, Any]]:
    return [each["spec"]["template"]["spec"] for each in of_kind("Job") + of_kind("Deployment")]


def test_what_they_set_are_settings():
    known = {f"XIAOZHI_{name}".upper() for name in Settings.model_fields} | {*OPENAI_NAMES.values()}
    in_the_image = set(re.findall(r"\bXIAOZHI_[A-Z_]+(?==)", DOCKERFILE))
    assert in_the_image
    assert in_the_image <= known
    for name in ("migrate", "xiaozhi"):
        assert COMPOSE["services"][name]["environment"].keys() <= known


def test_a_stop_is_waited_for():
    [deployment] = of_kind("Deployment")
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]
    before = int(container["lifecycle"]["preStop"]["exec"]["command"][-1])
    assert pod["terminationGracePeriodSeconds"] - before > STOPS_WITHIN
    assert int(COMPOSE["services"]["xiaozhi"]["stop_grace_period"].removesuffix("s")) > STOPS_WITHIN
    unit = configparser.RawConfigParser(strict=False)
    unit.read(DEPLOY / "xiaozhi.service")
    assert unit.getint("Service", "TimeoutStopSec") > STOPS_WITHIN


def test_no_service_becomes_a_setting():
    """Kubernetes would set XIAOZHI_PORT, to the address of the Service `xiaozhi`."""
    assert [pod["enableServiceLinks"] for pod in pods()] == [False, False]


def test_all_run_as_the_user_of_the_image():
    assert re.search(r"^USER [1-9]\d*$", DOCKERFILE, re.MULTILINE)
    for pod in pods():
        assert pod["securityContext"]["runAsNonRoot"]
        [container] = pod["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"]


def test_the_image_is_the_one_of_this_version():
    images = [container["image"] for pod in pods() for container in pod["containers"]]
    assert {image.split(":")[-1] for image in images} == {__version__}


def test_what_is_probed_is_there(server: Running):
    [deployment] = of_kind("Deployment")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    probed = {
        container[f"{name}Probe"]["httpGet"]["path"]
        for name in ("startup", "liveness", "readiness")
    }
    checked = re.search(r"HEALTHCHECK.*?127\.0\.0\.1:\d+(/\w+)'", DOCKERFILE, re.DOTALL)
    assert checked
    for path in {*probed, checked.group(1)}:
        assert status(server.url.removesuffix("/v1") + path) == 200


def test_nobody_is_sent_to_the_migration():
    [deployment] = of_kind("Deployment")
    servers = deployment["spec"]["selector"]["matchLabels"]
    assert deployment["spec"]["template"]["metadata"]["labels"] == servers
    selectors = [service["spec"]["selector"] for service in of_kind("Service")]
    selectors += [
        each["spec"]["selector"]["matchLabels"] for each in of_kind("PodDisruptionBudget")
    ]
    assert selectors == [servers] * 3
    [job] = of_kind("Job")
    assert job["spec"]["template"]["metadata"]["labels"] != servers


def test_the_balancer_finds_the_replicas():
    addresses = re.findall(r"server (\S+):(\d+) resolve", (DEPLOY / "nginx.conf").read_text())
    port = Settings.model_fields["port"].default
    assert {*addresses} == {("xiaozhi", str(port))}
    assert COMPOSE["services"]["xiaozhi"]["deploy"]["replicas"] > 1
    assert "./nginx.conf:/etc/nginx/nginx.conf:ro" in COMPOSE["services"]["balancer"]["volumes"]
    [deployment] = of_kind("Deployment")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert [each["containerPort"] for each in container["ports"]] == [port]


def test_the_image_is_made_of_what_is_there():
    outside = re.findall(r"^COPY (?!--from)(\S+) ", DOCKERFILE, re.MULTILINE)
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    for source in outside:
        assert (ROOT / source).exists()
        assert f"!{source}" in ignored
