"""What the documents say, held against what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image, ImageSequence

from bot.config import Settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "benchmarks/README.md",
    "deploy/README.md",
    "docs/scale.md",
)


def read(name: str) -> str:
    return (ROOT / name).read_text()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_a_document_links_to_is_there(name: str):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", read(name)):
        assert ((ROOT / name).parent / target).exists(), target


def test_the_image_copies_what_there_is():
    dockerfile = read("Dockerfile")
    sources = re.findall(r"^COPY (\S+)", dockerfile, re.MULTILINE)
    (locked,) = re.findall(r"^ARG REQUIREMENTS=(\S+)$", dockerfile, re.MULTILINE)
    sources = [source.replace("${REQUIREMENTS}", locked) for source in sources]
    assert sources
    assert all((ROOT / source).exists() for source in sources)
    ignored = [line.removeprefix("!") for line in read(".dockerignore").splitlines() if "!" in line]
    assert {*sources, "requirements-postgres.txt"} == set(ignored)
    assert "USER vary" in dockerfile
    # An exact version: what is built is what was tried.
    assert re.search(r"^FROM python:3\.\d+\.\d+-slim$", dockerfile, re.MULTILINE)


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml", "README.md", "CONTRIBUTING.md"])
def test_every_setting_that_a_document_names_is_one(name: str):
    known = {field.upper() for field in Settings.model_fields}
    named = set(
        re.findall(r"\b(?:GENART|DISCORD|DATABASE|SHUTDOWN|RETENTION)_[A-Z_]+\b", read(name))
    )
    assert named <= known


def test_every_sentence_under_when_something_is_wrong_is_one_of_ours():
    code = "".join(path.read_text() for path in (ROOT / "bot").rglob("*.py"))
    code = re.sub(r'"\s*\n\s*f?"', "", code)
    section = read("README.md").partition("## When something is wrong")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \|", section, re.MULTILINE)[2:]
    sentences = [s for row in rows for s in re.findall(r"[`*]([^`*]{12,})[`*]", row)]
    assert len(sentences) >= 10
    for sentence in sentences:
        words = sentence.strip("… ").replace("5 waiting", "{limit} waiting")
        assert words in code, sentence


def test_every_file_that_contributing_names_is_there():
    text = read("CONTRIBUTING.md")
    rooms = re.findall(r"^(\S+/\S*|\S+\.py)  +\S", text.split("```")[1], re.MULTILINE)
    named = re.findall(r"`((?:bot|cogs|tests|docs|sandbox|benchmarks)/[\w./-]*)`", text)
    assert len(rooms) >= 10
    missing = [name for name in {*rooms, *named} if not (ROOT / name).exists()]
    assert missing == []


def test_the_animated_picture_is_short_and_light():
    path = ROOT / "docs" / "tour.webp"
    assert path.stat().st_size < 2_000_000
    length = 0
    with Image.open(path) as image:
        for frame in ImageSequence.Iterator(image):
            frame.load()
            length += int(frame.info["duration"])
    assert 9_500 <= length <= 10_500
