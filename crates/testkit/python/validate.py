"""Validates documents with the `jsonschema` library: Draft 2020-12, formats checked where the library knows them.

The argument is a file of cases, a JSON list of {"schema": …, "documents": [document …]}. Printed is a JSON list of what
is not valid: {"case": number, "document": number, "why": text}.
"""

import json
import sys

from jsonschema import Draft202012Validator

wrong = []
with open(sys.argv[1], encoding="utf-8") as cases:
    for number, case in enumerate(json.load(cases)):
        Draft202012Validator.check_schema(case["schema"])
        validator = Draft202012Validator(case["schema"], format_checker=Draft202012Validator.FORMAT_CHECKER)
        for place, document in enumerate(case["documents"]):
            for error in validator.iter_errors(document):
                wrong.append({"case": number, "document": place, "why": f"{error.json_path}: {error.message}"})
print(json.dumps(wrong))
