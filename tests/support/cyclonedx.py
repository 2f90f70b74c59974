"""Validates CycloneDX 1.6 files with the schema in tests/fixtures/cyclonedx, as the Python library of the
CycloneDX project carries it: cyclonedx.py FILE... Prints what is wrong, and exits with code 1."""

import json
import pathlib
import sys

import jsonschema

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "cyclonedx"
SCHEMAS = {file.name: json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.schema.json"))}

root = SCHEMAS["bom-1.6.SNAPSHOT.schema.json"]
base = root["$id"].rsplit("/", 1)[0]
resolver = jsonschema.RefResolver(root["$id"], root, store={f"{base}/{name}": its for name, its in SCHEMAS.items()})
validator = jsonschema.Draft7Validator(root, resolver=resolver)
wrong = [
    f"{file}: {'/'.join(map(str, error.path))}: {error.message[:300]}"
    for file in sys.argv[1:]
    for error in validator.iter_errors(json.loads(pathlib.Path(file).read_text()))
]
print("\n".join(wrong), end="")
sys.exit(1 if wrong else 0)
